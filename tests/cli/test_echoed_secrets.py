"""Test that no secret is shown, logged or kept, in whatever form and place Fivetran repeats it.

The account echoes one encoding of one secret in every text of its answers. The fixture of all tests searches the output
and all files for all encodings of all secrets of the environment.
"""

from __future__ import annotations

import base64
import re

import pytest
from applied_project import AppliedProject
from cli_harness import KEY, SECRET, EmulatedFivetran, Project
from secret_leak_detector import list_encodings

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import ECHO_PLACES, Behaviour
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.report.formats import Document, list_formats

PAIR = """\
  orders:
    destination:
      service: snowflake
      time_zone_offset: "0"
      config:
        host: acme.snowflakecomputing.com
        database: ORDERS
        auth: PASSWORD
        user: FIVETRAN
        password: {secret: "env:ORDERS_PASSWORD"}
        aws_secret_access_key: {secret: "env:ORDERS_KEY"}
"""
PASSWORD = 'pä55 "w&rd"/x+y%41~7'
PRIVATE_KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDVfR1tqNPyvZ3n\n"
    "kT0pZq8m3LxW7sYbR2cVd5uJh6gKoE9iAaXlCwQ4\n"
    "-----END PRIVATE KEY-----\n"
)
VAULT_TOKEN = "hvs.CAESIJ7dkq2Xy0b3ZpQm"
SECRETS = {
    "the password": PASSWORD,
    "the private key": PRIVATE_KEY,
    "the API key": KEY,
    "the API secret": SECRET,
    "the Basic header": base64.b64encode(f"{KEY}:{SECRET}".encode()).decode(),
    "the token of Vault": VAULT_TOKEN,
}
ENVIRON = {"ORDERS_PASSWORD": PASSWORD, "ORDERS_KEY": PRIVATE_KEY, "VAULT_TOKEN": VAULT_TOKEN}
CASES = [
    (name, form, needle.decode())
    for name, secret in SECRETS.items()
    for form, needle in list_encodings(secret)
]
FORMATS = list_formats(Document.PLAN)


@pytest.fixture
def applied_pair(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Apply one pair with a password and a key, beside a group that is not managed."""
    applied = AppliedProject(project, server, ENVIRON)
    applied.apply_once(PAIR)
    applied.dashboard.add_group("unmanaged")
    return applied


def run_everything(applied: AppliedProject, form: str) -> str:
    """Run the commands that show, log or keep answers of Fivetran, one of them in a format. Returns all output."""
    summary = applied.folder / "summary.md"
    job = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(applied.folder / "outputs")}
    runs = [applied.run("plan", "--format", "json")]
    runs.append(applied.run("plan", "-v", "--out", "plan.json", "--events", "events.jsonl"))
    runs.append(applied.run("show", "plan.json"))
    runs.append(applied.run("drift", "--format", "sarif", **job))
    runs.append(applied.run("plan", "--format", form, **job))
    runs.append(applied.apply("-v", "--events", "events.jsonl"))
    runs.append(applied.apply("--format", "json"))
    runs.append(applied.run("state", "list", "--format", "json"))
    return "".join(run.stdout + run.stderr for run in runs)


def change_account(applied: AppliedProject, **switches: str) -> None:
    """Let the next apply fail a setup test and get a refused request, with these switches of the emulator."""
    failure = SetupTest("Permission Test", "FAILED", "role cannot write")
    applied.dashboard.script_setup_tests(destination=applied.id, finally_always=[failure])
    applied.project.write_groups(PAIR.replace('"0"', '"+2"') + "  spare: {name: refused-name}\n")
    applied.server.app.behaviour = Behaviour(group_names="identifier", **switches)


@pytest.mark.sampled(every=41)
@pytest.mark.parametrize(("name", "form", "echo"), CASES, ids=[f"{name}, {form}" for name, form, _ in CASES])
def test_an_echoed_secret_is_shown_nowhere(
    name: str, form: str, echo: str, applied_pair: AppliedProject
) -> None:
    change_account(applied_pair, echo=f"quoting {echo}")
    printed = run_everything(applied_pair, FORMATS[CASES.index((name, form, echo)) % len(FORMATS)])
    # The markers of a key are no secret.
    assert re.search(rf"quoting -*{MASKED_IN_OUTPUT}", printed), (name, form)
    assert echo not in printed


@pytest.mark.sampled(every=9)
@pytest.mark.parametrize("place", ECHO_PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_an_echo_in_a_single_place_is_redacted(place: str, secret: str, applied_pair: AppliedProject) -> None:
    echo = base64.b64encode(b"user:" + SECRETS[secret].encode()).decode()
    change_account(applied_pair, echo=f"quoting {echo}", echo_places=place)
    printed = run_everything(applied_pair, FORMATS[ECHO_PLACES.index(place)])
    assert echo not in printed
    assert (MASKED_IN_OUTPUT in printed.replace(f"password: {MASKED_IN_OUTPUT}", "")) is (place != "keys")
