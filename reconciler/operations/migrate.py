"""Move the state of a project to another place, for `state migrate`. Sends nothing to Fivetran.

The steps and the states between them are those of `reconciler.state.relocation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.record import Relocation, RelocationPhase, State, is_fingerprint
from reconciler.model.state_location import StateLocation, StateLocationError, parse_state_location
from reconciler.operations.state import build_cleaner, explain_no_state
from reconciler.spec.project import Project, read_project
from reconciler.state.codec import encode_state
from reconciler.state.read_times import (
    DamagedTimesError,
    NewerTimesError,
    ReadTimes,
    decode_times,
    encode_times,
    merge_times,
)
from reconciler.state.relocation import (
    MigrationStep,
    build_copy,
    build_mark,
    choose_step,
    format_state_line,
    is_arriving,
)
from reconciler.state.store import Store
from reconciler.workspace.clear_values import warn_state_cleaned
from reconciler.workspace.settings import Settings
from reconciler.workspace.state_memory import remember_place
from reconciler.workspace.store import build_store, get_place, is_same_place, with_state


@dataclass(frozen=True, slots=True)
class Migration:
    """Completed migration between two places. `named_at` is the place of the line that names the state in the project
    file (file and line); the file alone if there is no such line."""

    source: str
    target: str
    state: State
    state_line: str
    named_at: str
    is_named: bool
    was_complete: bool
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _StatePlace:
    """Place of a state: the text that names it in a project file, and its store."""

    text: str
    location: StateLocation
    store: Store


def migrate_state(settings: Settings, text: str, *, without_source: bool = False) -> Migration:
    """Move the state to the place that `text` names, as `state:` in the project file would.

    A project file that names the new place already completes a migration that was killed; with `without_source` also
    if the old place is lost. Raises ReconcilerError: then the place that was in force before is still in force, or the
    same command completes the migration.
    """
    project = read_project(settings.project, settings.directory)
    location = _parse_place(text)
    target = _open_place(project, settings, location)
    if not is_same_place(project, get_place(project), location):
        source = _open_place(project, settings, get_place(project))
        return _migrate(project, settings, source, target, without_source=without_source)
    arriving = target.store.read_relocated()
    if arriving is None or arriving.relocation is None or not is_arriving(arriving):
        return _build_result(project, target, target, _require_state(target), was_complete=True)
    source = _open_place(project, settings, _parse_place(arriving.relocation.place))
    return _migrate(project, settings, source, target, without_source=without_source)


def _migrate(
    project: Project, settings: Settings, source: _StatePlace, target: _StatePlace, *, without_source: bool
) -> Migration:
    # First without the locks, so that a refusal leaves no lock and no branch behind.
    _read_states(source, target, without_source=without_source)
    with source.store.lock.hold(settings.holder), target.store.lock.hold(settings.holder):
        result = _migrate_locked(project, settings, source, target, without_source=without_source)
    _copy_read_times(source.store, target.store)
    remember_place(project, target.location)
    return replace(result, warnings=(*result.warnings, *_list_unreleased(source, target)))


def _migrate_locked(
    project: Project, settings: Settings, source: _StatePlace, target: _StatePlace, *, without_source: bool
) -> Migration:
    """Take the remaining steps of a migration, while both locks are held."""
    departing, arriving, step = _read_states(source, target, without_source=without_source)
    warnings: tuple[Diagnostic, ...] = ()
    if step is MigrationStep.COPY and departing is not None:
        # Values in clear, which an earlier release wrote, do not go to a place with a history.
        cleaned = build_cleaner(project, settings, source.store).clean(departing)
        if cleaned.cleared_fields:
            warnings = (warn_state_cleaned(source.store.display_name, cleaned.cleared_fields),)
        arriving = build_copy(cleaned.state, _build_relocation(settings, RelocationPhase.ARRIVING, source))
        _copy_key(source.store, target.store)
        target.store.replace(arriving)
        _verify(_open_place(project, settings, target.location), arriving)
    if arriving is None:
        raise AssertionError("each step has a copy")
    if step in (MigrationStep.COPY, MigrationStep.DEPART):
        source.store.replace(
            build_mark(arriving, _build_relocation(settings, RelocationPhase.DEPARTED, target))
        )
    if is_arriving(arriving):
        arriving = replace(arriving, relocation=None)
        target.store.replace(arriving)
    warnings += tuple(_warn_lost_key(project, source.store, target.store, arriving))
    was_complete = step is MigrationStep.DONE
    return replace(
        _build_result(project, source, target, arriving, was_complete=was_complete), warnings=warnings
    )


def _read_states(
    source: _StatePlace, target: _StatePlace, *, without_source: bool
) -> tuple[State | None, State | None, MigrationStep]:
    """Read the states at both places, and choose the next step. Raises ReconcilerError."""
    departing, arriving = source.store.read_relocated(), target.store.read_relocated()
    step = choose_step(departing, arriving, source.text, target.text, without_source=without_source)
    return departing, arriving, step


def _parse_place(text: str) -> StateLocation:
    """Parse a place. Raises ReconcilerError."""
    try:
        return parse_state_location(text)
    except StateLocationError as error:
        shown = "the place" if error.secret else f"`{text}`"
        raise ReconcilerError(
            [Diagnostic("bad-place", f"{shown} is no place for a state: {error}", help=error.advice)]
        ) from None


def _open_place(project: Project, settings: Settings, location: StateLocation) -> _StatePlace:
    return _StatePlace(str(location), location, build_store(with_state(project, location), settings))


def _require_state(place: _StatePlace) -> State:
    """Read the state in force. Raises ReconcilerError if there is none."""
    state = place.store.read()
    if state is None:
        advice = "to move a state, let the project file name its present place until it is moved"
        raise ReconcilerError([replace(explain_no_state(place.store), help=advice)])
    return state


def _build_relocation(settings: Settings, phase: RelocationPhase, other: _StatePlace) -> Relocation:
    at = settings.clock.now().isoformat(timespec="seconds")
    holder = settings.holder
    return Relocation(phase, other.text, f"{holder.user} on {holder.host}", at)


def _build_result(
    project: Project, source: _StatePlace, target: _StatePlace, state: State, *, was_complete: bool
) -> Migration:
    entry = project.root.entries.get("state")
    return Migration(
        source=source.text,
        target=target.text,
        state=state,
        state_line=format_state_line(target.text),
        named_at=project.shown if entry is None else f"{project.shown}:{entry.node.span.line}",
        is_named=is_same_place(project, get_place(project), target.location),
        was_complete=was_complete,
    )


def _copy_key(source: Store, target: Store) -> None:
    """Copy the key of the fingerprints between two files. No other place holds a key."""
    if source.key_file is None or target.key_file is None:
        return
    key = source.key_file.read()
    if key is not None:
        target.key_file.write(key)


def _copy_read_times(source: Store, target: Store) -> None:
    """Copy the times of reads. They only save requests: if they cannot be copied, a new round of reads begins."""
    with suppress(OSError, DamagedTimesError, NewerTimesError):
        content = source.build_times_file().read()
        if content is not None:
            times = decode_times(content)
            target.build_times_file().update(
                partial(_add_read_times, times), "times of reads of a moved state"
            )


def _add_read_times(times: ReadTimes, content: bytes | None) -> bytes:
    return encode_times(times if content is None else merge_times(times, decode_times(content)))


def _verify(place: _StatePlace, written: State) -> None:
    """Read a copy back through a new store, which knows nothing of the write. Raises ReconcilerError."""
    found = place.store.read_relocated()
    if found is None or encode_state(found) != encode_state(written):
        raise ReconcilerError(
            [
                Diagnostic(
                    "state-unusable",
                    f"the state `{place.store.display_name}` is not as it was written",
                    notes=("the old place is unchanged, and still in force",),
                    help="choose a place that keeps what is written to it",
                )
            ]
        )


def _warn_lost_key(project: Project, source: Store, target: Store, state: State) -> Iterator[Diagnostic]:
    """Warn if the key of the fingerprints stays behind, since only a file has a key beside it."""
    is_left_behind = source.key_file is not None and target.key_file is None
    if is_left_behind and project.content.fingerprint_key is None and _has_fingerprints(state):
        yield Diagnostic(
            "fingerprints-lost",
            f"no key of fingerprints is kept in `{target.display_name}`, so changed secrets are not detected there",
            severity=Severity.WARNING,
            help="set `fingerprint_key:` in the project file, and run `reconciler state rekey`",
        )


def _has_fingerprints(state: State) -> bool:
    return any(
        is_fingerprint(stored)
        for record in state.records.values()
        for stored in (*record.fingerprints.values(), *record.answer_fingerprints.values())
    )


def _list_unreleased(*places: _StatePlace) -> Iterator[Diagnostic]:
    """List the warnings about locks that could not be released."""
    for place in places:
        if place.store.lock.release_failure is not None:
            yield place.store.lock.release_failure
