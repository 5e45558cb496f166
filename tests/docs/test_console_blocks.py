"""Every console block of the README, the guides and the examples runs in order and prints the shown output.

A block is a ```console fence: lines that start with `$ ` are commands, followed by their output (both
streams). `...` alone on a line stands for any lines; durations are not compared. A command that ends with
`# exit N` must exit with that code, every other command with 0.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_harness import ROOT

README = ROOT / "README.md"
GUIDES = sorted((ROOT / "reconciler" / "guides").glob("*.md"))
FOLDERS = {  # the working folder of the commands, by page
    README: ROOT,
    **{page: ROOT for page in GUIDES if "```console" in page.read_text()},
    **{page: page.parent for page in sorted((ROOT / "examples").glob("*/README.md"))},
}


@dataclass(frozen=True)
class Step:
    """One command with its expected output."""

    command: str
    exit: int
    output: list[str]


def parse_steps(page: Path) -> list[Step]:
    """Parse the commands of a page in reading order."""
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line[2:].partition("  # exit ")
                steps.append(Step(command, int(code or 0), []))
            else:
                steps[-1].output.append(line)
    return steps


def test_pages_have_console_blocks() -> None:
    assert len(parse_steps(README)) >= 4
    assert all(parse_steps(page) for page in FOLDERS)
    assert any(page in FOLDERS for page in GUIDES)


@pytest.mark.sampled(every=99)  # the README alone
@pytest.mark.parametrize("page", FOLDERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_console_blocks_show_the_real_output(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(FOLDERS[page], folder, ignore=shutil.ignore_patterns(".*", "tests", "reconciler"))
    environ = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FIVETRAN_", "RECONCILER_"))
        },
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "PYTHONIOENCODING": "utf-8",
    }
    for step in parse_steps(page):
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == step.exit, f"$ {step.command}\n{done.stdout}"
        if step.output:
            assert is_match(step.output, done.stdout.splitlines()), f"$ {step.command}\n{done.stdout}"


def is_match(expected: list[str], printed: list[str]) -> bool:
    """Check printed lines against the expected lines; `...` stands for any number of lines."""
    pattern = r"\n".join(
        r"(?:.*\n)*?.*" if line == "..." else re.escape(normalize_line(line)) for line in expected
    )
    return (
        re.fullmatch(pattern.strip(), "\n".join(normalize_line(line) for line in printed).strip()) is not None
    )


def normalize_line(line: str) -> str:
    """Remove durations and their padding from a line, which differ between runs."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)? s\b", "N s", line)).rstrip()


def test_a_wrong_console_block_fails() -> None:
    assert is_match(["a", "...", "took 0.2 s"], ["a", "b", "c", "took 11.9 s"])
    assert not is_match(["a", "...", "took 0.2 s"], ["a", "b", "took long"])
    assert not is_match(["a"], ["a", "b"])
