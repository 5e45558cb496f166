"""Test which addresses, proxies and CA bundles are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.diagnostic import ReconcilerError
from reconciler.runtime.endpoint import DEFAULT_BASE_URL, resolve_endpoint

PROXY = "http://proxy.example:8080"


def list_codes(base_url: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ReconcilerError) as caught:
        resolve_endpoint(base_url, environ or {})
    return [each.code for each in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (DEFAULT_BASE_URL, DEFAULT_BASE_URL),
        ("https://api.example/v1/", "https://api.example/v1"),
        (" https://api.example:8443 ", "https://api.example:8443"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
    ],
)
def test_good_addresses_are_accepted(given: str, used: str) -> None:
    assert resolve_endpoint(given, {}).base_url == used


@pytest.mark.parametrize(
    "given",
    [
        "",
        "api.fivetran.com",
        "ftp://api.example",
        "https://",
        "https:///v1",
        "http://api.fivetran.com/v1",
        "http://127.0.0.1.example/v1",
        "http://localhost.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "https://key:canary@api.example/v1",
        "http://127.0.0.1@evil.example",
        "https://api.example/v1?x=1",
        "https://api.example/v1#x",
        "https://api.example:port",
        "https://api.example:99999",
        "https://api.exa\nmple",
        "https://api.exämple",
        "http://localhost\\@evil.example",
        "https://[::1",
    ],
    ids=ascii,
)
def test_an_address_that_cannot_be_trusted_with_credentials_is_refused(given: str) -> None:
    assert list_codes(given) == ["bad-api-url"]


def test_credentials_in_an_address_are_not_repeated() -> None:
    with pytest.raises(ReconcilerError) as caught:
        resolve_endpoint("https://key:canary@api.example/v1", {})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": "proxy.example:8080"}, PROXY),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other, fivetran.com"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": ".fivetran.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "tran.com"}, PROXY),
    ],
)
def test_the_proxy_is_read_from_the_given_environment(
    environ: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://from-the-process")
    monkeypatch.setenv("NO_PROXY", "fivetran.com" if proxy else "")
    assert resolve_endpoint(DEFAULT_BASE_URL, environ).proxy == proxy


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://localhost", "https://[::1]/v1"])
def test_loopback_has_no_proxy_and_no_bundle(url: str) -> None:
    found = resolve_endpoint(url, {"HTTPS_PROXY": PROXY, "REQUESTS_CA_BUNDLE": "/nowhere"})
    assert (found.proxy, found.ca_bundle) == (None, None)


@pytest.mark.parametrize("proxy", ["socks5://x:1", "http://", "http://a b", "http://x:port"])
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str) -> None:
    assert list_codes(DEFAULT_BASE_URL, {"HTTPS_PROXY": proxy}) == ["bad-proxy"]


def test_the_first_ca_bundle_is_used(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    one.touch()
    two.touch()
    both = {"SSL_CERT_FILE": str(two), "REQUESTS_CA_BUNDLE": str(one)}
    assert resolve_endpoint(DEFAULT_BASE_URL, both).ca_bundle == str(one)
    assert resolve_endpoint(DEFAULT_BASE_URL, {"SSL_CERT_FILE": str(two)}).ca_bundle == str(two)


def test_all_findings_are_reported_together() -> None:
    environ = {"HTTPS_PROXY": "socks5://x", "SSL_CERT_FILE": "/no/such/file"}
    assert list_codes(DEFAULT_BASE_URL, environ) == ["bad-proxy", "missing-ca-bundle"]


def test_a_password_of_a_proxy_is_not_shown() -> None:
    assert "canary" not in repr(resolve_endpoint(DEFAULT_BASE_URL, {"HTTPS_PROXY": "http://u:canary@proxy"}))
