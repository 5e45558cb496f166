"""Check that manually created objects are adopted without a write, with and without a state."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import DestinationModel, destination_models, render_response, write_block
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action


def create_by_hand(draw: Any, account: InProcessProject, pairs: list[DestinationModel]) -> None:
    """Create the pairs in the account without the REST API, and declare them."""
    groups: dict[str, Any] = {}
    for number, each in enumerate(pairs):
        key = f"pair_{number}"
        group = account.app.dashboard.add_group(key)
        account.app.dashboard.add_destination(group, each.service, **render_response(draw, each))
        groups[key] = {"destination": write_block(draw, each, key, account.secrets)}
    account.declare(groups)


@check_examples(
    st.data(), behaviours, st.lists(destination_models(), min_size=1, max_size=3), few=10, many=100
)
def test_manual_objects_are_adopted_without_a_write(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[DestinationModel]
) -> None:
    # Without a state, a tunnel that is answered as a direct connection cannot be recognised.
    with open_project(**{**behaviour, "tunnel_networking": "echoed"}) as account:
        create_by_hand(data.draw, account, pairs)
        assert set(list_actions(account.plan()).values()) == {Action.ADOPT}
        assert account.apply() == []
        assert set(list_actions(account.plan()).values()) == {Action.NO_OP}
        account.lose_state()
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS
        assert account.apply() == []
