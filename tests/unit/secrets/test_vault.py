"""Test reading from HashiCorp Vault: addresses, TLS, refusals, and broken servers. `test_vault_engines` has mounts and
logins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from long_runs import small_and_large
from malformed_answers import MalformedAnswer, build_malformed_answer
from scripted_server import (
    ReceivedRequest,
    Script,
    ScriptedServer,
    ServerConnection,
    build_response,
    find_free_port,
    serve_script,
)
from self_signed_cert import make_server_context

from reconciler.model.value import Reference
from reconciler.secrets.base import CachedDocuments, SecretUnavailable, StoreContext
from reconciler.secrets.vault import Vault, validate_reference
from reconciler.secrets.vault_server import MAX_BYTES, Server, parse_server

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]

ENTRY = {"user": "loader", "password": "canary", "port": 5432, "nested": {"a": "canary"}}


def encode_entry(entry: Any = ENTRY, **metadata: Any) -> bytes:
    """Encode a response of a KV engine of version 2."""
    return json.dumps({"data": {"data": entry, "metadata": {"version": 3, **metadata}}}).encode()


def respond(body: bytes = encode_entry(), status: str = "200 OK", *headers: str) -> Script:
    return lambda wire, _: wire.send(build_response(body, status, *headers))


def format_url(running: ScriptedServer) -> str:
    return f"http://127.0.0.1:{running.port}"


def read(context: StoreContext, locator: str = "kv/team/db", part: str = "password") -> str:
    return CachedDocuments(Vault(context).read).resolve(Reference("vault", locator, part))


def read_and_fail(context: StoreContext, locator: str = "kv/team/db", part: str = "password") -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(context, locator, part)
    assert "canary" not in repr(raised.value) + repr(raised.value.__cause__)
    assert "the-token" not in repr(raised.value)
    return raised.value.reason


def fail_with_script(make_context: MakeContext, script: Script, timeout: float = 10) -> str:
    """Return the reason for the missing value, from a server with this script."""
    with serve_script(script) as running:
        return read_and_fail(make_context(timeout, VAULT_ADDR=format_url(running), VAULT_TOKEN="the-token"))


@pytest.mark.parametrize(
    ("locator", "target"),
    [
        ("kv/team/db", "/v1/kv/data/team/db"),
        ("kv/data/team/db", "/v1/kv/data/team/db"),
        ("kv/data/data/db", "/v1/kv/data/data/db"),
        ("eu/team/kv/data/db", "/v1/eu/team/kv/data/db"),
        ("kv/naïve+&db", "/v1/kv/data/na%C3%AFve%2B%26db"),
    ],
)
def test_a_path_is_accepted_with_and_without_data(
    locator: str, target: str, make_context: MakeContext
) -> None:
    with serve_script(respond()) as running:
        context = make_context(
            VAULT_ADDR=format_url(running) + "/", VAULT_TOKEN=" the-token\n", VAULT_NAMESPACE="eu/data"
        )
        assert read(context, locator) == "canary"
    mount, seen = running.requests
    assert mount.target.startswith("/v1/sys/internal/ui/mounts/")
    assert (seen.method, seen.target) == ("GET", target)
    assert seen.headers["x-vault-token"] == "the-token"
    assert seen.headers["x-vault-namespace"] == "eu/data"


def test_a_vault_entry_is_read_once_for_all_its_keys(make_context: MakeContext) -> None:
    with serve_script(respond()) as running:
        store = CachedDocuments(
            Vault(make_context(VAULT_ADDR=format_url(running), VAULT_TOKEN="the-token")).read
        )
        values = [store.resolve(Reference("vault", "kv/db", key)) for key in ("user", "password", "port")]
    assert values == ["loader", "canary", "5432"]
    assert len(running.requests) == 2  # the mount, and the entry
    assert "x-vault-namespace" not in running.requests[0].headers


@pytest.mark.parametrize(("key", "words"), [("absent", "no member `absent`"), ("nested", "neither text")])
def test_a_missing_key_is_reported(key: str, words: str, make_context: MakeContext) -> None:
    with serve_script(respond()) as running:
        context = make_context(VAULT_ADDR=format_url(running), VAULT_TOKEN="the-token")
        assert words in read_and_fail(context, part=key)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        ("400 Bad Request", b'{"errors":["canary"]}', "`VAULT_NAMESPACE` may be wrong"),
        ("403 Forbidden", b'{"errors":["permission denied: canary"]}', "does not let this token read it"),
        (
            "404 Not Found",
            b'{"errors":[]}',
            "keeps nothing at `team/db` in a KV engine of version 2 mounted at `kv`",
        ),
        (
            "404 Not Found",
            encode_entry(None, deletion_time="2026-01-02T03:04:05Z", destroyed=False),
            "was deleted",
        ),
        ("404 Not Found", encode_entry(None, deletion_time="", destroyed=True), "was destroyed"),
        ("404 Not Found", b"<html>canary</html>", "keeps nothing"),
        ("429 Too Many Requests", b"{}", "asked too often"),
        ("501 Not Implemented", b"{}", "not initialised"),
        ("503 Service Unavailable", b'{"errors":["Vault is sealed"]}', "is sealed"),
        ("500 Oops", b'{"errors":["canary"]}', "answers with status 500"),
        ("204 No Content", b"", "answers with status 204"),
        ("200 OK", b'{"data":["canary"]}', "not an entry of a KV engine of version 2"),
        ("200 OK", b"canary", "not an entry"),
        ("200 OK", b"[" * 50_000, "not an entry"),
        ("200 OK", b"x" * (MAX_BYTES + 1), "larger than 1024 KiB"),
    ],
)
def test_a_vault_refusal_is_reported_by_status(
    status: str, body: bytes, words: str, make_context: MakeContext
) -> None:
    assert words in fail_with_script(make_context, respond(body, status))


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_not_followed(status: str, make_context: MakeContext) -> None:
    with serve_script(respond()) as elsewhere:
        text = fail_with_script(
            make_context, respond(b"", status, f"Location: {format_url(elsewhere)}/v1/kv/data/team/db")
        )
    assert "not followed" in text
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "script",
    [
        lambda wire, _: wire.hang(),
        lambda wire, _: (wire.send(b"HTTP/1.1 200 OK\r\n\r\n" + encode_entry()), wire.hang()),
    ],
    ids=["silence", "no end"],
)
def test_a_silent_server_ends_at_the_timeout(script: Script, make_context: MakeContext) -> None:
    assert (
        fail_with_script(make_context, script, timeout=0.5)
        == "Vault cannot be asked: there was no answer within 0.5 s"
    )


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Padding: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["headers", "body", "body of any length"],
)
def test_a_dripping_server_is_cut_off_at_the_timeout(head: bytes, make_context: MakeContext) -> None:
    ended = []

    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(head)
        wire.drip(b"x" * 200)
        ended.append(not wire.closing.is_set())

    assert (
        fail_with_script(make_context, script, timeout=0.5)
        == "Vault cannot be asked: there was no answer within 0.5 s"
    )
    assert True not in ended


@pytest.mark.parametrize(
    "script",
    [
        lambda wire, _: wire.reset(),
        lambda wire, _: wire.send(b""),
        lambda wire, _: wire.send(b"SSH-2.0-OpenSSH_9.7\r\n"),
        lambda wire, _: wire.send(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n"),
    ],
    ids=["reset", "closed", "another protocol", "too many headers"],
)
def test_a_broken_connection_is_reported(script: Script, make_context: MakeContext) -> None:
    assert "the connection failed" in fail_with_script(make_context, script)


def test_a_truncated_body_is_no_entry(make_context: MakeContext) -> None:
    body = build_response(encode_entry())
    assert "not an entry" in fail_with_script(make_context, lambda wire, _: wire.send(body[:-20]))


def test_a_refused_connection_is_reported(make_context: MakeContext) -> None:
    context = make_context(VAULT_ADDR=f"http://127.0.0.1:{find_free_port()}", VAULT_TOKEN="the-token")
    assert "the connection failed (ConnectionRefusedError)" in read_and_fail(context)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "`VAULT_ADDR` and `VAULT_TOKEN` must be set"),
        ({"VAULT_ADDR": "https://vault.example"}, "`VAULT_TOKEN` must be set"),
        ({"VAULT_ADDR": "https://vault.example", "VAULT_TOKEN": " \n"}, "`VAULT_TOKEN` must be set"),
        ({"VAULT_ADDR": "http://vault.example", "VAULT_TOKEN": "the-token"}, "not `https://`"),
        ({"VAULT_ADDR": "vault.example:8200", "VAULT_TOKEN": "the-token"}, "not a web address"),
        ({"VAULT_ADDR": "https://me:canary@vault.example", "VAULT_TOKEN": "the-token"}, "more than scheme"),
        ({"VAULT_ADDR": "https://vault.example?canary=1", "VAULT_TOKEN": "the-token"}, "more than scheme"),
        ({"VAULT_ADDR": "https://vault.example:x", "VAULT_TOKEN": "the-token"}, "not a web address"),
        ({"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "the-token\nX: y"}, "not plain text"),
        (
            {
                "VAULT_ADDR": "https://vault.example",
                "VAULT_TOKEN": "the-token",
                "HTTPS_PROXY": "socks5://canary",
            },
            "not an `http://` address",
        ),
    ],
)
def test_invalid_settings_are_reported_before_any_request(
    environ: dict[str, str], words: str, make_context: MakeContext
) -> None:
    assert words in read_and_fail(make_context(**environ))


HOST = "vault.example.test"


def proxy_settings(running: ScriptedServer, **more: str) -> dict[str, str]:
    """Make settings for a host that only the proxy can resolve; the proxy is itself the server."""
    proxy = f"http://me:it%40proxy@127.0.0.1:{running.port}"
    return {"VAULT_ADDR": f"https://{HOST}", "VAULT_TOKEN": "the-token", "HTTPS_PROXY": proxy, **more}


@pytest.mark.parametrize("variable", ["VAULT_CACERT", "SSL_CERT_FILE"])
def test_tls_through_a_proxy_shows_the_token_to_vault_only(
    variable: str, make_context: MakeContext, tmp_path: Path
) -> None:
    tls, certificate = make_server_context(HOST, tmp_path)
    with serve_script(respond(), tls=tls, tunnel=True) as running:
        assert read(make_context(**proxy_settings(running, **{variable: str(certificate)}))) == "canary"
    connect, request = running.requests[-2:]
    assert (connect.method, connect.target) == ("CONNECT", f"{HOST}:443")
    assert connect.headers["proxy-authorization"] == "Basic bWU6aXRAcHJveHk="
    assert "x-vault-token" not in connect.headers
    assert request.headers["x-vault-token"] == "the-token"
    assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize("presented", [HOST, "elsewhere.example.test"])
def test_an_unverified_server_gets_no_token(
    presented: str, make_context: MakeContext, tmp_path: Path
) -> None:
    tls, certificate = make_server_context(presented, tmp_path)
    trusted = {} if presented == HOST else {"VAULT_CACERT": str(certificate)}
    with serve_script(respond(), tls=tls, tunnel=True) as running:
        assert "certificate cannot be verified" in read_and_fail(
            make_context(**proxy_settings(running, **trusted))
        )
    assert [each.method for each in running.requests] == ["CONNECT"]


def test_a_dripping_tls_handshake_ends_at_the_timeout(make_context: MakeContext) -> None:
    def drip(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        wire.drip(b"\x16\x03\x03\x40\x00" + b"x" * 500)

    with serve_script(drip) as running:
        assert "no answer within 0.5 s" in read_and_fail(make_context(0.5, **proxy_settings(running)))


def test_an_unreadable_ca_bundle_is_reported(make_context: MakeContext, tmp_path: Path) -> None:
    tls, _ = make_server_context(HOST, tmp_path)
    with serve_script(respond(), tls=tls, tunnel=True) as running:
        context = make_context(**proxy_settings(running, VAULT_CACERT=str(tmp_path / "absent.pem")))
        assert "certificate authorities" in read_and_fail(context)


def test_loopback_and_excluded_hosts_bypass_the_proxy() -> None:
    proxy = {"https_proxy": "proxy.example:3128", "no_proxy": ".internal"}
    assert parse_server("http://127.0.0.1:8200", proxy).proxy is None
    assert parse_server("https://vault.internal", proxy).proxy is None
    server = parse_server("https://vault.example", proxy)
    assert server.proxy is not None
    assert server.proxy.hostname == "proxy.example"


def test_the_repr_of_a_server_hides_the_proxy_password() -> None:
    server = parse_server("https://vault.example", {"https_proxy": "http://me:canary@proxy.example:3128"})
    assert isinstance(server, Server)
    assert "canary" not in repr(server)


@pytest.mark.parametrize(
    ("locator", "part", "is_fine"),
    [
        ("kv/db", "password", True),
        ("kv/data/db", "password", True),
        ("kv/db", "", False),
        ("kv", "password", False),
        ("kv/", "password", False),
        ("/kv/db", "password", False),
        ("kv/data", "password", False),
        ("kv/../sys/x", "password", False),
        ("kv/./x", "password", False),
        ("kv/a b", "password", False),
        ("kv/a?x=1", "password", False),
        ("kv/a%2e", "password", False),
    ],
)
def test_a_reference_has_a_mount_a_path_and_a_key(locator: str, part: str, is_fine: bool) -> None:
    found = validate_reference(Reference("vault", locator, part))
    assert (found is None) == is_fine
    assert found is None or all(found)


@small_and_large("count", 25, 200)
def test_every_malformed_answer_is_a_reason_or_the_value_and_takes_no_longer_than_a_look_up(
    count: int, make_context: MakeContext
) -> None:
    answers: list[MalformedAnswer] = []
    with serve_script(lambda wire, _: answers[-1].send(wire)) as running:
        context = make_context(0.5, VAULT_ADDR=format_url(running), VAULT_TOKEN="the-token")
        for number in range(count):
            answers.append(build_malformed_answer(Random(f"vault {number}"), 200, encode_entry()))
            try:
                assert read(context) == "canary", answers[-1].name
            except SecretUnavailable as unavailable:
                assert "canary" not in unavailable.reason
                assert "(ValueError)" not in unavailable.reason, answers[-1].name
