"""What the bench does to its surroundings before it measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.machine import keep_bytecode


def test_a_program_that_is_started_keeps_its_bytecode_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "module.py").write_text("answer = 42\n")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    keep_bytecode(tmp_path / "bytecode", environment)
    subprocess.run(
        [sys.executable, "-c", "import module"], cwd=tmp_path / "source", env=environment, check=True
    )
    assert list((tmp_path / "bytecode").rglob("module.*.pyc"))
    assert [path.name for path in (tmp_path / "source").iterdir()] == ["module.py"]
