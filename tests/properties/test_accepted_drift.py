"""Check that accepted drift leaves an empty plan but for the drift that was left out, and that comments stay."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from destination_strategies import (
    DestinationModel,
    destination_models,
    edited_models,
    response_spellings,
    write_block,
)
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project

from reconciler.importing.accept_model import Acceptance
from reconciler.importing.accepting import plan_acceptance
from reconciler.importing.changed_files import write_changed_files
from reconciler.model.plan import Origin, Plan
from reconciler.spec.insertion import render_spec_file
from reconciler.spec.new_entry import NewEntry
from reconciler.spec.text_changes import find_comments
from reconciler.spec.text_nodes import parse_nodes

FILES = ("main.yaml", "over.yaml")


def declare_in_layers(draw: Any, account: InProcessProject, blocks: Mapping[str, dict[str, Any]]) -> None:
    """Declare destinations whose fields stand in entries, profiles and overrides, with comments behind most lines."""
    entries, profiles, overrides = [], [], []
    for key, block in blocks.items():
        parts: dict[str, dict[str, Any]] = {"entry": {}, "profile": {}, "override": {}}
        for path, value in list_leaves(block):
            layer = draw(st.sampled_from(["entry", "entry", "profile", "override"]))
            put(parts[layer], path, value)
            if layer == "override" and draw(st.booleans()):
                put(parts["entry"], path, value)
        profiles.append(NewEntry(f"profile_{key}", parts["profile"] or {"setup_tests": {"run": True}}))
        destination = {"profile": f"profile_{key}", **parts["entry"]}
        entries.append(NewEntry(key, {"destination": destination}))
        overrides.append(NewEntry(key, {"destination": parts["override"]}))
    account.write_project_file(specs=["main.yaml"], overrides=["over.yaml"])
    account.declare({key: {"destination": block} for key, block in blocks.items()})  # for its secrets
    for file, text in zip(
        FILES, (render_spec_file(entries, profiles), render_spec_file(overrides)), strict=True
    ):
        (account.folder / file).write_text(add_comments(text), encoding="utf-8")
    account.reload_specs()


def list_leaves(block: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    return [
        ((name, key), leaf) if name in {"config", "extra_config"} else ((name,), value)
        for name, value in block.items()
        for key, leaf in (value.items() if name in {"config", "extra_config"} else [("", None)])
    ]


def put(block: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        block = block.setdefault(name, {})
    block[path[-1]] = value


def add_comments(text: str) -> str:
    """Add a comment behind each line with a key, unless a text of several lines follows."""
    is_plain = re.compile(r'\s+"?[\w]+"?:( [^|>\n]*)?')
    lines = text.split("\n")
    return "\n".join(
        f"{line}  # c{number}" if is_plain.fullmatch(line) and number % 4 else line
        for number, line in enumerate(lines)
    )


def change_outside(
    draw: Any, account: InProcessProject, id: str, before: DestinationModel, after: DestinationModel
) -> None:
    """Change the public fields of a destination in the dashboard."""
    config: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for path in sorted({*before.fields, *after.fields} - {*before.secrets, *after.secrets}):
        value = after.fields.get(path)
        if value == before.fields.get(path):
            continue
        if path[0] != "config":
            fields |= {path[0]: value} if value is not None else {}
        elif value is None:
            config[path[1]] = None
        else:
            config[path[1]] = draw(response_spellings(after.catalogue_service, path, value))
    account.app.dashboard.change_destination(id, config=config, **fields)


def list_drift(plan: Plan) -> set[tuple[str, tuple[str, ...]]]:
    """List the fields that were changed outside, by address and path."""
    return {
        (str(change.address), field.path)
        for change in plan.drifted
        for field in change.fields
        if field.origin is not Origin.SPEC
    }


def read_comments(account: InProcessProject) -> Counter[str]:
    texts = [(account.folder / file).read_text(encoding="utf-8") for file in FILES]
    return Counter(comment.text for text in texts for comment in find_comments(text, parse_nodes(text)))


def accept(account: InProcessProject) -> Acceptance:
    """Accept all drift. Nothing but GET is sent, and the state stays."""
    state = account.state_text
    account.read_new_history()
    with account.open_workspace() as workspace:
        acceptance = plan_acceptance(workspace, ())
    write_changed_files(acceptance.files)
    account.reload_specs()
    assert {entry.method for entry in account.read_new_history()} <= {"GET"}
    assert account.state_text == state
    return acceptance


@check_examples(st.data(), st.lists(destination_models(), min_size=1, max_size=4), few=2, many=65)
def test_a_plan_is_empty_but_for_what_was_left_out(
    data: st.DataObject, models: list[DestinationModel]
) -> None:
    draw = data.draw
    with open_project() as account:
        by_key = {f"pair_{number}": model for number, model in enumerate(models)}
        declare_in_layers(
            draw,
            account,
            {key: write_block(draw, model, key, account.secrets) for key, model in by_key.items()},
        )
        account.apply()
        for key, model in by_key.items():
            [id] = account.app.dashboard.find_group_ids(key)
            change_outside(draw, account, id, model, draw(edited_models(model)))
            if draw(st.booleans()):
                account.app.dashboard.rename_group(id, f"Renamed {key} & more: #1")
        before = account.plan().plan
        drift, comments = list_drift(before), read_comments(account)
        acceptance = accept(account)
        left_out = {(str(drift.address), drift.path) for drift in acceptance.left_out}
        assert {drift.reason.partition(" `")[0] for drift in acceptance.left_out} <= {
            "its value comes from the reference",
            "`networking_method` is",  # a random edit can contradict the agent that stays declared
        }
        assert {
            (str(field.address), field.difference.path) for field in acceptance.accepted
        } == drift - left_out
        assert read_comments(account) == comments
        after = account.plan().plan
        assert list_drift(after) == left_out
        assert {
            (str(change.address), field.path) for change in after.effective for field in change.fields
        } == left_out
        assert "unset-nothing" not in {warning.code for warning in after.warnings}
        assert accept(account).accepted == ()
