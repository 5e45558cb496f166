"""Test the next step of a migration for each pair of states, and the line for the project file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.record import Record, Relocation, RelocationPhase, State
from reconciler.model.state_location import parse_state_location
from reconciler.state.codec import DamagedStateError, decode_state, encode_state
from reconciler.state.relocation import (
    MigrationStep,
    build_copy,
    build_mark,
    choose_step,
    format_state_line,
)

OLD, NEW, THIRD = ".reconciler/state.json", "git:origin/states", "s3://states/state.json"
STATE = State("a1", 7, "tidy_acorn", {Address("group", "orders"): Record(id="decent_dropsy")})


def arriving(state: State, place: str = OLD) -> State:
    return build_copy(state, Relocation(RelocationPhase.ARRIVING, place, "ada on laptop", "now"))


def departed(copy: State, place: str = NEW) -> State:
    return build_mark(copy, Relocation(RelocationPhase.DEPARTED, place, "ada on laptop", "now"))


COPY = arriving(STATE)
MARK = departed(COPY)


@pytest.mark.parametrize(
    ("source", "target", "step"),
    [
        (STATE, None, MigrationStep.COPY),
        (STATE, COPY, MigrationStep.COPY),
        (replace(STATE, serial=12), COPY, MigrationStep.COPY),  # an apply came after a killed migration
        (STATE, departed(replace(STATE, serial=5), THIRD), MigrationStep.COPY),  # back to a former place
        (STATE, STATE, MigrationStep.DEPART),
        (STATE, replace(STATE, written_at=datetime(2026, 11, 23, tzinfo=UTC)), MigrationStep.DEPART),
        (MARK, COPY, MigrationStep.ACTIVATE),
        (MARK, replace(COPY, relocation=None), MigrationStep.DONE),
        (MARK, replace(STATE, serial=30, records={}), MigrationStep.DONE),
    ],
)
def test_a_migration_goes_on_where_it_stopped(
    source: State, target: State | None, step: MigrationStep
) -> None:
    assert choose_step(source, target, OLD, NEW) is step


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        (None, None, "no-state"),
        (None, STATE, "no-state"),
        (None, COPY, "state-arriving"),
        (STATE, replace(STATE, lineage="b2"), "state-elsewhere"),
        (STATE, arriving(replace(STATE, lineage="b2")), "state-elsewhere"),
        (STATE, departed(replace(STATE, lineage="b2")), "state-elsewhere"),
        (STATE, replace(STATE, serial=8), "state-elsewhere"),
        (STATE, replace(STATE, records={}), "state-elsewhere"),
        (
            STATE,
            departed(replace(STATE, serial=8), THIRD),
            "state-elsewhere",
        ),  # the source is a restored backup
        (STATE, arriving(STATE, THIRD), "state-arriving"),
        (COPY, None, "state-arriving"),
        (departed(COPY, THIRD), None, "state-moved"),
        (MARK, None, "state-elsewhere"),
        (MARK, STATE, "state-elsewhere"),
        (MARK, replace(COPY, serial=9), "state-elsewhere"),
        (MARK, replace(COPY, lineage="b2"), "state-elsewhere"),
    ],
)
def test_states_that_do_not_belong_together_are_refused(
    source: State | None, target: State | None, code: str
) -> None:
    with pytest.raises(ReconcilerError) as error:
        choose_step(source, target, OLD, NEW)
    assert [each.code for each in error.value.diagnostics] == [code]


def test_only_an_arriving_copy_is_completed_without_its_source() -> None:
    assert choose_step(None, COPY, OLD, NEW, without_source=True) is MigrationStep.ACTIVATE
    for found in (None, STATE, MARK):
        with pytest.raises(ReconcilerError):
            choose_step(None, found, OLD, NEW, without_source=True)


@pytest.mark.parametrize("state", [COPY, MARK])
def test_earlier_releases_take_a_mark_for_a_newer_state(state: State) -> None:
    """They read formats 1 to 3, and refuse any higher format."""
    content = encode_state(state)
    assert b'"format": 4' in content
    assert decode_state(content) == state


def test_a_state_in_force_is_written_as_before() -> None:
    assert b"relocation" not in encode_state(STATE)
    assert b'"format": 2' in encode_state(STATE)


def test_a_mark_with_an_impossible_place_is_damaged() -> None:
    content = encode_state(MARK).replace(NEW.encode(), b"ftp://nowhere")
    with pytest.raises(DamagedStateError):
        decode_state(content)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (".reconciler/state.json", "state: .reconciler/state.json"),
        ("git:origin/fivetran-state", "state: git:origin/fivetran-state"),
        ("git:git@example.com:infra.git/states", "state: git:git@example.com:infra.git/states"),
        ("s3://bucket/fivetran/state.json", "state: s3://bucket/fivetran/state.json"),
        ("our states/prod.json", 'state: "our states/prod.json"'),
        ("states/#1: {prod}.json", 'state: "states/#1: {prod}.json"'),
        ("true", 'state: "true"'),
        ("/srv/état/x.json", 'state: "/srv/état/x.json"'),
    ],
)
def test_the_line_of_the_project_file_is_yaml(place: str, line: str) -> None:
    from ruamel.yaml import YAML

    assert format_state_line(place) == line
    assert YAML(typ="safe").load(line) == {"state": place}
    assert str(parse_state_location(place)) == place
