"""`reconciler validate --online`: references, links, agents, services and the account, in the formats of `validate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from checked_set_up import PASSWORD, PROJECT, SPEC, CheckedSetUp, build_right_set_up
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials

pytestmark = pytest.mark.sampled(every=3, tests=2)

OTHER_FILE = "specs/groups/other.yaml"


@pytest.fixture
def right(project: Project, server: EmulatedFivetran) -> CheckedSetUp:
    """A project and an account in which everything is right."""
    return build_right_set_up(project, server)


def validate(set_up: CheckedSetUp, *options: str) -> CommandResult:
    return set_up.run("--online", *options, command="validate")


def test_right_specs_are_valid_online(right: CheckedSetUp) -> None:
    result = validate(right)
    assert (result.exit, result.stderr) == (0, "")
    assert result.stdout == "Valid: 1 group, 1 destination in 1 file.\n"


def fail_link(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.finish_private_link(set_up.link, "FAIL")


def disconnect_agent(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.set_agent_online(set_up.agent, False)


def forbid_links(set_up: CheckedSetUp) -> None:
    set_up.add_fault("/private-links", "status 403")


def permit_replacement(set_up: CheckedSetUp) -> None:
    set_up.edit(SPEC, "service: postgres_warehouse", "service: mysql_warehouse")
    set_up.edit(SPEC, "      region", "      lifecycle: {allow_replace: true}\n      region")


def edit_spec(old: str, new: str) -> Callable[[CheckedSetUp], None]:
    return lambda set_up: set_up.edit(SPEC, old, new)


CASES: dict[str, tuple[Callable[[CheckedSetUp], None], str, str]] = {
    # change of the set-up, finding without its message, part of the message
    "unset reference": (
        lambda set_up: set_up.environ.clear(),
        f"{SPEC}:16:19: error[secret-unavailable]",
        "`config.password` needs `env:ORDERS_PASSWORD`",
    ),
    "link that does not exist": (
        lambda set_up: set_up.edit(SPEC, f"private_link_id: {set_up.link}", "private_link_id: elsewhere"),
        f"{SPEC}:9:24: error[not-in-account]",
        "the private link `elsewhere` does not exist in this account",
    ),
    "link that failed": (fail_link, f"{SPEC}:9:24: error[not-ready]", "is in state `FAIL`"),
    "agent that is offline": (disconnect_agent, f"{SPEC}:10:35: warning[not-ready]", "is offline"),
    "links that the key may not read": (
        forbid_links,
        "warning[forbidden]",
        "these credentials may not do this",
    ),
    "destination of another service": (
        edit_spec("service: postgres_warehouse", "service: mysql_warehouse"),
        f"{SPEC}:5:16: error[other-service]",
        "is of service `mysql_warehouse`, and the live destination is of `postgres_warehouse`",
    ),
    "replacement that the entry permits": (
        permit_replacement,
        f"{SPEC}:5:16: warning[other-service]",
        "`mysql_warehouse`",
    ),
    "group that is gone": (
        edit_spec("  orders:\n", "  orders:\n    id: decent_dropsy\n"),
        f"{SPEC}:4:9: error[gone-or-hidden]",
        "group.orders (id `decent_dropsy`)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_spec_that_does_not_fit_the_account_is_a_located_finding(name: str, right: CheckedSetUp) -> None:
    change, finding, message = CASES[name]
    change(right)
    result = validate(right, "--format", "concise")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"{finding}: ")
    assert message in line
    assert result.exit == (1 if "error[" in finding else 0)
    assert ("Valid:" in result.stdout) == (result.exit == 0)


def test_many_unset_variables_of_one_store_are_one_error(right: CheckedSetUp) -> None:
    text = (right.project.folder / SPEC).read_text()
    _, _, entry = text.partition("groups:\n")
    keys = ("second", "third", "fourth")
    more = "".join(
        entry.replace("  orders:\n", f"  {key}:\n", 1).replace("env:", f"env:UNSET_{key.upper()}_")
        for key in keys
    )
    (right.project.folder / SPEC).write_text(text.replace("env:", "env:UNSET_FIRST_") + more)
    shown = validate(right).stderr
    assert shown.count("error[secret-unavailable]") == 1
    assert "4 references to `env` cannot be resolved: environment variable is not set" in shown
    for key in ("FIRST", "SECOND", "THIRD", "FOURTH"):
        assert re.search(rf"= note: {SPEC}:\d+:19: `config.password` needs `env:UNSET_{key}_\w+`", shown)
    document = json.loads(validate(right, "--format", "json").stdout)
    codes = [each["code"] for each in document["diagnostics"]]
    assert codes.count("secret-unavailable") == 4
    assert validate(right, "--format", "concise").stderr.count("error[secret-unavailable]") == 4


def test_a_local_validation_sends_nothing(right: CheckedSetUp) -> None:
    right.environ.clear()
    sent = len(right.server.calls)
    assert right.run(command="validate").exit == 0
    assert len(right.server.calls) == sent


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("full", "  --> specs/groups/main.yaml:9:24\n"),
        ("json", '"code": "not-in-account"'),
        ("github", "::error file=specs/groups/main.yaml,line=9,"),
        ("junit", "not-in-account"),
        ("sarif", '"ruleId": "not-in-account"'),
    ],
)
def test_every_format_has_the_finding(form: str, shown: str, right: CheckedSetUp) -> None:
    right.edit(SPEC, f"private_link_id: {right.link}", "private_link_id: elsewhere")
    result = validate(right, "--format", form)
    assert result.exit == 1
    assert shown in result.stdout + result.stderr
    assert PASSWORD not in result.stdout + result.stderr


def test_a_link_under_its_name_gets_its_id_as_help(right: CheckedSetUp) -> None:
    right.edit(SPEC, f"private_link_id: {right.link}", "private_link_id: pl_orders")
    document = json.loads(validate(right, "--format", "json").stdout)
    [finding] = document["diagnostics"]
    assert finding["help"] == f"write its id, `{right.link}`"
    assert finding["notes"] == ["`private_link_id` of destination.orders names it"]


def test_paths_limit_the_findings(right: CheckedSetUp) -> None:
    right.environ.clear()
    right.project.write(OTHER_FILE, "version: 1\ngroups:\n  sales: {}\n")
    result = validate(right, OTHER_FILE)
    assert result.exit == 0, result.stderr
    assert result.stderr == "1 finding in other files not shown.\n"
    assert validate(right, SPEC).exit == 1


def test_invalid_specs_are_reported_before_any_request(right: CheckedSetUp) -> None:
    right.edit(SPEC, "database:", "databse:")
    sent = len(right.server.calls)
    result = validate(right)
    assert result.exit == 1
    assert "error[unknown-field]" in result.stderr
    assert len(right.server.calls) == sent


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"FIVETRAN_APIKEY": ""}, "missing-credentials"),
        ({"FIVETRAN_APISECRET": "another-secret"}, "unauthorized"),
        ({"FIVETRAN_API_URL": "http://127.0.0.1:1/v1"}, "unreachable"),
    ],
)
def test_an_account_that_cannot_be_read_is_one_error(
    environ: dict[str, str], code: str, right: CheckedSetUp
) -> None:
    right.environ |= environ
    result = validate(right)
    assert result.exit == 1
    assert result.stderr.startswith(f"error[{code}]: ")
    assert result.stderr.count("error[") == 1
    assert result.stdout == ""


def test_another_account_is_a_located_error(right: CheckedSetUp) -> None:
    right.write_project(account_id="other_account")
    result = validate(right, "--format", "concise")
    assert result.exit == 1
    assert result.stderr.startswith(f"{PROJECT}:2:13: error[other-account]: ")


def test_a_key_without_groups_is_an_error(right: CheckedSetUp) -> None:
    right.add_fault("/groups", "status 403")
    result = validate(right)
    assert (result.exit, result.stderr.startswith("error[forbidden]: ")) == (1, True)


def test_the_record_of_a_state_identifies_a_group(right: CheckedSetUp) -> None:
    """A group of the same name would be ambiguous without the state."""
    environ = {**build_credentials(right.server.url), **right.environ}
    assert right.project.run("apply", "--auto-approve", environ=environ).exit == 0
    right.server.app.dashboard.add_group("orders")
    assert validate(right).exit == 0
    (right.project.folder / "specs/.reconciler/state.json").write_text("{")
    result = validate(right, "--format", "concise")
    assert (result.exit, result.stderr.startswith("warning[state-damaged]: ")) == (0, True)


def test_two_groups_of_one_name_are_a_located_error(right: CheckedSetUp) -> None:
    right.server.app.dashboard.add_group("orders")
    result = validate(right, "--format", "concise")
    assert (result.exit, result.stderr.startswith(f"{SPEC}:3:3: error[ambiguous-name]: ")) == (1, True)


def test_the_state_of_another_account_is_one_error(right: CheckedSetUp) -> None:
    right.write_state("other_account")
    result = validate(right)
    assert result.exit == 1
    assert result.stderr.startswith("error[other-account]: ")
    assert result.stderr.count("error[") == 1


def test_skipped_secrets_are_not_read(right: CheckedSetUp) -> None:
    right.environ.clear()
    assert validate(right, "--secrets", "skip").exit == 0


def test_skipped_secrets_need_an_online_validation(right: CheckedSetUp) -> None:
    result = right.run("--secrets", "skip", command="validate")
    assert result.exit == 64
    assert "`--secrets` is for `--online`" in result.stderr


def test_a_given_variable_counts(right: CheckedSetUp) -> None:
    right.write_project("vars: {LINK: elsewhere}\n")
    right.edit(SPEC, f"private_link_id: {right.link}", "private_link_id: ${LINK}")
    assert validate(right).exit == 1
    assert validate(right, "--var", f"LINK={right.link}").exit == 0
