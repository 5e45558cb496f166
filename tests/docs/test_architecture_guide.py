"""The guide to the architecture names existing packages and files."""

from __future__ import annotations

import re

from cli_harness import ROOT

GUIDE = (ROOT / "reconciler" / "guides" / "architecture.md").read_text()
QUESTIONS = re.findall(r"^\| (.+\?) \| (.+) \|$", GUIDE, re.MULTILINE)


def test_the_guide_answers_at_least_ten_questions_with_one_file_each() -> None:
    answers = [re.findall(r"`(reconciler/[\w/.]+)`", answer) for _, answer in QUESTIONS]
    assert len(answers) >= 10
    assert {len(files) for files in answers} == {1}


def test_every_named_file_exists() -> None:
    named = re.findall(r"`(reconciler/[\w/.]+)`", GUIDE)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_is_described() -> None:
    rooms = {path.name for path in (ROOT / "reconciler").iterdir() if (path / "__init__.py").is_file()}
    described = set(re.findall(r"`(\w+)`", GUIDE.split("## A run")[0]))
    assert rooms - described == set()
