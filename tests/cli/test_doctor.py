"""`reconciler doctor`: broken set-ups with their causes and next steps, a right set-up, and no write at all."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import pytest
from checked_set_up import PASSWORD, SPEC, STATE, CheckedSetUp, build_right_set_up, list_checks
from cli_harness import EmulatedFivetran, Project
from git_repo import run_git
from scripted_server import find_free_port

from reconciler.model.lock_info import LockInfo


@pytest.fixture
def right(project: Project, server: EmulatedFivetran) -> CheckedSetUp:
    """A project and an account in which everything is right."""
    return build_right_set_up(project, server)


def test_a_right_set_up_is_all_green(right: CheckedSetUp) -> None:
    document = right.run("--format", "json")
    assert document.exit == 0, document.stdout
    assert {check["status"] for check in document.document["checks"]} == {"ok"}
    assert document.document["exit"] == {"code": 0, "reason": "ok"}
    result = right.run()
    assert (result.exit, result.stderr) == (0, "")
    assert (
        result.stdout.splitlines()[-1]
        == f"{len(document.document['checks'])} ok, 0 warnings, 0 errors, 0 not checked."
    )
    for shown in (
        right.server.url,
        f"({right.server.account_id}), as the project file says",
        "key of a user; Fivetran does not show what it may see, which can be a part of the account only",
        "requests left in this hour",
        "2 that the specs name, all there",
        "1 of 1 groups exist",
        f"`{STATE}`, none yet",
        "1 reference, all readable",
        "reconciler 0.",
    ):
        assert shown in result.stdout
    assert PASSWORD not in result.stdout


Prepare = Callable[[CheckedSetUp], None]


@dataclass(frozen=True)
class BrokenSetUp:
    """Change to a right set-up. The check of this name shows the cause, and the next step."""

    prepare: Prepare
    check: str
    cause: str
    step: str
    status: str = "error"
    arguments: tuple[str, ...] = ()


def set_variables(**variables: str) -> Prepare:
    return lambda set_up: set_up.environ.update(variables)


def answer(path: str, effect: str) -> Prepare:
    return lambda set_up: set_up.add_fault(path, effect)


def write_settings(settings: str) -> Prepare:
    return lambda set_up: set_up.write_project(settings)


def replace_text(old: str, new: str) -> Prepare:
    return lambda set_up: set_up.edit(SPEC, old, new)


def name_unknown_ids(set_up: CheckedSetUp) -> None:
    set_up.edit(SPEC, set_up.link, "pl_elsewhere")


def name_link_by_name(set_up: CheckedSetUp) -> None:
    set_up.edit(SPEC, f"private_link_id: {set_up.link}", "private_link_id: pl_orders")


def fail_link(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.finish_private_link(set_up.link, "FAIL")


def disconnect_agent(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.set_agent_online(set_up.agent, False)


def add_unknown_service(set_up: CheckedSetUp) -> None:
    group_id = set_up.server.app.dashboard.add_group("other")
    set_up.server.app.dashboard.add_destination(group_id, "quantum_lake", config={"depth": PASSWORD})


def add_unknown_field(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.change_destination(set_up.group_id, config={"turbo_mode": PASSWORD})


def add_namesake(set_up: CheckedSetUp) -> None:
    set_up.server.app.dashboard.add_group("orders")


def hold_lock(set_up: CheckedSetUp) -> None:
    holder = LockInfo(os.getppid(), platform.node(), "ada", "2026-11-23T10:00:00+00:00", "reconciler apply")
    set_up.project.write(f"{STATE}.lock.holder", json.dumps(asdict(holder)))


def abandon_lock(set_up: CheckedSetUp) -> None:
    holder = LockInfo(7, "runner-7", "ci", "2026-11-23T10:00:00+00:00", "reconciler apply")
    set_up.project.write(f"{STATE}.lock.holder", json.dumps(asdict(holder)))


def publish_key(set_up: CheckedSetUp) -> None:
    run_git(set_up.project.folder, "init", "-q")
    set_up.project.write("specs/.reconciler/state.json.key", "00" * 32)


def write_no_certificate(set_up: CheckedSetUp) -> None:
    file = set_up.project.write("authorities.pem", "no certificate\n")
    set_up.environ |= {**REAL_ADDRESS, "REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": str(file)}


def name_unknown_remote(set_up: CheckedSetUp) -> None:
    run_git(set_up.project.folder, "init", "-q")
    set_up.write_project("state: git:upstream/states\n")


def name_plain_bucket(set_up: CheckedSetUp) -> None:
    set_up.environ["AWS_ENDPOINT_URL"] = "http://s3.invalid"
    set_up.write_project("state: s3://bucket/state.json\n")


def name_unreachable_vault(set_up: CheckedSetUp) -> None:
    port = find_free_port()
    set_up.environ |= {"VAULT_ADDR": f"http://127.0.0.1:{port}", "VAULT_TOKEN": "hvs.unused-token"}
    set_up.edit(SPEC, '{secret: "env:ORDERS_PASSWORD"}', '{secret: "vault:kv/orders#password"}')
    set_up.edit(SPEC, "user: fivetran", 'user: {secret: "vault:kv/orders#user"}')


REAL_ADDRESS = {"FIVETRAN_API_URL": "https://fivetran.invalid/v1"}
BROKEN: Mapping[str, BrokenSetUp] = {
    "no credentials": BrokenSetUp(
        set_variables(FIVETRAN_APIKEY="", FIVETRAN_APISECRET=""),
        "credentials",
        "`FIVETRAN_APIKEY` and `FIVETRAN_APISECRET` are not set",
        "export them",
    ),
    "half of the credentials": BrokenSetUp(
        set_variables(FIVETRAN_APISECRET=""), "credentials", "`FIVETRAN_APISECRET` is not set", "export them"
    ),
    "wrong credentials": BrokenSetUp(
        set_variables(FIVETRAN_APISECRET="another-secret"),
        "access",
        "Fivetran does not accept these credentials",
        "check `FIVETRAN_APIKEY` and `FIVETRAN_APISECRET`",
    ),
    "address out of reach": BrokenSetUp(
        lambda set_up: set_up.environ.update(FIVETRAN_API_URL=f"http://127.0.0.1:{find_free_port()}/v1"),
        "access",
        "Fivetran cannot be reached: the connection was refused",
        "check the network",
    ),
    "address of a server without TLS": BrokenSetUp(
        set_variables(FIVETRAN_API_URL="http://fivetran.invalid/v1"),
        "address",
        "would send the credentials to `fivetran.invalid` unencrypted",
        "leave `FIVETRAN_API_URL` unset",
    ),
    "wrong proxy": BrokenSetUp(
        set_variables(**REAL_ADDRESS, HTTPS_PROXY="socks5://proxy.invalid:1080"),
        "proxy",
        "is not an `http://` or `https://` address",
        "correct the variable",
    ),
    "missing authorities": BrokenSetUp(
        set_variables(**REAL_ADDRESS, REQUESTS_CA_BUNDLE="/nowhere/ca.pem"),
        "certificates",
        "`REQUESTS_CA_BUNDLE` names a file that does not exist",
        "correct `REQUESTS_CA_BUNDLE`",
    ),
    "authorities that are none": BrokenSetUp(
        write_no_certificate,
        "certificates",
        "`SSL_CERT_FILE` names has no certificates",
        "correct `SSL_CERT_FILE`",
    ),
    "fault of Fivetran": BrokenSetUp(
        answer("/account/info", "status 503"), "access", "Fivetran has a fault: HTTP 503", "try again later"
    ),
    "key without groups": BrokenSetUp(
        answer("/groups", "status 403"), "groups", "answers 403", "use a key whose role may manage groups"
    ),
    "key without destinations": BrokenSetUp(
        answer("/destinations", "status 403"), "destinations", "answers 403", "use a key whose role"
    ),
    "key without settings": BrokenSetUp(
        answer("/destinations/*", "status 403"),
        "fields",
        "the settings of 1 of 1 destinations cannot be read",
        "use a key whose role",
    ),
    "key without connections": BrokenSetUp(
        answer("/groups/*/connections", "status 403"),
        "connections",
        "answers 403",
        "before you delete a destination",
        "warning",
    ),
    "key without links": BrokenSetUp(
        answer("/private-links", "status 403"),
        "private links",
        "answers 403: the key may not read them, and the specs name 1",
        "use a key whose role may read private links",
        "warning",
    ),
    "another account": BrokenSetUp(
        lambda set_up: set_up.write_project(account_id="other_account"),
        "account",
        "which the project file is not for",
        "use credentials of the right account",
    ),
    "no account in the project": BrokenSetUp(
        lambda set_up: set_up.write_project(account_id=""),
        "account",
        "the project file names no account",
        "write `account_id: ",
        "warning",
    ),
    "state of another account": BrokenSetUp(
        lambda set_up: set_up.write_state("other_account"),
        "account",
        "the state is of account `other_account`",
        "a separate project file",
    ),
    "named project file that is missing": BrokenSetUp(
        lambda set_up: None,
        "project file",
        "there is no project file `none.yaml`",
        "begin with `reconciler init`",
        arguments=("--project", "none.yaml"),
    ),
    "project file with an error": BrokenSetUp(
        write_settings("stat: x\n"),
        "project file",
        "`specs/reconciler.yaml` has errors",
        "`reconciler validate`",
    ),
    "project of another release": BrokenSetUp(
        write_settings("requires: '>=99'\n"), "project file", "has errors", "`reconciler validate`"
    ),
    "spec with an error": BrokenSetUp(
        replace_text("database:", "databse:"), "specs", "the specs have errors", "`reconciler validate`"
    ),
    "violated policy": BrokenSetUp(
        write_settings("policies:\n  - key-pattern: 'x.*'\n"),
        "policies",
        "not all of them pass",
        "`reconciler validate`",
    ),
    "damaged state": BrokenSetUp(
        lambda set_up: set_up.project.write(STATE, "{"), "state", "is damaged", "restore it from a backup"
    ),
    "state behind an unknown remote": BrokenSetUp(
        name_unknown_remote,
        "state",
        "git knows no remote `upstream`",
        "see `git remote -v`",
    ),
    "state in a bucket at a plain address": BrokenSetUp(
        name_plain_bucket,
        "state",
        "`AWS_ENDPOINT_URL` is a plain http address",
        "use https",
    ),
    "file in place of the folder of the state": BrokenSetUp(
        lambda set_up: set_up.project.write("specs/.reconciler", ""),
        "state",
        "the state `specs/.reconciler/state.json` cannot be read",
        "correct the permissions or the disk",
    ),
    "held lock": BrokenSetUp(
        hold_lock, "lock", "held by `reconciler apply` by ada", "wait for that run to end", "warning"
    ),
    "lock of another host": BrokenSetUp(
        abandon_lock, "lock", "by ci on runner-7", "`reconciler state unlock` frees the lock", "warning"
    ),
    "key that git would publish": BrokenSetUp(
        publish_key, "fingerprint key", "git does not ignore the key", "`.gitignore`", "warning"
    ),
    "unset reference": BrokenSetUp(
        set_variables(ORDERS_PASSWORD=""),
        "env",
        "1 of 1 reference cannot be read",
        "provide the value at its source",
    ),
    "unset key of the fingerprints": BrokenSetUp(
        write_settings('fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n'),
        "env",
        "1 of 2 references cannot be read",
        "provide the value at its source",
    ),
    "store out of reach": BrokenSetUp(
        name_unreachable_vault,
        "vault",
        "2 of 2 references cannot be read: Vault cannot be asked",
        "provide the value at its source",
    ),
    "link that does not exist": BrokenSetUp(
        name_unknown_ids,
        "links and agents",
        "1 of 2 cannot be used",
        "make the private link in Fivetran first",
    ),
    "link under its name": BrokenSetUp(
        name_link_by_name, "links and agents", "1 of 2 cannot be used", "write its id, `"
    ),
    "link that failed": BrokenSetUp(
        fail_link, "links and agents", "1 of 2 cannot be used", "look at the private link in Fivetran"
    ),
    "agent that is offline": BrokenSetUp(
        disconnect_agent,
        "links and agents",
        "1 of 2 cannot be used",
        "look at the hybrid deployment agent in Fivetran",
        "warning",
    ),
    "group that is gone": BrokenSetUp(
        replace_text("  orders:\n", "  orders:\n    id: decent_dropsy\n"),
        "entries",
        "some entries do not fit the account",
        "use a key that sees it",
    ),
    "two groups of one name": BrokenSetUp(
        add_namesake, "entries", "some entries do not fit the account", "`id:`"
    ),
    "destination of another service": BrokenSetUp(
        replace_text("service: postgres_warehouse", "service: mysql_warehouse"),
        "entries",
        "some entries do not fit the account",
        "put the live service back",
    ),
    "unknown service": BrokenSetUp(
        add_unknown_service,
        "services",
        "the catalogue does not know `quantum_lake` (1)",
        "`reconciler help services`",
        "warning",
    ),
    "unknown field": BrokenSetUp(
        add_unknown_field,
        "fields",
        "the catalogue does not know `config.turbo_mode` of `postgres_warehouse`",
        "`extra_config:`",
        "warning",
    ),
}


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_set_up_is_named_with_its_next_step(name: str, right: CheckedSetUp) -> None:
    broken = BROKEN[name]
    broken.prepare(right)
    result = right.run("--format", "json", *broken.arguments)
    checks = list_checks(result)
    check = checks[broken.check]
    steps = [check["help"], *(finding["help"] for finding in check["findings"])]
    assert check["status"] == broken.status, result.stdout
    assert broken.cause in check["message"]
    assert any(broken.step in step for step in steps), steps
    others = {
        other["name"]
        for other in checks.values()
        if other["status"] in {"error", "warning"} and other is not check
    }
    assert others == set(), "one cause has one line"
    assert result.exit == (1 if broken.status == "error" else 0)
    assert PASSWORD not in result.stdout
