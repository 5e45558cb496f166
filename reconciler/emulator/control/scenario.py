"""Handle control requests about the scenario around the account: network, setup tests, private links, agents."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Request

from reconciler.emulator import network, private_link_work, setup_tests
from reconciler.emulator.control.bodies import read_body, read_query
from reconciler.emulator.control.endpoint import ControlledEmulator, Endpoint
from reconciler.emulator.network import NetworkSettings
from reconciler.emulator.private_link_work import PrivateLinkWork
from reconciler.emulator.resources import private_links
from reconciler.emulator.setup_tests import SetupTestScript
from reconciler.emulator.store import Kind
from reconciler.emulator.targets import Target, list_matching
from reconciler.emulator.unknown_names import build_unknown_object


class LinkChoice(BaseModel):
    """A private link by name or id, or else all links."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    link: Annotated[str, Field(min_length=1)] | None = None


class AgentState(BaseModel):
    """State of a hybrid or proxy agent, by its display name or id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: Annotated[str, Field(min_length=1)]
    online: bool


def list_network(emulator: ControlledEmulator, request: Request) -> Any:
    """List the facts of the network."""
    return {"network": list(network.describe_facts(emulator.account))}


def change_network(emulator: ControlledEmulator, request: Request) -> Any:
    """Change the network behind destinations."""
    settings = read_body(request, NetworkSettings, emulator.read_document)
    selected = _select(emulator, settings)
    emulator.dashboard.change_network(settings)
    return {**list_network(emulator, request), "selected_destinations": selected}


def clear_network(emulator: ControlledEmulator, request: Request) -> Any:
    """Clear the facts of a target, or of all targets."""
    network.clear_facts(emulator.account, _read_target(request))
    return list_network(emulator, request)


def list_scripts(emulator: ControlledEmulator, request: Request) -> Any:
    """List what is left of the scripts of setup tests."""
    return {"setup_tests": list(setup_tests.dump_scripts(emulator.account))}


def script_setup_tests(emulator: ControlledEmulator, request: Request) -> Any:
    """Script the results of coming setup tests."""
    script = read_body(request, SetupTestScript, emulator.read_document)
    selected = _select(emulator, script)
    emulator.dashboard.script(script)
    return {**list_scripts(emulator, request), "selected_destinations": selected}


def clear_scripts(emulator: ControlledEmulator, request: Request) -> Any:
    """Clear the script of a target, or all scripts."""
    setup_tests.clear_scripts(emulator.account, _read_target(request))
    return list_scripts(emulator, request)


def list_links(emulator: ControlledEmulator, request: Request) -> Any:
    """List private links with their states, and the plans for their work."""
    return {
        "private_links": list(private_links.list_states(emulator.account)),
        "private_link_work": list(private_link_work.dump_work(emulator.account)),
    }


def plan_link_work(emulator: ControlledEmulator, request: Request) -> Any:
    """Plan the duration and the end of the work on private links."""
    work = read_body(request, PrivateLinkWork, emulator.read_document)
    emulator.dashboard.plan_private_link_work(work)
    return list_links(emulator, request)


def clear_link_work(emulator: ControlledEmulator, request: Request) -> Any:
    """Clear the plan for a link, or all plans."""
    private_link_work.clear_work(emulator.account, read_query(request, LinkChoice).link)
    return list_links(emulator, request)


def list_agents(emulator: ControlledEmulator, request: Request) -> Any:
    """List hybrid and proxy agents with their states."""
    return {"agents": emulator.dashboard.list_agents()}


def set_agent_state(emulator: ControlledEmulator, request: Request) -> Any:
    """Let an agent go online or offline."""
    state = read_body(request, AgentState, emulator.read_document)
    emulator.dashboard.set_agent_online(state.agent, state.online)
    return list_agents(emulator, request)


def _select(emulator: ControlledEmulator, target: Target) -> list[str]:
    """Select the ids of the destinations that exist now. Raises a 404 for the id of a missing destination."""
    known = [document["id"] for document in emulator.account.store.list_documents(Kind.DESTINATION)]
    if target.destination is not None and target.destination not in known:
        raise build_unknown_object("destination", target.destination, known)
    return [each for each in known if target.key in list_matching(emulator.account, each)]


def _read_target(request: Request) -> str | None:
    """Read the target of a query, None for all targets."""
    return read_query(request, Target).key if request.args else None


ENDPOINTS = (
    Endpoint("GET", "/network", "lists certificates, host keys and durations by group", list_network),
    Endpoint(
        "POST",
        "/network",
        "changes them: group or destination, certificate, host_key, setup_test_seconds",
        change_network,
    ),
    Endpoint("DELETE", "/network", "clears them; ?group=, ?destination=", clear_network),
    Endpoint("GET", "/setup-tests", "lists scripts of setup tests", list_scripts),
    Endpoint(
        "POST",
        "/setup-tests",
        "scripts setup tests: group or destination, runs, finally_always",
        script_setup_tests,
    ),
    Endpoint("DELETE", "/setup-tests", "clears scripts; ?group=, ?destination=", clear_scripts),
    Endpoint("GET", "/private-links", "lists private links and the plans for them", list_links),
    Endpoint("POST", "/private-links", "plans the work on links: link, seconds, state", plan_link_work),
    Endpoint("DELETE", "/private-links", "clears plans; ?link=", clear_link_work),
    Endpoint("GET", "/agents", "lists hybrid and proxy agents", list_agents),
    Endpoint("POST", "/agents", "lets an agent go online or offline: agent, online", set_agent_state),
)
