"""`reconciler graph`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.options import Shared, format_option, scope_options, secrets_option, shared_options
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import errors_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.session import Session
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.model.graph import Node


@click.command("graph")
@format_option("mermaid", "json")
@click.option("--offline", is_flag=True, help="Draw what the specs declare, without a look at the account.")
@shared_options
@secrets_option
@scope_options
def command(shared: Shared, form: str, offline: bool) -> Exit:
    """Draw groups and destinations, and what apply would do with each.

    Prints a Mermaid flowchart, which GitHub and GitLab draw in a ```mermaid block. Arrows lead from what
    has to be there first. Only reads.
    """
    from reconciler.cli.session import in_session

    if offline and (shared.targets or shared.excludes or shared.changed_since):
        advice = "leave `--target`, `--exclude` and `--changed-since` out"
        raise MisuseError("`--offline` draws all that is declared", advice)
    return in_session(shared, form, partial(_draw, offline=offline))


def _draw(session: Session, offline: bool) -> Exit:
    from reconciler.report.graph import graph_data, mermaid
    from reconciler.report.style import write_plain

    nodes, findings = _declared(session) if offline else _planned(session)
    code = exit_for(findings) if errors_among(findings) else Exit.OK
    session.tell_warnings(findings)
    if not session.wants_document:
        write_plain(session.out, mermaid(nodes))
    session.tell_document(code, graph_data(nodes, findings))
    return code


def _declared(session: Session) -> tuple[Sequence[Node], Sequence[Diagnostic]]:
    from reconciler.operations.graph import declared_graph
    from reconciler.operations.specs import load_declared

    specs = load_declared(session.settings)
    return declared_graph(specs), specs.warnings


def _planned(session: Session) -> tuple[Sequence[Node], Sequence[Diagnostic]]:
    from reconciler.operations.graph import planned_graph
    from reconciler.operations.plan import make_plan
    from reconciler.operations.workspace import open_workspace

    with session.progress() as progress, open_workspace(session.settings, progress) as workspace:
        plan = make_plan(workspace).plan
    return planned_graph(workspace.specs, plan), (*plan.warnings, *plan.unseen)
