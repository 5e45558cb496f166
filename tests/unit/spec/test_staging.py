"""Test the temporary files in which new contents wait: their names, and the removal of leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reconciler.spec.staging import write_temporary


def test_a_temporary_file_is_hidden_and_names_its_run(tmp_path: Path) -> None:
    temporary = write_temporary(tmp_path / "a.yaml", "new\n")
    assert temporary.name.startswith(f".a.yaml.reconciler-{os.getpid()}.")
    assert temporary.read_text() == "new\n"


def test_only_leftovers_of_killed_runs_of_the_same_file_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = {
        f".b.yaml.reconciler-{ended.pid}.abc",
        f".a.yaml.reconciler-{os.getpid()}.abc",
        f".a.yaml.reconciler-{ended.pid}.yaml.swp",
        ".a.yaml.swp",
        ".a.yaml.reconciler-own",
    }
    for name in (*kept, f".a.yaml.reconciler-{ended.pid}.abc"):
        (tmp_path / name).write_text("")
    temporary = write_temporary(tmp_path / "a.yaml", "new\n")
    assert {file.name for file in tmp_path.iterdir()} == kept | {temporary.name}
