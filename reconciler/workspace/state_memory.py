"""Remember where the state of a project was last, on this machine.

A project file that suddenly names another place of the state would start with an empty state there: without any error,
protection, outstanding setup tests and rotated secrets would be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.record import RelocationPhase, State
from reconciler.model.state_location import LocalFile, StateLocation, parse_state_location
from reconciler.runtime.own_folder import make_folder
from reconciler.spec.files import display_path
from reconciler.spec.project import Project
from reconciler.state.atomic_file import write_atomically
from reconciler.state.relocation import format_state_line
from reconciler.workspace.project_state import path_for
from reconciler.workspace.settings import Settings
from reconciler.workspace.store import build_store, get_default_place, get_place, is_same_place, with_state

_MEMORY = "state-place.json"


@dataclass(frozen=True, slots=True)
class FormerPlace:
    """Place with the records of a project that names another place now. `evidence` is the file that shows it: without
    this file the place is forgotten."""

    location: StateLocation
    evidence: Path


def remember_place(project: Project, location: StateLocation) -> None:
    """Remember the place of the state of a project. A folder that cannot be written remembers nothing."""
    file = path_for(project, _MEMORY, sandbox=False)
    content = (json.dumps({"place": str(location)}) + "\n").encode()
    with suppress(OSError):
        if not file.exists() or file.read_bytes() != content:
            make_folder(file.parent)
            write_atomically(file, content)


def check_former_place(project: Project, settings: Settings, *, writes: bool) -> Diagnostic | None:
    """Check whether a project without a state had a state at another place.

    The finding is an error for a run that `writes`, since its records would hide the loss from all later runs.
    """
    former = find_former_place(project, settings)
    if former is None:
        return None
    place, evidence = str(former.location), display_path(former.evidence, settings.directory)
    present = str(get_place(project))
    return Diagnostic(
        "state-elsewhere",
        f"there is no state `{present}` yet, and the state of this project was `{place}`",
        severity=Severity.ERROR if writes else Severity.WARNING,
        notes=(
            "without its records, rotated secrets, outstanding setup tests and the protection of deleted entries are"
            " forgotten",
        ),
        help=f"write `{format_state_line(place)}` into the project file again, and move the state with `reconciler"
        f" state migrate --to {present}`; to start without its records, delete `{evidence}`",
    )


def find_former_place(project: Project, settings: Settings) -> FormerPlace | None:
    """Find another place than the present place with records of a project: the last place, or the usual file.

    Sends nothing: a remote place counts as it is remembered.
    """
    memory = path_for(project, _MEMORY, sandbox=False)
    for location in (*_read_memory(memory), get_default_place(project)):
        found = (
            _examine_file(project, settings, location)
            if isinstance(location, LocalFile)
            else FormerPlace(location, memory)
        )
        if found is not None and not is_same_place(project, found.location, get_place(project)):
            return found
    return None


def _examine_file(project: Project, settings: Settings, location: LocalFile) -> FormerPlace | None:
    """Examine a state file, and follow the mark of a moved state. Returns None for a file without records."""
    state = _read_file(project, settings, location)
    if state is None:
        return None
    evidence = project.directory / location.path
    relocation = state.relocation
    if relocation is not None and relocation.phase is RelocationPhase.DEPARTED:
        return FormerPlace(parse_state_location(relocation.place), evidence)
    return FormerPlace(location, evidence) if state.records else None


def _read_file(project: Project, settings: Settings, location: LocalFile) -> State | None:
    """Read a state file. An unreadable file counts as none: no run of this project can use it."""
    with suppress(ReconcilerError):
        return build_store(with_state(project, location), settings).read_relocated()
    return None


def _read_memory(file: Path) -> Iterator[StateLocation]:
    """Read the remembered place, if there is one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        yield parse_state_location(json.loads(file.read_text("utf-8"))["place"])
