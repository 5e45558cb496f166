"""Test validation errors of pydantic, reported in the terms of specs."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.model.diagnostic import Diagnostic
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mood: Mood = Mood.GOOD
    when: Literal["now", "later"] = "now"
    run: bool = True


class Outer(BaseModel):
    inner: Inner | None = None


def validate_and_fail(text: str) -> Diagnostic:
    root = parse(text, "a.yaml")
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(to_plain(root))
    [only] = to_diagnostics(raised.value, root, Outer)
    return only


def test_the_choices_of_a_closed_list_are_named() -> None:
    assert validate_and_fail("inner: {mood: canary}\n").message == "`mood` must be `good` or `bad`"
    assert validate_and_fail("inner: {when: canary}\n").help == "write `now` or `later`"


def test_a_nested_unknown_key_gets_a_suggestion_from_its_own_mapping() -> None:
    problem = validate_and_fail("inner: {runn: true}\n")
    assert (problem.code, problem.help, str(problem.span)) == (
        "unknown-key",
        "did you mean `run`?",
        "a.yaml:1:9",
    )


def test_a_finding_of_unknown_kind_has_a_span_and_never_the_value() -> None:
    problem = validate_and_fail("inner: {run: canary}\n")
    assert (problem.code, str(problem.span)) == ("wrong-shape", "a.yaml:1:14")
    assert "canary" not in problem.message + problem.help
