"""Whatever is declared, however it is spelled and however Fivetran answers: a second plan is empty."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meant_destinations import Meant, changed, default_of, meant, paths_in, spelled
from reconciliation import actions, reconciliation
from switches_for_clients import behaviours

from reconciler.emulator.history import Exchange
from reconciler.model.plan import SILENT

LAW = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
PAIRS = st.lists(meant(), min_size=1, max_size=4)


@LAW
@given(st.data(), behaviours, PAIRS)
def test_an_apply_leaves_nothing_to_do_and_an_update_sends_only_what_changed(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[Meant]
) -> None:
    with reconciliation(**behaviour) as account:
        before = {f"pair_{number}": each for number, each in enumerate(pairs)}
        account.declare({key: {"destination": spelled(data.draw, each, key, account.secrets)} for key, each in before.items()})
        writes = account.apply()
        check_order(writes)
        assert set(actions(account.plan()).values()) <= SILENT
        ids = {account.app.dashboard.group_ids(key)[0]: key for key in before}

        after = {key: data.draw(changed(each)) for key, each in before.items()}
        account.declare({key: {"destination": spelled(data.draw, each, key, account.secrets)} for key, each in after.items()})
        for write in account.apply():
            if write.method == "PATCH":
                key = ids[write.path.rsplit("/", 1)[1]]
                check_patch(write.body, before[key], after[key])
        assert set(actions(account.plan()).values()) <= SILENT


def check_order(writes: list[Exchange]) -> None:
    """No destination is made before its group, and none is tested before it is made."""
    made: set[str] = set()
    for write in writes:
        if write.path == "/v1/destinations":
            assert write.body["group_id"] in made
        made |= {effect.id for effect in write.effects if effect.verb == "created"}


def check_patch(body: dict[str, Any], before: Meant, after: Meant) -> None:
    """Exactly the declared fields that differ are sent, no test is asked for, and no other secret than declared."""
    sent = dict(paths_in(body))
    assert sent.pop(("run_setup_tests",)) is False
    clear = {path: value for path, value in sent.items() if path not in after.secrets}
    expected = {}
    for path, value in after.fields.items():
        there = before.fields.get(path, default_of(before.known, path))
        if there is None:
            there = default_of(before.known, path)
        if path in before.secrets or value != there:
            expected[path] = value if value is not None or path[0] == "config" else ""
    assert clear == expected
