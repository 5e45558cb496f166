"""Accept hundreds of edits that were made in the dashboard of an imported account, over all services."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from generated_accounts import build_large_account, list_clear_secrets
from in_process_harness import InProcessProject, list_actions, open_project
from long_runs import small_and_large

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Field
from reconciler.emulator.seed import Seed
from reconciler.importing.accept_model import Acceptance
from reconciler.importing.accepting import plan_acceptance
from reconciler.importing.changed_files import write_changed_files
from reconciler.importing.options import ImportOptions
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS
from reconciler.model.value import FieldPath, is_secret
from reconciler.spec.text_changes import find_comments
from reconciler.spec.text_nodes import parse_nodes

ZONES = ("0", "+1", "-5", "+8")


def import_account(project: InProcessProject, groups: int, seed: int) -> None:
    """Import an account over all services, and adopt it, so that later edits are drift."""
    document = build_large_account(groups, seed)
    for group in document["groups"]:
        group["destination"]["setup_status"] = "connected"
    project.app.load_seed(Seed.model_validate(document))
    for number, secret in enumerate(sorted(list_clear_secrets(document))):
        project.leak_detector.add_secret(f"SEED_{number}", secret)
    project.write_project_file(specs=["groups/*.yaml"])
    project.import_groups(ImportOptions())
    for file in project.folder.glob("groups/*.yaml"):
        text = file.read_text(encoding="utf-8")
        # A plan sends the secrets that depend on a changed field.
        project.secrets |= {name: f"secret-of-{name}" for name in re.findall(r'"env:(\w+)"', text)}
        lines = text.splitlines(keepends=True)
        file.write_text(
            "".join(f"# note {n}\n{line}" if n % 9 == 8 else line for n, line in enumerate(lines))
        )
    project.reload_specs()
    project.options["compare_secrets"] = False
    project.attempt()
    assert set(list_actions(project.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def list_editable(project: InProcessProject) -> Iterator[tuple[str, FieldPath, Any]]:
    """List the declared public fields that a user can change in the dashboard: group id, path and live value."""
    for operation in project.plan_operations().values():
        desired = operation.desired
        if desired.address.kind != "destination" or not desired.id:
            continue
        service = load_service(str(desired.fields.get(("service",))))
        for path in desired.fields:
            field = service.fields.get(path[1]) if service is not None and path[0] == "config" else None
            is_open = path == ("time_zone_offset",) or (field is not None and is_free(field))
            if is_open and operation.declared.get(path) is not None:
                yield desired.id, path, operation.declared[path]


def is_free(field: Field) -> bool:
    """Return whether Fivetran keeps any new value of a field and shows it again."""
    is_rewritten = field.rewritten or bool(field.mirrors) or field.forced_value is not None
    return not (field.sensitive or field.immutable or field.may_be_omitted or is_rewritten)


def choose_value(rng: random.Random, value: Any) -> Any:
    """Choose another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.randint(1, 9)
    if isinstance(value, list):
        return [*value, f"added_{rng.randint(1, 99)}"]
    return f"{value}_{rng.randint(1, 99)}"


def edit_in_dashboard(
    project: InProcessProject, rng: random.Random, count: int
) -> set[tuple[str, FieldPath]]:
    """Edit fields in the dashboard. Returns the edited fields by group id and path."""
    editable = [
        (id, path, value)
        for id, path, value in list_editable(project)
        if path == ("time_zone_offset",) or not is_choice(project, id, path)
    ]
    edited = rng.sample(editable, count)
    for id, path, value in edited:
        if path == ("time_zone_offset",):
            other = rng.choice([zone for zone in ZONES if zone != value])
            project.app.dashboard.change_destination(id, time_zone_offset=other)
        else:
            project.app.dashboard.change_destination(id, config={path[1]: choose_value(rng, value)})
    return {(id, path) for id, path, _ in edited}


def is_choice(project: InProcessProject, id: str, path: FieldPath) -> bool:
    """Return whether a field takes one of a few words: another word may forbid other fields."""
    service = load_service(project.app.dashboard.get_destination(id).service)
    field = service.fields.get(path[1]) if service is not None else None
    return field is None or bool(field.enum)


def accept_all(project: InProcessProject) -> Acceptance:
    """Accept all drift, as the command does."""
    with project.open_workspace() as workspace:
        acceptance = plan_acceptance(workspace, ())
    write_changed_files(acceptance.files)
    project.reload_specs()
    return acceptance


def count_notes(project: InProcessProject) -> int:
    """Count the comments of all spec files."""
    texts = [file.read_text(encoding="utf-8") for file in project.folder.glob("groups/*.yaml")]
    return sum(len(list(find_comments(text, parse_nodes(text)))) for text in texts)


@small_and_large(("groups", "edits"), (14, 20), (3 * len(load_service_names()), 300))
def test_every_edit_is_accepted_or_named(groups: int, edits: int) -> None:
    rng = random.Random(edits)
    with open_project() as project:
        import_account(project, groups, seed=edits)
        edited = edit_in_dashboard(project, rng, edits)
        notes, state = count_notes(project), project.state_text
        project.read_new_history()
        acceptance = accept_all(project)
        assert {entry.method for entry in project.read_new_history()} == {"GET"}
        assert (count_notes(project), project.state_text) == (notes, state)
        planned = project.plan_operations()
        ids = {str(address): operation.desired.id for address, operation in planned.items()}
        accepted = {(ids[str(field.address)], field.difference.path) for field in acceptance.accepted}
        left_out = {(ids[str(drift.address)], drift.path) for drift in acceptance.left_out}
        assert accepted | left_out == edited
        assert len(accepted) >= 0.9 * edits, acceptance.left_out
        changed = {
            (operation.desired.id, field.path)
            for operation in planned.values()
            for field in operation.change.fields
            if operation.change.action not in ACTIONS_WITHOUT_REQUESTS
            and not is_secret(operation.desired.fields.get(field.path))  # it follows a field that is left out
        }
        assert changed == left_out
