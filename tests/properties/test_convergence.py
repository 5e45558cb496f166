"""Whatever is declared, however it is spelled and however Fivetran answers: a second plan is empty."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import (
    CONNECTION,
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


@check_examples(st.data(), behaviours, PAIRS, few=30, many=150)
def test_an_apply_leaves_nothing_to_do_and_an_update_sends_only_what_changed(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[DestinationModel]
) -> None:
    with open_project(**behaviour) as account:
        before = {f"pair_{number}": each for number, each in enumerate(pairs)}
        declare(account, data.draw, before)
        writes = account.apply()
        check_order(writes)
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS
        ids = {account.app.dashboard.find_group_ids(key)[0]: key for key in before}

        after = {key: data.draw(edited_models(each)) for key, each in before.items()}
        declare(account, data.draw, after)
        for write in account.apply():
            if write.method == "PATCH":
                key = ids[write.path.rsplit("/", 1)[1]]
                check_patch(write.body, before[key], after[key], derived(behaviour))
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def declare(account: InProcessProject, draw: Any, pairs: dict[str, DestinationModel]) -> None:
    """Specs that mean these destinations, in whatever spelling."""
    account.declare(
        {key: {"destination": write_block(draw, each, key, account.secrets)} for key, each in pairs.items()}
    )


def check_order(writes: list[HistoryEntry]) -> None:
    """No destination is made before its group, and none is tested before it is made."""
    made: set[str] = set()
    for write in writes:
        if write.path == "/v1/destinations":
            assert write.body["group_id"] in made
        made |= {effect.id for effect in write.effects if effect.verb == "created"}


def derived(behaviour: dict[str, Any]) -> set[FieldPath]:
    """Fields that follow others, so that they may be as declared already."""
    aligned = behaviour.get("networking_and_connection_type") == "aligned"
    return {CONNECTION, NETWORKING_METHOD} if aligned else set()


def check_patch(
    body: dict[str, Any], before: DestinationModel, after: DestinationModel, derived: set[FieldPath]
) -> None:
    """Exactly the declared fields that differ are sent, no test is asked for, and of the secrets those that are new
    or depend on what changes."""
    sent = dict(iter_leaves(body))
    assert sent.pop(("run_setup_tests",)) is False
    clear = {path: value for path, value in sent.items() if path not in after.secrets}
    expected = {
        path: _as_sent(before, path, value)
        for path, value in after.fields.items()
        if path in before.secrets
        or _there(before, path, value) != _there(before, path, before.fields.get(path))
    }
    for path in clear.keys() - expected.keys():  # declared since, and the API does not say what is there
        assert path not in before.declared_paths
        assert is_hidden(after, path)
        assert clear[path] == _as_sent(after, path, after.fields[path])
    for path in (derived & expected.keys()) - before.declared_paths - clear.keys():
        del expected[path]
    assert clear.items() >= expected.items()
    secrets = {path: value for path, value in sent.items() if path in after.secrets}
    assert secrets.items() <= after.secrets.items()
    new = {path for path, value in after.secrets.items() if before.secrets.get(path) != value}
    assert new <= secrets.keys()
    changing = {path[-1] for path in (*expected, *new)}
    assert all(governing(after, path) & changing for path in secrets.keys() - new)


def is_hidden(each: DestinationModel, path: FieldPath) -> bool:
    """Whether answers may leave a field out, or show something else."""
    known = find_field(each.catalogue_service, path)
    return known is not None and (known.rewritten or known.may_be_omitted)


def governing(each: DestinationModel, path: FieldPath) -> set[str]:
    """Fields that decide whether a secret counts."""
    known = find_field(each.catalogue_service, path)
    return {*(known.only_when or ()), *(known.required_when or ())} if known else set()


def _there(each: DestinationModel, path: FieldPath, value: Any) -> Any:
    return get_default(each.catalogue_service, path) if value is None else value


def _as_sent(each: DestinationModel, path: FieldPath, value: Any) -> Any:
    if value is not None:
        return normalize_value(find_field(each.catalogue_service, path), value)  # a set is sent in one order
    if path[0] == "config":
        return None
    return get_default(each.catalogue_service, path) or ""
