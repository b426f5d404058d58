"""The report tells medians and ratios, and says which way is good."""

from __future__ import annotations

import json
from itertools import groupby

import pytest

from bench import metrics
from bench.errors import BenchError
from bench.report import Report, format_number
from bench.rows import ROWS, select_rows


def report_of(java: list[float], zoolet: list[float], metric: metrics.Metric) -> Report:
    report = Report({"cores": 2})
    for server, values in (("java", java), ("zoolet", zoolet)):
        for value in values:
            report.add(ROWS[0], server, {metric: value})
    return report


def test_ratio_is_zoolet_over_java_of_the_medians() -> None:
    (line,) = report_of([10, 1000, 20], [30, 40, 50], metrics.P50).lines
    assert (line.median("java"), line.median("zoolet"), line.ratio) == (20, 40, 2)


@pytest.mark.parametrize(
    ("metric", "zoolet", "verdict"),
    [
        (metrics.OPS, 200, "better"),
        (metrics.OPS, 50, "worse"),
        (metrics.P50, 200, "worse"),
        (metrics.P50, 50, "better"),
        (metrics.P50, 97, "equal"),
        (metrics.SNAPSHOTS, 50, ""),
    ],
)
def test_verdict_knows_which_direction_is_good(metric: metrics.Metric, zoolet: float, verdict: str) -> None:
    (line,) = report_of([100], [zoolet], metric).lines
    assert line.verdict == verdict


def test_a_server_that_was_not_measured_leaves_a_gap() -> None:
    report = report_of([100], [], metrics.OPS)
    assert report.lines[0].ratio is None
    assert "| 100 | - | - |" in report.markdown()


def test_json_keeps_every_round_and_every_failure() -> None:
    report = report_of([1, 3], [2], metrics.WALL)
    report.add_failure(ROWS[1], "zoolet", "no reply")
    read = json.loads(report.json())
    assert read["figures"][0]["java"] == {"median": 2, "rounds": [1, 3]}
    assert read["figures"][0]["zoolet"] == {"median": 2, "rounds": [2]}
    assert read["failures"] == [{"row": ROWS[1].name, "server": "zoolet", "reason": "no reply"}]
    assert "failed" in report.markdown()


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.123, "0.12"), (12.34, "12.3"), (56123.4, "56,123")]
)
def test_numbers_show_the_digits_that_matter(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_rows_have_names_of_their_own_and_stand_by_their_group() -> None:
    names = [row.name for row in ROWS]
    groups = [row.group for row in ROWS]
    assert len(set(names)) == len(names)
    assert len(list(groupby(groups))) == len(set(groups))


def test_rows_are_chosen_by_pattern() -> None:
    assert {row.name for row in select_rows(("get-*x1", "fan-out"), quick=False)} == {"get-200x1", "fan-out"}
    assert not any(row.is_long for row in select_rows((), quick=True))
    assert select_rows(("tree-500k",), quick=True)
    with pytest.raises(BenchError, match="no row matches nothing"):
        select_rows(("nothing",), quick=False)
