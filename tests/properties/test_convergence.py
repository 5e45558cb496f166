"""Check that a second plan is empty for any destination, any spelling and any answers of Fivetran."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import (
    CONNECTION,
    ZONE,
    DestinationModel,
    destination_models,
    edited_models,
    find_field,
    get_default,
    iter_leaves,
    write_block,
)
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.catalogue.cross_field_checks import NETWORKING_METHOD
from reconciler.catalogue.normalize import normalize_value
from reconciler.emulator.history import HistoryEntry
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS
from reconciler.model.value import FieldPath

PAIRS = st.lists(destination_models(), min_size=1, max_size=2)


@check_examples(st.data(), behaviours, PAIRS, few=15, many=100)
def test_an_apply_converges_and_an_update_sends_only_changed_fields(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[DestinationModel]
) -> None:
    with open_project(**behaviour) as account:
        before = {f"pair_{number}": destination for number, destination in enumerate(pairs)}
        declare(account, data.draw, before)
        writes = account.apply()
        check_order(writes)
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS
        ids = {account.app.dashboard.find_group_ids(key)[0]: key for key in before}

        after = {key: data.draw(edited_models(destination)) for key, destination in before.items()}
        declare(account, data.draw, after)
        for write in account.apply():
            if write.method == "PATCH":
                key = ids[write.path.rsplit("/", 1)[1]]
                check_patch(write.body, before[key], after[key], list_derived_fields(behaviour))
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def declare(account: InProcessProject, draw: Any, pairs: dict[str, DestinationModel]) -> None:
    """Write specs of these destinations in any spelling."""
    account.declare(
        {
            key: {"destination": write_block(draw, destination, key, account.secrets)}
            for key, destination in pairs.items()
        }
    )


def check_order(writes: list[HistoryEntry]) -> None:
    """Check that each destination is created after its group."""
    created: set[str] = set()
    for write in writes:
        if write.path == "/v1/destinations":
            assert write.body["group_id"] in created
        created |= {effect.id for effect in write.effects if effect.verb == "created"}


def list_derived_fields(behaviour: dict[str, Any]) -> set[FieldPath]:
    """List the fields that depend on other fields, so that an update may not need them."""
    aligned = behaviour.get("networking_and_connection_type") == "aligned"
    return {CONNECTION, NETWORKING_METHOD} if aligned else set()


def check_patch(
    body: dict[str, Any],
    before: DestinationModel,
    after: DestinationModel,
    derived: set[FieldPath],
) -> None:
    """Check that a patch has exactly the changed fields, no test run, and only new or dependent secrets."""
    sent = dict(iter_leaves(body))
    assert sent.pop(("run_setup_tests",)) is False
    if before.fields.get(ZONE) == after.fields[ZONE]:
        assert sent.pop(ZONE) == after.fields[ZONE]  # carried
    clear = {path: value for path, value in sent.items() if path not in after.secrets}
    expected = {
        path: _render_sent(before, path, value)
        for path, value in after.fields.items()
        if path in before.secrets
        or _fill_default(before, path, value) != _fill_default(before, path, before.fields.get(path))
    }
    # Newly declared, and the API does not show the value, or has derived another value.
    for path in clear.keys() - expected.keys():
        assert path not in before.declared_paths
        assert is_hidden(after, path) or path in derived
        assert clear[path] == _render_sent(after, path, after.fields[path])
    for path in (derived & expected.keys()) - before.declared_paths - clear.keys():
        del expected[path]
    assert clear.items() >= expected.items()
    secrets = {path: value for path, value in sent.items() if path in after.secrets}
    assert secrets.items() <= after.secrets.items()
    new = {path for path, value in after.secrets.items() if before.secrets.get(path) != value}
    assert new <= secrets.keys()
    changing = {path[-1] for path in (*expected, *new)}
    assert all(list_governing_fields(after, path) & changing for path in secrets.keys() - new)


def is_hidden(destination: DestinationModel, path: FieldPath) -> bool:
    """Return whether answers may omit or rewrite a field."""
    field = find_field(destination.catalogue_service, path)
    return field is not None and (field.rewritten or field.may_be_omitted)


def list_governing_fields(destination: DestinationModel, path: FieldPath) -> set[str]:
    """List the fields that decide whether a secret is used."""
    field = find_field(destination.catalogue_service, path)
    return {*(field.only_when or ()), *(field.required_when or ())} if field else set()


def _fill_default(destination: DestinationModel, path: FieldPath, value: Any) -> Any:
    return get_default(destination.catalogue_service, path) if value is None else value


def _render_sent(destination: DestinationModel, path: FieldPath, value: Any) -> Any:
    if value is not None:
        field = find_field(destination.catalogue_service, path)
        return normalize_value(field, value)  # a set is sent in a fixed order
    if path[0] == "config":
        return None
    return get_default(destination.catalogue_service, path) or ""
