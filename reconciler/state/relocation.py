"""Decide the next step of a migration of a state, from the states at both places.

A migration takes three writes, each of them atomic:

    write                        place in force after it
    ---------------------------  ---------------------------------------------
    a copy at the new place      the old place: the copy is marked as arriving
    the mark at the old place    the new place, once its copy is activated
    the activation of the copy   the new place

A place that is not in force refuses every run, and names the command or the place to go on with. So at each moment at
most one place accepts runs, the records are whole at one place at least, and the next migration to the same place goes
on where a killed migration stopped.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from enum import Enum, auto

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import Relocation, RelocationPhase, State
from reconciler.state.codec import encode_state

_PLAIN_YAML = re.compile(r"[A-Za-z./][A-Za-z0-9._:@/+-]*/[A-Za-z0-9._@/+-]+")


class MigrationStep(Enum):
    """Next step of a migration; each step includes the later steps."""

    COPY = auto()
    DEPART = auto()  # the new place has the same state already
    ACTIVATE = auto()
    DONE = auto()


def choose_step(
    source: State | None,
    target: State | None,
    source_place: str,
    target_place: str,
    *,
    without_source: bool = False,
) -> MigrationStep:
    """Choose the next step of a migration from the states at both places. `without_source` completes a migration whose
    source is lost. Raises ReconcilerError."""
    if source is None:
        if without_source and is_arriving(target):
            return MigrationStep.ACTIVATE
        raise ReconcilerError([_explain_no_source(target, source_place, target_place)])
    match source.relocation:
        case None:
            return _choose_first_step(source, target, source_place, target_place)
        case Relocation(RelocationPhase.DEPARTED, place) if place == target_place:
            return _choose_last_step(source, target, source_place, target_place)
        case relocation:
            raise ReconcilerError([explain_relocation(source_place, relocation)])


def _choose_first_step(
    source: State, target: State | None, source_place: str, target_place: str
) -> MigrationStep:
    if target is None:
        return MigrationStep.COPY
    if target.lineage != source.lineage:
        raise ReconcilerError([_explain_other_lineage(source_place, target_place)])
    match target.relocation:
        case None if is_same_state(source, target):
            return MigrationStep.DEPART
        case Relocation(RelocationPhase.DEPARTED) if target.serial <= source.serial:
            return MigrationStep.COPY
        case Relocation(RelocationPhase.ARRIVING, place) if place == source_place:
            return MigrationStep.COPY  # the source may have changed since a killed migration wrote the copy
        case Relocation(RelocationPhase.ARRIVING) as relocation:
            raise ReconcilerError([explain_relocation(target_place, relocation)])
    raise ReconcilerError([_explain_diverged(source, target, source_place, target_place)])


def _choose_last_step(
    source: State, target: State | None, source_place: str, target_place: str
) -> MigrationStep:
    if target is not None and target.lineage == source.lineage:
        if target.relocation is None and target.serial >= source.serial:
            return MigrationStep.DONE
        if target.serial == source.serial and is_arriving(target):
            return MigrationStep.ACTIVATE
    raise ReconcilerError([_explain_missing_copy(source_place, target_place)])


def is_arriving(state: State | None) -> bool:
    """Check whether a state is the copy of a migration that has not ended."""
    relocation = state.relocation if state is not None else None
    return relocation is not None and relocation.phase is RelocationPhase.ARRIVING


def is_same_state(one: State, other: State) -> bool:
    """Check whether two states are the same, whenever they were written."""
    return encode_state(replace(one, written_at=None)) == encode_state(replace(other, written_at=None))


def build_copy(source: State, relocation: Relocation) -> State:
    """Build the arriving copy of a state. All records, unfinished changes and approved plans come along."""
    return replace(source, serial=source.serial + 1, written_at=None, relocation=relocation)


def build_mark(arrived: State, relocation: Relocation) -> State:
    """Build the mark of the old place: no records, and the serial of the copy."""
    return State(arrived.lineage, arrived.serial, arrived.account_id, relocation=relocation)


def format_state_line(place: str) -> str:
    """Format the line of the project file that names a place."""
    return f"state: {place if _PLAIN_YAML.fullmatch(place) else json.dumps(place, ensure_ascii=False)}"


def explain_relocation(display_name: str, relocation: Relocation) -> Diagnostic:
    """Explain a state that is not in force because of a migration."""
    note = f"by {relocation.by}, at {relocation.at}"
    if relocation.phase is RelocationPhase.DEPARTED:
        return Diagnostic(
            "state-moved",
            f"the state `{display_name}` was moved to `{relocation.place}`",
            notes=(note,),
            help=f"write `{format_state_line(relocation.place)}` into the project file",
        )
    return Diagnostic(
        "state-arriving",
        f"the move of the state from `{relocation.place}` to `{display_name}` has not been completed",
        notes=(note,),
        help=f"run `reconciler state migrate` to this place again, where `{relocation.place}` can be read",
    )


def _explain_no_source(target: State | None, source_place: str, target_place: str) -> Diagnostic:
    if is_arriving(target):
        return Diagnostic(
            "state-arriving",
            f"the move of the state from `{source_place}` to `{target_place}` has not been completed, and there is no"
            f" state `{source_place}` here",
            help="run the migration again where it was started; if the old place is lost for good, add"
            " `--without-source`",
        )
    return Diagnostic(
        "no-state",
        f"there is no state `{source_place}`, so there is nothing to move",
        notes=("the first apply writes a state",),
        help=f"write `{format_state_line(target_place)}` into the project file, or choose another project with"
        " `--project`",
    )


def _explain_other_lineage(source_place: str, target_place: str) -> Diagnostic:
    return Diagnostic(
        "state-elsewhere",
        f"`{target_place}` holds the state of another history than `{source_place}`",
        notes=(
            "it belongs to another project, or to runs of this project that did not know the other state",
        ),
        help="choose another place; if that state is not needed any more, delete it first",
    )


def _explain_diverged(source: State, target: State, source_place: str, target_place: str) -> Diagnostic:
    return Diagnostic(
        "state-elsewhere",
        f"`{source_place}` and `{target_place}` hold different versions of one state",
        notes=(f"their serials are {source.serial} and {target.serial}",),
        help="find out which of them the last apply wrote, and delete the other one",
    )


def _explain_missing_copy(source_place: str, target_place: str) -> Diagnostic:
    return Diagnostic(
        "state-elsewhere",
        f"the state `{source_place}` was moved to `{target_place}`, which does not hold it",
        notes=("it was deleted, or replaced by an older version",),
        help="restore it, or delete both and plan again: existing objects are found by their ids or names",
    )
