"""Check the way to Fivetran: the API address, the proxy, the certificates and the credentials."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem, CheckupStatus
from reconciler.model.diagnostic import ReconcilerError
from reconciler.operations.doctor.program import find_version
from reconciler.runtime.endpoint import DEFAULT_BASE_URL, Endpoint, resolve_endpoint
from reconciler.runtime.url import find_proxy_variable, is_loopback
from reconciler.workspace.connection import read_credentials
from reconciler.workspace.settings import Settings

_CHECKS = AreaChecks(CheckupArea.CONNECTION)
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_OBSTACLES = {
    "address": "the API address is wrong",
    "proxy": "the proxy is wrong",
    "certificates": "the certificate authorities cannot be read",
    "credentials": "the credentials are missing",
}


@dataclass(frozen=True, slots=True)
class WayToApi:
    """Checks of the way to the API. `obstacle` is the reason why no request can be sent; empty if one can."""

    items: tuple[CheckupItem, ...]
    obstacle: str = ""


def check_way(settings: Settings) -> WayToApi:
    """Check the settings of the connection. Sends nothing."""
    if settings.sandbox:
        return WayToApi((_CHECKS.pass_check("address", "the embedded Fivetran, without a network"),))
    items = (*_check_endpoint(settings.environ), _check_credentials(settings.environ))
    obstacles = [_OBSTACLES[item.name] for item in items if item.status is CheckupStatus.ERROR]
    return WayToApi(items, obstacles[0] if obstacles else "")


def _check_endpoint(environ: Mapping[str, str]) -> Iterator[CheckupItem]:
    """Check address, proxy and certificates one by one, so that each has a line of its own."""
    address = environ.get("FIVETRAN_API_URL") or DEFAULT_BASE_URL
    origin = "from `FIVETRAN_API_URL`" if environ.get("FIVETRAN_API_URL") else "the default"
    item = _check_part("address", address, {}, lambda found: f"{found.base_url}, {origin}")
    yield item
    if item.status is CheckupStatus.ERROR:
        yield _CHECKS.skip("proxy", _OBSTACLES["address"])
        yield _CHECKS.skip("certificates", _OBSTACLES["address"])
        return
    others = {name: value for name, value in environ.items() if name not in _CA_VARIABLES}
    yield _check_part("proxy", address, others, lambda found: _describe_proxy(found, environ))
    variable = next((name for name in _CA_VARIABLES if environ.get(name)), None)
    chosen = {variable: environ[variable]} if variable is not None else {}
    item = _check_part("certificates", address, chosen, lambda found: _describe_authorities(found, variable))
    is_readable = item.status is CheckupStatus.ERROR or _can_read_bundle(chosen.values())
    yield item if is_readable else _explain_unreadable_bundle(variable or "")


def _check_part(
    name: str, address: str, environ: Mapping[str, str], describe: Callable[[Endpoint], str]
) -> CheckupItem:
    """Check the address with some settings of the environment."""
    try:
        return _CHECKS.pass_check(name, describe(resolve_endpoint(address, environ)))
    except ReconcilerError as error:
        return _CHECKS.judge(name, "", error.diagnostics)


def _describe_proxy(endpoint: Endpoint, environ: Mapping[str, str]) -> str:
    variable = find_proxy_variable(environ)
    if variable is None:
        return "none"
    if endpoint.proxy is None:
        reason = "an address of this machine" if _is_local(endpoint) else "this host, by `NO_PROXY`"
        return f"`{variable}` does not count for {reason}"
    parts = urlsplit(endpoint.proxy)  # may hold a password, which is not shown
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}, from `{variable}`"


def _is_local(endpoint: Endpoint) -> bool:
    return is_loopback(urlsplit(endpoint.base_url).hostname or "")


def _describe_authorities(endpoint: Endpoint, variable: str | None) -> str:
    if _is_local(endpoint):
        return "not needed for an address of this machine"
    if endpoint.ca_bundle is None:
        return f"the usual authorities (certifi {find_version('certifi')})"
    return f"`{endpoint.ca_bundle}`, from `{variable}`"


def _can_read_bundle(bundles: Iterable[str]) -> bool:
    """Return whether a file or folder of authorities can be read; true without one."""
    for bundle in bundles:
        is_folder = Path(bundle).is_dir()
        try:
            ssl.create_default_context(
                cafile=None if is_folder else bundle, capath=bundle if is_folder else None
            )
        except OSError:  # an unreadable file, or text that is no certificate
            return False
    return True


def _explain_unreadable_bundle(variable: str) -> CheckupItem:
    return _CHECKS.fail(
        "certificates",
        f"the file that `{variable}` names has no certificates in PEM form, or cannot be read",
        f"correct `{variable}`, or unset it to trust the usual authorities",
    )


def _check_credentials(environ: Mapping[str, str]) -> CheckupItem:
    try:
        read_credentials(environ)
    except ReconcilerError as error:
        return _CHECKS.judge("credentials", "", error.diagnostics)
    return _CHECKS.pass_check("credentials", "`FIVETRAN_APIKEY` and `FIVETRAN_APISECRET` are set")
