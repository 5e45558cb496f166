"""Accepted texts and comments of plans of different sizes, created by the real program against an emulated account.

Each file of `plan_sizes/` is one plan: `42.txt` is the text of a file or a job log, which is folded at 120 columns,
`42.md` the comment of a pull request, and `42.page.txt` has the texts of the page, a line for each change. They are
compared byte for byte, except for times. To accept a change, run this file with `ACCEPT_PLANS=1` and review every line
of the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from many_changes import SIZES, prepare_changes
from plan_pages import parse_page

FOLDER = Path(__file__).parent / "plan_sizes"
FORMS = {"text": "txt", "markdown": "md", "html": "page.txt"}


@pytest.mark.parametrize(
    "changes", [pytest.param(size, marks=[pytest.mark.long] if size > 100 else []) for size in SIZES]
)
def test_a_plan_of_this_size_matches_its_accepted_output(
    changes: int, project: Project, server: EmulatedFivetran
) -> None:
    example = AppliedProject(project, server)
    prepare_changes(example, SIZES[changes])
    planned = example.plan("-q", "--format", "json", "--out", "plan.json").document
    assert len(planned["changes"]) == SIZES[changes].changes == changes
    for form, extension in FORMS.items():
        result = example.run("show", "plan.json", "--format", form)
        shown = result.stdout + result.stderr
        shown = list_blocks(shown) if form == "html" else shown
        text = re.sub(r"in \d+\.\d s", "in 0.0 s", shown)
        text = re.sub(r"\ASaved .*\n", "", text)
        file = FOLDER / f"{changes}.{extension}"
        if os.environ.get("ACCEPT_PLANS"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text()


def list_blocks(page: str) -> str:
    """List the texts of a page, without its times and the whole digest."""
    lines = [re.sub(r" in full \S+$", "", line) for line in parse_page(page).list_lines()]
    return "".join(f"{line}\n" for line in lines if not re.search(r"by reconciler|valid until", line))


def test_a_plan_of_42_changes_is_read_on_one_screen() -> None:
    lines = (FOLDER / "42.txt").read_text().splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 120


def test_a_comment_of_42_changes_folds_no_change_of_one_field() -> None:
    comment = (FOLDER / "42.md").read_text()
    folds = re.findall(r"<summary>(.*?)</summary>", comment)
    assert all("· 1 field" not in fold or "<b>create</b>" in fold for fold in folds)
    assert len(re.findall(r"(?m)^- \*\*update\*\*", comment)) == 10
