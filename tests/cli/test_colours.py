"""Colours follow the terminal, `--no-color` and the variables that many programs share."""

from __future__ import annotations

from pathlib import Path

import pytest
from applied_project import AppliedProject
from cli_harness import ROOT
from command_line import run

from reconciler.cli.output import choose_colour
from reconciler.report.colour import Colour
from reconciler.report.formats import Document, list_formats

pytestmark = pytest.mark.sampled(every=8)

REPOSITORY = {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Colour.AUTO),
        ({"TERM": "xterm", "CLICOLOR": "1", "NO_COLOR": "", "FORCE_COLOR": ""}, Colour.AUTO),
        ({"TERM": "dumb"}, Colour.NEVER),
        ({"CLICOLOR": "0"}, Colour.NEVER),
        ({"NO_COLOR": "0"}, Colour.NEVER),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, Colour.ALWAYS),
        ({"FORCE_COLOR": "3"}, Colour.ALWAYS),
        ({"FORCE_COLOR": "0"}, Colour.AUTO),
        ({"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, Colour.ALWAYS),
        ({"CLICOLOR_FORCE": "0"}, Colour.AUTO),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, Colour.NEVER),
    ],
)
def test_the_environment_decides_about_colours(environ: dict[str, str], expected: Colour) -> None:
    assert choose_colour(environ, no_color=False) is expected
    assert choose_colour(environ, no_color=True) is Colour.NEVER


@pytest.mark.parametrize("name", ["FORCE_COLOR", "CLICOLOR_FORCE"])
@pytest.mark.parametrize("words", [["validate"], ["plan", "--sandbox"], ["pln"]])
def test_a_pipe_gets_colours_if_asked_for(tmp_path: Path, name: str, words: list[str]) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/reconciler.yaml").write_text("version: 1\nspecs: [groups.yaml]\nprotect: []\n")
    assert "\x1b" not in run(*words, directory=tmp_path, **REPOSITORY).err
    assert "\x1b[1;31merror" in run(*words, directory=tmp_path, **REPOSITORY, **{name: "1"}).err
    both = run(*words, directory=tmp_path, NO_COLOR="1", **REPOSITORY, **{name: "1"})
    assert "\x1b" not in both.err


LOGS = {"text", "github"}
"""Formats whose standard output is read by people, in the log of a job too."""


@pytest.mark.parametrize("form", sorted({*list_formats(Document.PLAN)} - LOGS))
def test_a_document_has_no_colours(applied_project: AppliedProject, form: str) -> None:
    applied_project.declare("orders", "sales", extra="  new: {}\n")
    result = applied_project.run("plan", "--format", form, FORCE_COLOR="1")
    assert result.exit == 0
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("form", sorted(LOGS))
def test_a_log_has_colours_outside_of_its_annotations(applied_project: AppliedProject, form: str) -> None:
    applied_project.declare(
        "orders", "sales", extra="  new: {destination: {service: brand_new, time_zone_offset: '0'}}\n"
    )
    stdout = applied_project.run("plan", "--format", form, FORCE_COLOR="1").stdout
    assert "\x1b[32m+ " in stdout
    annotations = [line for line in stdout.splitlines() if "::" in line]
    assert all(line.startswith("::") and "\x1b" not in line for line in annotations)
    assert bool(annotations) is (form == "github")
