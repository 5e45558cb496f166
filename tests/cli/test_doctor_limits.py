"""`reconciler doctor` without a part of the set-up: no project, no credentials, no git; quota, clock, remote states."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from checked_set_up import (
    PASSWORD,
    PROJECT,
    SPEC,
    STATE,
    CheckedSetUp,
    build_right_set_up,
    list_checks,
    read_tree,
)
from cli_harness import EmulatedFivetran, Project, serve_fivetran
from command_line import TerminalProcess
from git_repo import run_git
from plugin_packages import install_package
from remote_backends import BRANCH, HOLDER, BareRepository, S3Proxy, open_bucket
from scripted_server import serve_script

from reconciler.emulator.quota import QuotaProfile
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=3, tests=3)

OPTIONS = ("--format", "json")
SNOWFLAKE = """\
  sales:
    destination:
      service: snowflake
      time_zone_offset: "0"
      external_secrets_manager_id: {manager}
      config: {{host: acme.snowflakecomputing.com, auth: PASSWORD, password: {{secret: "esm:sales"}}}}
"""
ACCOUNT_CHECKS = {
    "access",
    "account",
    "clock",
    "quota",
    "groups",
    "destinations",
    "connections",
    "users",
    "private links",
    "hybrid agents",
    "proxy agents",
    "secrets managers",
    "links and agents",
    "entries",
    "services",
    "fields",
}


@contextmanager
def open_set_up(project: Project, **options: Any) -> Iterator[CheckedSetUp]:
    """Open a right set-up with an account that behaves as the options say."""
    with serve_fivetran(**options) as server:
        yield build_right_set_up(project, server)


@pytest.fixture
def right(project: Project, server: EmulatedFivetran) -> CheckedSetUp:
    """A project and an account in which everything is right."""
    return build_right_set_up(project, server)


def select(checks: Mapping[str, Any], status: str) -> set[str]:
    """Select the names of the checks with a status."""
    return {name for name, check in checks.items() if check["status"] == status}


def test_without_a_project_file_the_account_is_checked(right: CheckedSetUp) -> None:
    for name in ("specs/groups/main.yaml", PROJECT):
        (right.project.folder / name).unlink()
    result = right.run(*OPTIONS)
    assert result.exit == 0, result.stdout
    checks = list_checks(result)
    assert select(checks, "not-checked") == {
        "project file",
        "specs",
        "state",
        "lock",
        "writes",
        "fingerprint key",
        "references",
        "links and agents",
        "entries",
    }
    assert select(checks, "ok") >= ACCOUNT_CHECKS - {"links and agents", "entries"}
    assert "`reconciler init` begins a project" in checks["project file"]["help"]


def test_without_credentials_the_rest_is_checked_and_the_cause_stands_once(right: CheckedSetUp) -> None:
    right.environ |= {"FIVETRAN_APIKEY": "", "FIVETRAN_APISECRET": ""}
    checks = list_checks(right.run(*OPTIONS))
    assert select(checks, "not-checked") == ACCOUNT_CHECKS
    assert select(checks, "error") == {"credentials"}
    text = right.run().stdout
    assert text.count("not checked, since the credentials are missing: access, account, clock") == 1
    assert text.count("credentials are missing") == 1
    assert right.server.calls[-1].startswith("POST "), "nothing was asked since the account was made"


def test_without_project_and_credentials_the_program_is_checked(
    project: Project, server: EmulatedFivetran
) -> None:
    (project.folder / PROJECT).unlink()
    result = project.run("doctor", *OPTIONS)
    checks = list_checks(result)
    assert result.exit == 1
    assert select(checks, "error") == {"credentials"}
    assert {"versions", "libraries", "extras", "git", "address", "proxy", "certificates"} <= select(
        checks, "ok"
    )


def test_an_outage_ends_the_reads(right: CheckedSetUp) -> None:
    right.add_fault("/users", "status 503")
    checks = list_checks(right.run(*OPTIONS))
    assert checks["users"]["message"] == "Fivetran answered 503"
    unread = {"users", "private links", "hybrid agents", "proxy agents", "secrets managers"}
    assert select(checks, "not-checked") >= unread
    assert select(checks, "ok") >= {"access", "groups", "destinations", "connections", "entries"}
    assert sum(call == "GET /v1/private-links" for call in right.server.calls) == 0


def test_a_list_that_is_not_needed_is_no_warning(right: CheckedSetUp) -> None:
    for path in ("/users", "/proxy", "/external-secrets-managers"):
        right.add_fault(path, "status 403")
    result = right.run(*OPTIONS)
    assert select(list_checks(result), "ok") == set(list_checks(result))
    assert (
        "users             answers 403: the key may not read them, and this project does not need"
        in right.run().stdout
    )


def test_a_system_key_is_named(project: Project) -> None:
    with open_set_up(project, behaviour=Behaviour(key_kind="system")) as set_up:
        assert list_checks(set_up.run(*OPTIONS))["access"]["message"].startswith("accepted: system key; ")


@pytest.mark.parametrize(
    ("skew", "status", "message"),
    [
        (-20.0, "ok", "as at Fivetran"),
        (-45.0, "warning", "s ahead of Fivetran"),
        (600.0, "error", "s behind Fivetran"),
    ],
)
def test_the_clock_is_compared_with_the_clock_of_the_server(
    skew: float, status: str, message: str, project: Project
) -> None:
    with open_set_up(project, behaviour=Behaviour(date_skew=skew)) as set_up:
        result = set_up.run(*OPTIONS)
    check = list_checks(result)["clock"]
    assert (check["status"], result.exit) == (status, int(status == "error"))
    assert message in check["message"]
    assert ("synchronise" in check["help"]) == (status != "ok")


def test_a_server_without_a_date_leaves_the_clock_unchecked(project: Project) -> None:
    with open_set_up(project, behaviour=Behaviour(date_header="missing")) as set_up:
        assert select(list_checks(set_up.run(*OPTIONS)), "not-checked") == {"clock"}


@pytest.mark.parametrize(
    ("hourly", "message", "unchecked"),
    [
        (14, "requests left in this hour, and a plan needs about 5", set()),
        (7, "Fivetran takes no more requests for now", {"private links", "hybrid agents", "services"}),
        (2, "Fivetran takes no more requests for now", {"access", "account", "groups", "fields"}),
    ],
)
def test_a_used_up_quota_is_an_error(
    hourly: int, message: str, unchecked: set[str], project: Project
) -> None:
    """Two requests make the account, and eleven read it."""
    with open_set_up(project, quota=QuotaProfile(hourly=hourly)) as set_up:
        result = set_up.run(*OPTIONS)
    checks = list_checks(result)
    assert result.exit == 1
    assert select(checks, "error") == {"quota"}
    assert message in checks["quota"]["message"]
    assert unchecked <= select(checks, "not-checked")


def test_a_hidden_group_is_an_error_of_its_entry(project: Project) -> None:
    with open_set_up(project, behaviour=Behaviour(visible_groups="other*")) as set_up:
        set_up.edit("specs/groups/main.yaml", "  orders:\n", f"  orders:\n    id: {set_up.group_id}\n")
        checks = list_checks(set_up.run(*OPTIONS))
    assert checks["groups"]["message"] == "0"
    assert checks["connections"]["message"] == "the key sees no group"
    [finding] = checks["entries"]["findings"]
    assert finding["code"] == "gone-or-hidden"
    assert finding["span"]["line"] == 4


@pytest.mark.parametrize(
    ("address", "excluded", "shown"),
    [
        ("https://fivetran.invalid/v1", "", "http://127.0.0.1:9, from `HTTPS_PROXY`"),
        ("https://fivetran.invalid/v1", "fivetran.invalid", "does not count for this host, by `NO_PROXY`"),
        ("http://127.0.0.1:1/v1", "", "does not count for an address of this machine"),
    ],
)
def test_the_proxy_in_use_is_shown_without_its_password(
    address: str, excluded: str, shown: str, right: CheckedSetUp
) -> None:
    right.environ |= {
        "FIVETRAN_API_URL": address,
        "HTTPS_PROXY": "http://ada:secret-of-ada@127.0.0.1:9/",
        "NO_PROXY": excluded,
        "REQUESTS_CA_BUNDLE": "",
        "SSL_CERT_FILE": "",
    }
    result = right.run(*OPTIONS)
    checks = list_checks(result)
    assert checks["proxy"]["message"].endswith(shown)
    assert ("certifi 20" in checks["certificates"]["message"]) == address.startswith("https:")
    assert checks["access"]["status"] == "error"
    assert "secret-of-ada" not in result.stdout


def test_a_missing_git_is_an_error_if_the_state_needs_it(right: CheckedSetUp, tmp_path: Path) -> None:
    right.environ["PATH"] = str(tmp_path / "empty")
    checks = list_checks(right.run(*OPTIONS))
    assert checks["git"]["status"] == "ok"
    assert checks["git"]["message"] == "git is not installed; only revisions and a state in git need it"
    right.write_project("state: git:origin/states\n")
    checks = list_checks(right.run(*OPTIONS))
    assert select(checks, "error") == {"state"}
    assert "git is not installed" in checks["state"]["message"]
    assert "install git, version 2.31 or later" in checks["state"]["help"]


def test_another_account_is_one_error(right: CheckedSetUp) -> None:
    """Nothing that the specs name is in that account."""
    right.edit(SPEC, right.link, "pl_elsewhere")
    right.edit(SPEC, "  orders:\n", "  orders:\n    id: decent_dropsy\n")
    right.write_project(account_id="other_account")
    checks = list_checks(right.run(*OPTIONS))
    assert select(checks, "error") == {"account"}
    assert select(checks, "not-checked") == {"links and agents", "entries"}


def test_an_unreadable_state_makes_no_name_ambiguous(right: CheckedSetUp) -> None:
    right.server.app.dashboard.add_group("orders")
    right.project.write(STATE, "{")
    assert select(list_checks(right.run(*OPTIONS)), "error") == {"state"}


def test_an_old_git_is_a_warning(right: CheckedSetUp, tmp_path: Path) -> None:
    program = tmp_path / "old" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho git version 2.17.1\n")
    program.chmod(0o755)
    right.environ["PATH"] = str(program.parent)
    check = list_checks(right.run(*OPTIONS))["git"]
    assert (check["status"], check["message"]) == ("warning", "git 2.17.1 is older than 2.31")


def test_secrets_that_are_skipped_are_not_read(right: CheckedSetUp) -> None:
    right.environ.clear()
    checks = list_checks(right.run(*OPTIONS, "--secrets", "skip"))
    assert select(checks, "not-checked") == {"env"}
    right.edit("specs/groups/main.yaml", "user: fivetran", 'user: {value: "env:ORDERS_USER"}')
    checks = list_checks(right.run(*OPTIONS, "--secrets", "skip"))
    assert select(checks, "error") == {"env"}, "a public value is no secret"


def test_a_store_of_a_broken_package_is_named(
    right: CheckedSetUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_package(tmp_path / "site", monkeypatch, "acme_store", "reconciler.secrets", "acme = Store")
    right.edit("specs/groups/main.yaml", "env:ORDERS_PASSWORD", "acme:orders")
    check = list_checks(right.run(*OPTIONS))["references"]
    assert check["status"] == "error"
    assert "the module `acme_store` is missing" in check["message"]
    assert check["help"] == "update or uninstall that package"


def test_a_silent_store_is_not_asked_for_every_reference(right: CheckedSetUp) -> None:
    fields = ("host", "database", "user", "password")
    config = "".join(f'        {name}: {{secret: "vault:kv/{name}#value"}}\n' for name in fields)
    text = (right.project.folder / SPEC).read_text()
    right.project.write(SPEC, text[: text.index("        host:")] + config)
    right.write_project("secrets: {timeout: 1}\n")
    with serve_script(lambda connection, request: connection.hang()) as vault:
        right.environ |= {"VAULT_ADDR": vault.url.removesuffix("/v1"), "VAULT_TOKEN": "hvs.unused-token"}
        check = list_checks(right.run(*OPTIONS))["vault"]
    assert check["message"].startswith("4 of 4 references cannot be read: Vault cannot be asked: ")
    assert len(vault.requests) == 1


@pytest.mark.parametrize(
    ("fault", "name", "status", "message"),
    [
        (("/proxy", "status 404"), "proxy agents", "ok", "answers 404, and this project does not need them"),
        (("/private-links", "status 404"), "private links", "warning", "answers 404, and the specs name 1"),
        (("/groups", "status 418"), "groups", "error", "HTTP 418"),
    ],
)
def test_a_list_with_another_refusal_is_reported_by_its_need(
    fault: tuple[str, str], name: str, status: str, message: str, right: CheckedSetUp
) -> None:
    right.add_fault(*fault)
    check = list_checks(right.run(*OPTIONS))[name]
    assert check["status"] == status
    assert message in check["message"]


def test_the_findings_of_a_check_are_cut_unless_the_report_is_verbose(right: CheckedSetUp) -> None:
    for number in range(7):
        right.project.write(
            f"specs/groups/more{number}.yaml", f"version: 1\ngroups:\n  more{number}: {{id: gone_{number}}}\n"
        )
    text = right.run().stdout
    assert text.count("is gone from Fivetran") == 5
    assert "and 2 more; `--verbose` shows all\n" in text
    assert text.count("=> use a key that sees it") == 1
    assert right.run("--verbose").stdout.count("is gone from Fivetran") == 7


def test_a_next_step_stands_once(right: CheckedSetUp) -> None:
    right.environ.clear()
    assert right.run().stdout.count("=> ") == 1
    right.edit(SPEC, "user: fivetran", 'user: {secret: "env:ORDERS_USER"}')
    text = right.run().stdout
    assert text.count("is not set") == 2
    assert text.count("=> ") == 1


def test_an_entry_that_fivetran_reads_itself_is_not_checked(right: CheckedSetUp) -> None:
    manager = right.server.post(
        "/external-secrets-managers", {"type": "HASHICORP_VAULT", "name": "vault", "config": {}}
    )
    right.project.write_groups(SNOWFLAKE.format(manager=manager["id"]))
    checks = list_checks(right.run(*OPTIONS))
    assert checks["esm"]["status"] == "not-checked"
    assert checks["esm"]["message"] == "only Fivetran reads its 1 reference"
    assert checks["links and agents"]["message"] == "1 that the specs name, all there"
    right.project.write_groups(SNOWFLAKE.format(manager="vault"))
    [finding] = list_checks(right.run(*OPTIONS))["links and agents"]["findings"]
    assert finding["help"] == f"write its id, `{manager['id']}`"


def test_the_sandbox_is_checked_as_a_copy(project: Project) -> None:
    project.write_groups("  orders: {}\n")
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    before = read_tree(project.folder)
    result = project.run("doctor", "--sandbox", *OPTIONS)
    assert result.exit == 0, result.stdout
    checks = list_checks(result)
    assert checks["groups"]["message"] == "1"
    assert select(checks, "not-checked") == {"links and agents", "references"}
    assert read_tree(project.folder) == before


def test_the_report_fits_into_a_terminal(project: Project) -> None:
    with TerminalProcess("doctor", directory=project.folder) as terminal:
        assert terminal.wait_for_exit() == 1
    lines = terminal.text.replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith("not checked.")


class SharedState:
    """A right set-up whose state is in git, in a clone of a bare repository."""

    def __init__(self, set_up: CheckedSetUp, folder: Path) -> None:
        self.set_up = set_up
        self.upstream = BareRepository(folder / "upstream.git")
        self.upstream.clone(set_up.project.folder)
        set_up.environ["FINGERPRINT_KEY"] = "a-key-that-is-long-enough"
        self.write_project(f"git:origin/{BRANCH}")

    def write_project(self, place: str) -> None:
        """Write the project file for a place of the state."""
        self.set_up.write_project(f'state: {place}\nfingerprint_key: {{secret: "env:FINGERPRINT_KEY"}}\n')

    def run(self, *options: str) -> dict[str, Any]:
        """Run `doctor`. Returns the checks by name."""
        return list_checks(self.set_up.run(*OPTIONS, *options))

    def list_branches(self) -> list[str]:
        """List the branches of the repository."""
        return run_git(self.upstream.path, "branch", "--format=%(refname:short)").split()


@pytest.fixture
def shared(right: CheckedSetUp, tmp_path_factory: pytest.TempPathFactory) -> SharedState:
    return SharedState(right, tmp_path_factory.mktemp("shared"))


def test_a_state_in_git_is_reached_and_its_writes_are_checked_on_request(shared: SharedState) -> None:
    checks = shared.run()
    assert select(checks, "not-checked") == {"writes"}
    assert select(checks, "ok") == set(checks) - {"writes"}
    assert "`--write-check`" in checks["writes"]["help"]
    before = shared.list_branches()
    checks = shared.run("--write-check")
    assert checks["writes"]["status"] == "ok"
    assert f"`{BRANCH}-write-check-" in checks["writes"]["message"]
    assert shared.list_branches() == before == ["main"], (
        "the branch of the check is gone, and no other was made"
    )


def test_a_repository_that_takes_no_push_is_an_error(shared: SharedState) -> None:
    shared.upstream.add_hook("pre-receive", "echo 'no pushes today' >&2; exit 1")
    assert shared.run()["writes"]["status"] == "not-checked"
    check = shared.run("--write-check")["writes"]
    assert check["status"] == "error"
    assert "the server says: no pushes today" in check["message"]
    assert "may push" in check["help"]
    assert shared.list_branches() == ["main"]


def test_a_branch_that_cannot_be_deleted_is_named(shared: SharedState) -> None:
    run_git(shared.upstream.path, "config", "receive.denyDeletes", "true")
    check = shared.run("--write-check")["writes"]
    [branch] = [name for name in shared.list_branches() if name != "main"]
    assert check["status"] == "error"
    assert f"`{branch}`, which this check made, cannot be deleted" in check["message"]
    assert branch in check["help"]


def test_a_remote_state_without_a_key_is_a_warning(shared: SharedState) -> None:
    shared.set_up.write_project(f"state: git:origin/{BRANCH}\n")
    check = shared.run()["fingerprint key"]
    assert check["status"] == "warning"
    assert "changed secrets are not noticed" in check["message"]


@pytest.mark.parametrize(
    ("until", "status", "parts"),
    [
        ("2999-01-01T00:00:00+00:00", "warning", ("held by ", "; it expires at 2999-01-01")),
        ("2001-01-01T00:00:00+00:00", "ok", ("free; the lock of ", " has expired")),
    ],
)
def test_a_lease_is_shown_with_its_holder(
    until: str,
    status: str,
    parts: tuple[str, ...],
    shared: SharedState,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("writer")
    run_git(folder, "init", "-q")
    lease = {"holder": asdict(HOLDER), "until": until, "mark": "m"}
    (folder / "state.json.lock").write_text(json.dumps(lease))
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "lock")
    run_git(folder, "push", "-q", str(shared.upstream.path), f"HEAD:refs/heads/{BRANCH}")
    check = shared.run()["lock"]
    assert check["status"] == status
    assert [part for part in (*parts, str(HOLDER)) if part not in check["message"]] == []


@pytest.mark.parametrize(
    ("entry", "status", "message"),
    [
        (json.dumps(asdict(replace(HOLDER, host=platform.node(), pid=2**22 + 1))), "ok", " has ended"),
        ("{", "warning", "its holder cannot be read"),
    ],
)
def test_the_entry_of_a_dead_holder_is_no_lock(
    entry: str, status: str, message: str, right: CheckedSetUp
) -> None:
    right.project.write(f"{STATE}.lock.holder", entry)
    check = list_checks(right.run(*OPTIONS))["lock"]
    assert (check["status"], message in check["message"]) == (status, True)


@pytest.mark.long
def test_the_writes_of_a_bucket_are_checked_with_an_object_that_is_deleted(shared: SharedState) -> None:
    with open_bucket() as bucket:
        shared.set_up.environ |= bucket.environ
        shared.write_project("s3://states/fivetran/state.json")
        assert select(shared.run(), "not-checked") == {"writes"}
        check = shared.run("--write-check")["writes"]
        assert check["status"] == "ok", check
        assert "`fivetran/state.json.write-check-" in check["message"]
        assert bucket.list_keys() == []


@pytest.mark.long
def test_a_bucket_that_ignores_conditions_is_an_error(shared: SharedState) -> None:
    with open_bucket() as bucket, S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as proxy:
        proxy.dropped_headers = frozenset({"if-none-match", "if-match"})
        shared.set_up.environ |= {**bucket.environ, "AWS_ENDPOINT_URL": proxy.url}
        shared.write_project("s3://states/fivetran/state.json")
        check = shared.run("--write-check")["writes"]
        assert check["status"] == "error"
        assert "it replaces objects although they have changed" in check["message"]
        assert check["help"] == "keep the state in a store with conditional writes, or in git"
        assert bucket.read_files() == {}


@pytest.mark.long
def test_a_bucket_that_does_not_exist_is_an_error_of_the_state(shared: SharedState) -> None:
    with open_bucket() as bucket:
        shared.set_up.environ |= bucket.environ
        shared.write_project("s3://nowhere/state.json")
        checks = shared.run("--write-check")
        assert select(checks, "error") == {"state"}
        assert select(checks, "not-checked") == {"lock", "writes", "fingerprint key"}


def test_no_output_contains_the_password(right: CheckedSetUp) -> None:
    right.server.app.dashboard.change_destination(right.group_id, config={PASSWORD: "x"})
    for options in ((), OPTIONS):
        result = right.run(*options)
        assert PASSWORD not in result.stdout + result.stderr
