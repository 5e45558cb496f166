"""Run all checks of a set-up, for `doctor`. A check whose basis is missing is reported as not checked."""

from __future__ import annotations

from itertools import chain

from reconciler.model.checkup import Checkup
from reconciler.model.event import Listener, ignore_event
from reconciler.model.state_location import GitBranch
from reconciler.operations.doctor.account import check_account
from reconciler.operations.doctor.connection import check_way
from reconciler.operations.doctor.program import check_program
from reconciler.operations.doctor.project import check_project
from reconciler.operations.doctor.references import check_references
from reconciler.operations.doctor.state import check_state
from reconciler.workspace.settings import Settings
from reconciler.workspace.store import get_place


def run_checkup(
    settings: Settings, listener: Listener = ignore_event, *, write_check: bool = False
) -> Checkup:
    """Run all checks. Only GET requests are sent, and nothing is written without `write_check`, which makes and deletes
    an object beside a remote state."""
    view = check_project(settings)
    way = check_way(settings)
    needs_git = view.project is not None and isinstance(get_place(view.project), GitBranch)
    program = tuple(check_program(settings, needs_git=needs_git))
    state = check_state(settings, view, write_check=write_check)
    references = check_references(settings, view)
    account = check_account(settings, way.obstacle, view, state, listener)
    return Checkup(tuple(chain(program, way.items, account, view.items, state.items, references)))
