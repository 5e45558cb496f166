"""Check that a plan against a snapshot is the plan against the account, whatever the account answers."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import destination_models, edited_models, render_response, write_block
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import open_project

from reconciler.catalogue.load import load_service, load_service_names

DESCRIBED = [
    name for name in load_service_names() if (service := load_service(name)) and not service.free_form
]
"""Services whose fields the catalogue knows. A snapshot hides the fields of all other services."""


@check_examples(st.data(), behaviours, st.booleans(), few=4, many=75)
def test_a_plan_against_a_snapshot_is_the_plan_against_the_account(
    data: st.DataObject, behaviour: dict[str, Any], has_state: bool
) -> None:
    with open_project(**behaviour) as account:
        model = data.draw(destination_models(data.draw(st.sampled_from(DESCRIBED)), extra=False))
        group = account.app.dashboard.add_group("pair")
        account.app.dashboard.add_destination(group, model.service, **render_response(data.draw, model))
        account.declare({"pair": {"destination": write_block(data.draw, model, "pair", account.secrets)}})
        if has_state:
            account.apply()
        edited = write_block(data.draw, data.draw(edited_models(model)), "later", account.secrets)
        account.declare({"pair": {"destination": edited}, "new": {}})
        account.options["compare_secrets"] = False
        online, offline = account.plan().plan, account.plan_against_snapshot().plan
        assert offline.changes == online.changes
        assert (offline.unmanaged, offline.blockers) == (online.unmanaged, online.blockers)
        assert offline.digest != online.digest
