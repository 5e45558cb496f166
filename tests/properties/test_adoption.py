"""An account that somebody made by hand is taken over as it is: nothing is sent, with or without a memory."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from laws import law
from meant_destinations import Meant, in_an_answer, meant, spelled
from reconciliation import Reconciliation, actions, reconciliation
from switches_for_clients import behaviours

from reconciler.model.plan import SILENT, Action


def made_by_hand(draw: Any, account: Reconciliation, pairs: list[Meant]) -> None:
    """The pairs in the account, without the REST API, and as entries of a spec."""
    groups: dict[str, Any] = {}
    for number, each in enumerate(pairs):
        key = f"pair_{number}"
        group = account.app.dashboard.add_group(key)
        account.app.dashboard.add_destination(group, each.service, **in_an_answer(draw, each))
        groups[key] = {"destination": spelled(draw, each, key, account.secrets)}
    account.declare(groups)


@law(100)
@given(st.data(), behaviours, st.lists(meant(), min_size=1, max_size=3))
def test_what_was_made_by_hand_is_adopted_without_a_write(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[Meant]
) -> None:
    # A tunnel that reads back as a direct connection can only be told by who remembers it.
    with reconciliation(**{**behaviour, "tunnel_networking": "echoed"}) as account:
        made_by_hand(data.draw, account, pairs)
        assert set(actions(account.plan()).values()) == {Action.ADOPT}
        assert account.apply() == []
        assert set(actions(account.plan()).values()) == {Action.NO_OP}
        account.forget()
        assert set(actions(account.plan()).values()) <= SILENT
        assert account.apply() == []
