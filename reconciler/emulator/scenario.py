"""Describe what happens around an account: its network, coming setup tests, and work on private links.

A seed, the options of `reconciler emulate` and the control endpoints share these descriptions.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from reconciler.emulator import agents, network, private_link_work, setup_tests
from reconciler.emulator.account import Account
from reconciler.emulator.network import NetworkSettings
from reconciler.emulator.private_link_work import PrivateLinkWork
from reconciler.emulator.setup_tests import SetupTestScript


class Scenario(BaseModel):
    """Surroundings of an account. Each may name a group or a link that does not exist yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: tuple[NetworkSettings, ...] = ()
    setup_tests: tuple[SetupTestScript, ...] = ()
    private_link_work: tuple[PrivateLinkWork, ...] = ()


class StartScenario(Scenario):
    """Surroundings of an account at the start of the emulator, and after every reset.

    `offline_agents` are hybrid and proxy agents by id or display name. Names that the account lacks are skipped.
    """

    offline_agents: tuple[str, ...] = ()


def load_start(account: Account, start: StartScenario) -> None:
    """Load the scenario of the start into an account, over the scenario of a seed."""
    with account.store.transaction():
        load_scenario(account, start)
        for name in start.offline_agents:
            agents.disconnect_all(account, name)


def load_scenario(account: Account, scenario: Scenario) -> None:
    """Load a scenario into an account. What it does not describe stays."""
    with account.store.transaction():
        for settings in scenario.network:
            network.apply_settings(account, settings)
        for script in scenario.setup_tests:
            setup_tests.script_runs(account, script.key, script.runs, finally_always=script.finally_always)
        for work in scenario.private_link_work:
            private_link_work.plan_work(account, work)


def dump_scenario(account: Account) -> dict[str, Any]:
    """Dump the scenario of an account, without empty lists. Used runs of scripts are gone."""
    dumped = {
        "network": list(network.dump_facts(account)),
        "setup_tests": list(setup_tests.dump_scripts(account)),
        "private_link_work": list(private_link_work.dump_work(account)),
    }
    return {name: content for name, content in dumped.items() if content}
