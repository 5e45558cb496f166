"""Test mounts and versions of KV engines in Vault, and the logins of a run, against a stub of Vault."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripted_server import ReceivedRequest, ServerConnection, build_response, serve_script
from vault_stub import ENTRY, LOGIN_TOKEN, STATIC_TOKEN, Engine, VaultStub, build_settings, serve_vault

from reconciler.model.value import Reference
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreContext, StoreTimeout
from reconciler.secrets.vault import Vault

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]

APPROLE = {"VAULT_ROLE_ID": "the-role", "VAULT_SECRET_ID": "secret-id-of-the-tests"}
APPROLE_BODY = {"role_id": "the-role", "secret_id": "secret-id-of-the-tests"}
JWT = "eyJhbGciOiJSUzI1NiJ9.token-of-the-pod.c2ln"
ASK = "/sys/internal/ui/mounts/"


def open_store(context: StoreContext) -> CachedDocuments:
    return CachedDocuments(Vault(context).read)


def read(store: CachedDocuments, locator: str = "kv/team/db", part: str = "password") -> str:
    return store.resolve(Reference("vault", locator, part))


def read_and_fail(store: CachedDocuments, locator: str = "kv/team/db") -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(store, locator)
    shown = repr(raised.value) + repr(raised.value.__cause__)
    for hidden in ("canary", STATIC_TOKEN, LOGIN_TOKEN, APPROLE["VAULT_SECRET_ID"], JWT):
        assert hidden not in shown
    return raised.value.reason


ENGINES = {
    "kv/": Engine(2, {"team/db": ENTRY, "data/db": ENTRY, "team/data/db": ENTRY}),
    "eu/team/kv/": Engine(2, {"app/db": ENTRY}),
    "old/": Engine(1, {"team/db": ENTRY, "data/db": ENTRY}),
    "eu/old/kv/": Engine(1, {"db": ENTRY}),
    "legacy/": Engine(1, {"db": ENTRY}, kind="generic"),
}


@pytest.mark.parametrize(
    ("locator", "target"),
    [
        ("kv/team/db", "/kv/data/team/db"),
        ("kv/data/team/db", "/kv/data/team/db"),
        ("kv/data/data/db", "/kv/data/data/db"),
        ("kv/team/data/db", "/kv/data/team/data/db"),
        ("eu/team/kv/app/db", "/eu/team/kv/data/app/db"),
        ("eu/team/kv/data/app/db", "/eu/team/kv/data/app/db"),
        ("old/team/db", "/old/team/db"),
        ("old/data/db", "/old/data/db"),
        ("eu/old/kv/db", "/eu/old/kv/db"),
        ("legacy/db", "/legacy/db"),
    ],
)
def test_an_entry_is_read_from_its_mount(locator: str, target: str, make_context: MakeContext) -> None:
    stub = VaultStub(ENGINES)
    with serve_vault(stub) as running:
        assert read(open_store(make_context(**build_settings(running))), locator) == "canary"
    assert stub.targets == [ASK + locator, target]


def test_a_mount_is_asked_for_once(make_context: MakeContext) -> None:
    stub = VaultStub(ENGINES)
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running)))
        for locator in ("kv/team/db", "kv/data/data/db", "old/team/db", "old/data/db", "eu/team/kv/app/db"):
            assert read(store, locator) == "canary"
    asked = [target for target in stub.targets if target.startswith(ASK)]
    assert asked == [f"{ASK}kv/team/db", f"{ASK}old/team/db", f"{ASK}eu/team/kv/app/db"]


@pytest.mark.parametrize("tells_mounts", [True, False])
def test_only_part_of_a_mount_is_readable(tells_mounts: bool, make_context: MakeContext) -> None:
    stub = VaultStub(ENGINES, readable=("kv/data/team/", "old/team/"), tells_mounts=tells_mounts)
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running)))
        assert (read(store, "kv/team/db"), read(store, "old/team/db")) == ("canary", "canary")
        assert "does not let this token read it" in read_and_fail(store, "kv/data/data/db")


def test_without_the_question_for_mounts_the_likeliest_mount_is_read(make_context: MakeContext) -> None:
    stub = VaultStub(ENGINES, tells_mounts=False)
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running)))
        for locator in (
            "kv/team/db",
            "eu/team/kv/data/app/db",
            "old/team/db",
            "old/data/db",
            "kv/data/data/db",
        ):
            assert read(store, locator) == "canary", locator
    asked = [target for target in stub.targets if target.startswith(ASK)]
    assert asked == [f"{ASK}kv/team/db", f"{ASK}eu/team/kv/data/app/db", f"{ASK}old/team/db"]


def test_an_absent_entry_is_reported_with_its_mount(make_context: MakeContext) -> None:
    with serve_vault(VaultStub(ENGINES)) as running:
        store = open_store(make_context(**build_settings(running)))
        assert read_and_fail(store, "eu/team/kv/none") == (
            "Vault keeps nothing at `none` in a KV engine of version 2 mounted at `eu/team/kv`"
        )
        assert read_and_fail(store, "old/none") == (
            "Vault keeps nothing at `none` in a KV engine of version 1 mounted at `old`"
        )
        assert "there is no path behind it" in read_and_fail(store, "eu/team/kv")


def test_an_engine_that_makes_credentials_is_not_read(make_context: MakeContext) -> None:
    stub = VaultStub({"database/": Engine(None, kind="database")})
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running)))
        assert read_and_fail(store, "database/creds/loader") == (
            "`database` in Vault is an engine of type `database`, and no KV engine"
        )
    assert stub.targets == [f"{ASK}database/creds/loader"]


def test_an_approle_logs_in_once_for_all_threads(make_context: MakeContext) -> None:
    entries = {str(number): ENTRY for number in range(12)}
    stub = VaultStub({"kv/": Engine(2, entries)}, logins={"auth/approle/login": APPROLE_BODY})
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running, token="", **APPROLE)))
        with ThreadPoolExecutor(6) as threads:
            values = list(threads.map(lambda number: read(store, f"kv/{number}"), entries))
    assert values == ["canary"] * 12
    assert stub.targets[:2] == ["/auth/approle/login", f"{ASK}kv/{stub.targets[1].rpartition('/')[2]}"]
    assert sorted(stub.targets[2:]) == sorted(f"/kv/data/{number}" for number in entries)
    assert "x-vault-token" not in stub.requests[0].headers
    assert {request.headers["x-vault-token"] for request in stub.requests[1:]} == {LOGIN_TOKEN}


def test_a_pod_logs_in_by_its_service_account(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(JWT + "\n")
    stub = VaultStub(logins={"auth/eu/k8s/login": {"role": "reconciler", "jwt": JWT}}, namespace="eu")
    more = {"VAULT_K8S_ROLE": "reconciler", "VAULT_K8S_MOUNT": "/eu/k8s/", "VAULT_NAMESPACE": "eu"}
    with serve_vault(stub) as running:
        context = make_context(
            **build_settings(running, token="", VAULT_K8S_TOKEN_FILE=str(tmp_path / "token"), **more)
        )
        assert read(open_store(context)) == "canary"
    assert stub.targets[0] == "/auth/eu/k8s/login"


def test_a_token_wins_over_logins(make_context: MakeContext) -> None:
    stub = VaultStub()
    with serve_vault(stub) as running:
        context = make_context(**build_settings(running, VAULT_ROLE_ID="half", VAULT_K8S_ROLE="reconciler"))
        assert read(open_store(context)) == "canary"
    assert stub.targets == [f"{ASK}kv/team/db", "/kv/data/team/db"]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {**APPROLE, "VAULT_ROLE_ID": "another"},
            "Vault refuses the login: `VAULT_ROLE_ID` or `VAULT_SECRET_ID` may be wrong",
        ),
        ({**APPROLE, "VAULT_APPROLE_MOUNT": "ci"}, "`auth/ci` is no AppRole (`VAULT_APPROLE_MOUNT`)"),
        ({"VAULT_K8S_ROLE": "other", "VAULT_K8S_TOKEN_FILE": "token"}, "the role `other` (`VAULT_K8S_ROLE`)"),
    ],
)
def test_a_refused_login_is_reported_and_not_repeated(
    environ: dict[str, str],
    words: str,
    make_context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(JWT)
    stub = VaultStub(logins={"auth/approle/login": APPROLE_BODY})
    with serve_vault(stub) as running:
        store = open_store(make_context(**build_settings(running, token="", **environ)))
        assert words in read_and_fail(store)
        assert words in read_and_fail(store, "kv/other")
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "`VAULT_TOKEN` must be set; `reconciler help secrets` names other logins"),
        ({"VAULT_ROLE_ID": "the-role"}, "only one of `VAULT_ROLE_ID` and `VAULT_SECRET_ID` is set"),
        ({"VAULT_SECRET_ID": APPROLE["VAULT_SECRET_ID"]}, "only one of `VAULT_ROLE_ID`"),
        ({"VAULT_K8S_ROLE": "r", "VAULT_K8S_TOKEN_FILE": "absent"}, "`absent` cannot be read: no such file"),
        ({"VAULT_K8S_ROLE": "r", "VAULT_K8S_TOKEN_FILE": "empty"}, "`empty` is empty"),
        ({"VAULT_K8S_ROLE": "r", "VAULT_K8S_TOKEN_FILE": "noise"}, "`noise` cannot be read: it is not text"),
    ],
)
def test_a_login_without_a_part_sends_nothing(
    environ: dict[str, str],
    words: str,
    make_context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "noise").write_bytes(b"\xff\xfe")
    stub = VaultStub()
    with serve_vault(stub) as running:
        assert words in read_and_fail(
            open_store(make_context(**build_settings(running, token="", **environ)))
        )
    assert stub.requests == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"auth": {"client_token": "", "mfa_requirement": {"id": "1"}}}', "a second factor"),
        (b'{"auth": null}', "holds no token"),
        (b"canary", "holds no token"),
        (b'{"auth": {"client_token": "a\\nb"}}', "is not plain text"),
    ],
)
def test_a_login_without_a_token_is_reported(body: bytes, words: str, make_context: MakeContext) -> None:
    with serve_script(lambda wire, _: wire.send(build_response(body))) as running:
        store = open_store(make_context(**build_settings(running, token="", **APPROLE)))
        assert words in read_and_fail(store)


def test_a_quota_and_a_late_secondary_are_waited_for(make_context: MakeContext) -> None:
    stub = VaultStub(statuses=[429, 412])
    with serve_vault(stub) as running:
        assert read(open_store(make_context(**build_settings(running)))) == "canary"
    assert stub.targets == [f"{ASK}kv/team/db"] * 3 + ["/kv/data/team/db"]


@pytest.mark.parametrize("status", [500, 503])
def test_another_failure_is_not_repeated(status: int, make_context: MakeContext) -> None:
    stub = VaultStub(statuses=[status])
    with serve_vault(stub) as running:
        assert "Vault " in read_and_fail(open_store(make_context(**build_settings(running))))
    assert len(stub.requests) == 1


@pytest.mark.parametrize("environ", [{}, {"VAULT_TOKEN": "", **APPROLE}], ids=["mount", "login"])
def test_threads_do_not_wait_one_after_the_other_for_a_silent_vault(
    environ: dict[str, str], make_context: MakeContext
) -> None:
    with serve_script(lambda wire, _: wire.hang()) as running:
        registry = Registry(
            {"vault": open_store(make_context(0.5, **{**build_settings(running), **environ}))}
        )
        references = [Reference("vault", f"kv/{number}", "password") for number in range(12)]
        registry.prefetch(references, 6)
        for reference in references:
            with pytest.raises(SecretUnavailable, match=r"there was no answer within 0\.5 s"):
                registry.resolve(reference)
    assert len(running.requests) == 1


def test_the_requests_of_a_look_up_share_its_time(make_context: MakeContext) -> None:
    stub = VaultStub()

    def answer_late(wire: ServerConnection, request: ReceivedRequest) -> None:
        wire.closing.wait(0.35)
        stub.answer(wire, request)

    with serve_script(answer_late) as running:
        store = open_store(make_context(0.5, **build_settings(running)))
        with pytest.raises(StoreTimeout, match=r"no answer within 0\.5 s"):
            read(store)
