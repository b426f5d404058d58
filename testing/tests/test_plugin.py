"""The pytest fixtures: one server per session, and a client with a root of its own per test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from zoolet.testing import Server

TIMEOUT_S = 60.0


def run_pytest(folder: Path, text: str, *arguments: str) -> str:
    """Run a test module in a pytest of its own; its output."""
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments, "test_it.py"]
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    return result.stdout + result.stderr


def test_the_proc_fixture_is_a_running_server(zookeeper_proc: Server) -> None:
    assert zookeeper_proc.is_running


@pytest.mark.parametrize("turn", [1, 2])
def test_the_client_fixture_starts_every_test_with_an_empty_root(zookeeper: Any, turn: int) -> None:
    assert zookeeper.get_children("/") == []
    zookeeper.create("/a/b/c", b"x", makepath=True)
    assert zookeeper.get("/a/b/c")[0] == b"x"


def test_the_root_is_named_after_the_test_and_gone_afterwards(tmp_path: Path) -> None:
    text = """\
from kazoo.client import KazooClient

def roots(server):
    client = KazooClient(server.connect_string)
    client.start()
    try:
        return sorted(set(client.get_children("/")) - {"zookeeper"})
    finally:
        client.stop()
        client.close()

def test_one(zookeeper, zookeeper_proc):
    zookeeper.create("/a")
    (root,) = roots(zookeeper_proc)
    assert root.startswith("test_one-")

def test_two(zookeeper_proc):
    assert roots(zookeeper_proc) == []
"""
    assert "2 passed" in run_pytest(tmp_path, text)


def test_a_test_may_stop_the_server_and_its_client(tmp_path: Path) -> None:
    text = """\
def test_one(zookeeper, zookeeper_proc):
    zookeeper.create("/a")
    zookeeper.stop()
    zookeeper_proc.stop()

def test_two(zookeeper, zookeeper_proc):
    zookeeper.create("/a")
    zookeeper_proc.kill()

def test_three(zookeeper):
    assert zookeeper.get_children("/") == []
    zookeeper.stop()
"""
    assert "3 passed" in run_pytest(tmp_path, text)


def test_factories_make_fixtures_with_other_settings(tmp_path: Path) -> None:
    text = """\
from zoolet.testing import factories

short_proc = factories.zookeeper_proc(tick_time_ms=50, max_session_timeout_ms=900)
short = factories.zookeeper("short_proc", timeout_s=5)

def test_one(short, short_proc):
    assert "tickTime=50" in short.command(b"conf")
    assert ",to=900," in short.command(b"cons")
"""
    assert "1 passed" in run_pytest(tmp_path, text)


def test_every_xdist_worker_has_a_server_of_its_own(tmp_path: Path) -> None:
    text = """\
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(zookeeper_proc, number):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    pathlib.Path(f"{worker}.{zookeeper_proc.port}").touch()
"""
    output = run_pytest(tmp_path, text, "-n", "2")
    assert "4 passed" in output
    seen = [path.name.split(".") for path in tmp_path.glob("gw*")]
    assert len(seen) == len({worker for worker, _ in seen}) == len({port for _, port in seen})


def test_without_kazoo_the_client_fixture_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "kazoo.py").write_text("raise ImportError('no kazoo here')\n")
    text = """\
def test_proc(zookeeper_proc):
    assert zookeeper_proc.is_running

def test_client(zookeeper):
    pass
"""
    output = run_pytest(tmp_path, text)
    assert "1 passed, 1 error" in output
    assert "kazoo is not installed: pip install kazoo" in output
