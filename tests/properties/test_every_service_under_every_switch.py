"""Check all services in one account under every setting of every switch."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from client_switches import SETTINGS
from destination_strategies import DestinationModel, destination_models, edited_models, write_block
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples
from in_process_harness import list_actions, open_project

from reconciler.catalogue.load import load_service_names
from reconciler.emulator.switches import AS_DOCUMENTED, Behaviour
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS

OTHER_SETTINGS = [
    (name, value)
    for name, values in SETTINGS.items()
    for value in values
    if value != Behaviour.model_fields[name].default
]
Specs = dict[str, Any]


@cache
def build_specs() -> tuple[Specs, Specs, dict[str, str]]:
    """Build specs with every service, the edited specs, and their variables. The specs are always the same."""
    before, after, environ = {}, {}, {}
    for service in load_service_names():
        first, second, own = max(draw_examples(service), key=lambda each: len(each[0]["config"]))
        before[service], after[service] = {"destination": first}, {"destination": second}
        environ.update(own)
    return before, after, environ


def draw_examples(service: str) -> list[tuple[Specs, Specs, dict[str, str]]]:
    """Draw destinations of a service, the edited destinations, and their variables."""
    examples = []

    @fixed_examples(3)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        each: DestinationModel = data.draw(destination_models(service, extra=False))
        environ: dict[str, str] = {}
        first = write_block(data.draw, each, service, environ)
        second = write_block(data.draw, data.draw(edited_models(each)), f"{service}_later", environ)
        examples.append((first, second, environ))

    collect()
    return examples


@pytest.mark.sampled(every=30)
@pytest.mark.parametrize(("switch", "setting"), [("retry_after", AS_DOCUMENTED.retry_after), *OTHER_SETTINGS])
def test_every_service_converges_after_an_apply_and_after_an_edit(switch: str, setting: Any) -> None:
    before, after, environ = build_specs()
    with open_project(**{switch: setting}) as account:
        account.secrets.update(environ)
        account.declare(before)
        assert account.apply()
        account.declare(after)
        assert account.apply()
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS
