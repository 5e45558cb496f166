"""API errors of Fivetran as the command line reports them."""

from __future__ import annotations

import errno
import os

import pytest
from cli_harness import EmulatedFivetran, Project

from reconciler.api.errors import Conflict, Exchange, InvalidRequestError, NotFound, Redirected
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, Change
from reconciler.planning.errors import explain_deletion

pytestmark = pytest.mark.sampled(every=6)

PAIR = """\
  orders:
    destination:
      service: postgres_rds_warehouse
      time_zone_offset: "0"
      config: {host: orders.example, user: u, database: d, password: {secret: "env:ORDERS_PASSWORD"}}
"""
SECRETS = {"ORDERS_PASSWORD": "a-password-nobody-sees"}


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    """A project with one pair, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIR)
    return project


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("GET /v1/account/info status 403", "forbidden"),
        ("GET /v1/groups status 429", "rate-limited"),
        ("GET /v1/groups status 503", "server-fault"),
        ("GET /v1/groups not-json", "unintelligible-answer"),
    ],
)
def test_plan_reports_an_api_error_with_its_code(
    orders: Project, server: EmulatedFivetran, fault: str, code: str
) -> None:
    server.app.faults.add(parse_fault(fault))
    result = orders.run_against(server, "plan", environ=SECRETS)
    assert result.exit == 1
    assert f"error[{code}]: " in result.stderr
    assert "= help: " in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound, "not-found"),
        (Conflict, "conflict"),
        (Redirected, "redirected"),
        (InvalidRequestError, "unsendable"),
    ],
)
def test_a_failed_deletion_reports_its_cause(
    error: type[NotFound | Conflict | Redirected | InvalidRequestError], code: str
) -> None:
    change = Change(Address(DESTINATION, "orders"), Action.DELETE, id="decent_dropsy")
    diagnostic = explain_deletion(
        error(Exchange("DELETE", "/v1/destinations/decent_dropsy", message="no")), change
    )
    assert diagnostic.code == code
    assert "destination.orders" in diagnostic.message
    assert diagnostic.help


def test_setup_tests_that_cannot_run_are_reported_and_keep_the_destination(
    orders: Project, server: EmulatedFivetran
) -> None:
    server.app.faults.add(parse_fault("POST /v1/destinations/*/test status 503"))
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 6
    assert "error[setup-tests-not-run]" in result.stdout + result.stderr
    assert len(server.list_ids("destinations")) == 1


def test_an_unapproved_certificate_requires_manual_approval(
    orders: Project, server: EmulatedFivetran
) -> None:
    server.app.dashboard.script_setup_tests(group_name="orders")
    assert orders.run_against(server, "apply", "--auto-approve", environ=SECRETS).exit == 0
    server.app.dashboard.present_certificate(destination=server.list_ids("destinations")[0])
    orders.write_groups(PAIR.replace("orders.example", "orders-2.example"))
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 7
    assert "error[approval-needed]" in result.stdout + result.stderr


def test_a_full_disk_during_apply_is_reported_beside_the_results(
    orders: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.fsync

    def raise_disk_full(descriptor: int) -> None:
        if server.writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    monkeypatch.setattr(os, "fsync", raise_disk_full)
    result = orders.run_against(server, "apply", "--auto-approve", environ=SECRETS)
    assert result.exit == 6
    assert "error[not-remembered]" in result.stdout + result.stderr
    assert "No space left on device" in result.stdout + result.stderr
