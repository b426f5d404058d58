"""Collects the figures of all rounds: medians, ratios, and their forms as table, Markdown and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from .metrics import Metric, Readings
from .row import Row

JAVA, ZOOLET = "java", "zoolet"
EQUAL_WITHIN = 0.05
"""Ratios this close to 1 are called equal: two runs of one server differ by as much."""


@dataclass(frozen=True)
class Line:
    """One figure of one row: the values of all rounds for each server."""

    row: Row
    metric: Metric
    values: Mapping[str, Sequence[float]]

    def median(self, server: str) -> float | None:
        """The median of the rounds, None if the server has none."""
        values = self.values.get(server)
        return statistics.median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """zoolet / Java, of the medians."""
        java, zoolet = self.median(JAVA), self.median(ZOOLET)
        return zoolet / java if java and zoolet is not None else None

    @property
    def verdict(self) -> str:
        """Which side of the comparison zoolet is on, in a word."""
        ratio = self.ratio
        if ratio is None or self.metric.is_fact:
            return ""
        if abs(ratio - 1) <= EQUAL_WITHIN:
            return "equal"
        return "better" if (ratio > 1) == self.metric.higher_is_better else "worse"


@dataclass
class Report:
    """All that was measured, in the order in which the rows first came."""

    environment: Mapping[str, str | int | float]
    _lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, row: Row, server: str, readings: Readings) -> None:
        """The figures of one row in one round."""
        for metric, value in readings.items():
            line = self._lines.setdefault((row.name, metric.label), Line(row, metric, {JAVA: [], ZOOLET: []}))
            values = line.values[server]
            assert isinstance(values, list)
            values.append(value)

    def add_failure(self, row: Row, server: str, reason: str) -> None:
        """A row that could not be measured; it makes the whole run fail in the end."""
        self.failures.append((row.name, server, reason))

    @property
    def lines(self) -> list[Line]:
        """Every figure, rows together."""
        return list(self._lines.values())

    def print(self, console: Console) -> None:
        """A table for the eye, under the facts about the machine."""
        for name, value in self.environment.items():
            console.print(f"{name}: {value}", highlight=False, markup=False)
        table = Table("row", "figure", "java", "zoolet", "zoolet/java", "", title="medians")
        table.columns[0].no_wrap = True
        for column in table.columns[2:5]:
            column.justify = "right"
        colours = {"better": "green", "worse": "red", "equal": "", "": ""}
        previous = ""
        for line in self.lines:
            if previous not in ("", line.row.name):
                table.add_section()
            name = "" if line.row.name == previous else line.row.name
            table.add_row(name, *_cells(line), style=colours[line.verdict])
            previous = line.row.name
        console.print(table)
        for row, server, reason in self.failures:
            console.print(f"failed: {row} on {server}: {reason}", style="bold red", markup=False)

    def markdown(self) -> str:
        """The same as a Markdown document, with the machine it was measured on."""
        text = [f"- {name}: {value}" for name, value in self.environment.items()]
        text += ["", "| row | figure | java | zoolet | zoolet/java | |", "|---|---|---:|---:|---:|---|"]
        text += [f"| {' | '.join((line.row.title, *_cells(line)))} |" for line in self.lines]
        if self.failures:
            text += ["", *(f"- failed: {row} on {server}: {reason}" for row, server, reason in self.failures)]
        return "\n".join(text) + "\n"

    def json(self) -> str:
        """Everything, with the values of every round."""
        figures = [
            {
                "row": line.row.name,
                "title": line.row.title,
                "figure": line.metric.label,
                "unit": line.metric.unit,
                "higher_is_better": line.metric.higher_is_better,
                **{
                    server: {"median": line.median(server), "rounds": list(values)}
                    for server, values in line.values.items()
                },
                "ratio": line.ratio,
                "verdict": line.verdict,
            }
            for line in self.lines
        ]
        failures = [{"row": row, "server": server, "reason": reason} for row, server, reason in self.failures]
        whole = {"environment": dict(self.environment), "figures": figures, "failures": failures}
        return json.dumps(whole, indent=1) + "\n"


def format_number(value: float | None) -> str:
    """Three digits that matter, thousands separated."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cells(line: Line) -> tuple[str, str, str, str, str]:
    figure = f"{line.metric.label}, {line.metric.unit}" if line.metric.unit else line.metric.label
    ratio = "" if line.metric.is_fact else format_number(line.ratio)
    return figure, format_number(line.median(JAVA)), format_number(line.median(ZOOLET)), ratio, line.verdict
