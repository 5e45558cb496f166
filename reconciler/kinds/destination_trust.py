"""Parse the `trust:` block of a destination: `none`, `any`, or a list of pins for certificates and SSH host keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

from reconciler.catalogue.model import Service
from reconciler.kinds.certificates import read_pem
from reconciler.kinds.pins import PinError, parse_certificate_hash, parse_host_key_pin
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Trust
from reconciler.model.source import Span
from reconciler.model.trust import Pin, ServerIdentity, ServerKind
from reconciler.spec.certificate_files import PEM, CertificateFile, find_pem_path
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence, find_key_span

TRUST = "trust"
_ANY, _NONE = "any", "none"
_TUNNEL_FIELD = "tunnel_host"

CertificateFiles: TypeAlias = Mapping[str, CertificateFile]
"""The PEM files of the specs, by the paths that the specs write."""


def _describe_setting(pin: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(
        {"anyOf": [{"enum": [_NONE, _ANY]}, {"type": "array", "items": pin, "minItems": 1}]}
    )


_TEXT = {"type": "string", "minLength": 1}
_PEM_FILE = {
    "type": "object",
    "description": "A file in PEM form with one certificate. Its path starts in the folder of the project file.",
    "properties": {PEM: _TEXT},
    "required": [PEM],
    "additionalProperties": False,
}
_Setting: TypeAlias = Literal["none", "any"]


class TrustBlock(BaseModel):
    """The `trust:` block without its lists of pins, which have an error of their own for each pin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificates: Annotated[_Setting, _describe_setting({"anyOf": [_TEXT, _PEM_FILE]})] = Field(
        "none",
        description="Which TLS certificates Fivetran trusts: none without approval, any, or the pinned ones. A pin is"
        " a hash (SHA-256) or a PEM file.",
    )
    fingerprints: Annotated[_Setting, _describe_setting(_TEXT)] = Field(
        "none",
        description="Which SSH host keys Fivetran trusts: none without approval, any, or the pinned ones. A pin is a"
        " host key as `ssh-keyscan` prints it, or its hash.",
    )
    exclusive: StrictBool = Field(
        False, description="Whether approvals of servers that are not pinned are revoked."
    )


def drop_pins(trust: Node) -> Node:
    """Drop the lists of pins from a `trust:` block, for the check of its other keys."""
    if not isinstance(trust, MappingNode):
        return trust
    entries = {
        key: entry
        for key, entry in trust.entries.items()
        if not (key in _KINDS and isinstance(entry.node, Sequence))
    }
    return MappingNode(entries, trust.span)


_KINDS = {kind.plural: kind for kind in ServerKind}


@dataclass(slots=True)
class _PinParser:
    """Parser of the pins of one block."""

    files: CertificateFiles
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def parse(self, kind: ServerKind, node: Sequence) -> Iterator[Pin]:
        """Parse a list of pins. Errors go to `diagnostics`."""
        seen: set[tuple[str, str]] = set()
        for item in node.items:
            try:
                pin = self._parse_pin(kind, item)
            except PinError as error:
                self.diagnostics.append(_explain(error, item.span))
                continue
            key = (pin.identity.hash, pin.identity.public_key)
            if key in seen:
                problem = PinError(f"this {kind.noun} is pinned twice", "keep one of the pins")
                self.diagnostics.append(_explain(problem, item.span))
            else:
                yield pin
            seen.add(key)

    def _parse_pin(self, kind: ServerKind, node: Node) -> Pin:
        path = find_pem_path(node)
        if path is not None and kind is ServerKind.CERTIFICATE:
            return Pin(self._read_file(str(path.value)), str(path.value), path.span)
        if not isinstance(node, Scalar):
            raise PinError(f"a pin of a {kind.noun} cannot have this form", _ADVICE[kind])
        text = node.as_written
        parse = parse_certificate_hash if kind is ServerKind.CERTIFICATE else parse_host_key_pin
        return Pin(parse(text), text, node.span)

    def _read_file(self, path: str) -> ServerIdentity:
        file = self.files.get(path, CertificateFile(problem="the file was not read"))
        if file.problem:
            raise PinError(f"`{path}` cannot be used as a pin: {file.problem}", file.advice)
        try:
            return read_pem(file.content)
        except PinError as error:
            raise PinError(f"`{path}` cannot be used as a pin: {error.message}", error.advice) from None


_ADVICE = {
    ServerKind.CERTIFICATE: "write the hash of the certificate, or `{pem: PATH}`",
    ServerKind.FINGERPRINT: "write the host key as `ssh-keyscan` prints it, or its hash",
}


def _explain(error: PinError, span: Span) -> Diagnostic:
    # The text of a pin that is none may be a private key.
    return Diagnostic("bad-pin", error.message, span, help=error.advice, secret=True)


def build_trust(
    block: MappingNode, options: TrustBlock, files: CertificateFiles
) -> tuple[Trust, list[Diagnostic]]:
    """Build the trust of a destination block, with the errors of its pins. `options` are its keys without pins."""
    trust = block.get(TRUST)
    parser = _PinParser(files)
    lists = {
        kind: entry.node
        for key, kind in _KINDS.items()
        if isinstance(trust, MappingNode)
        and (entry := trust.entries.get(key)) is not None
        and isinstance(entry.node, Sequence)
    }
    pins = [pin for kind, node in lists.items() for pin in parser.parse(kind, node)]
    built = Trust(
        certificates=options.certificates == _ANY and ServerKind.CERTIFICATE not in lists,
        fingerprints=options.fingerprints == _ANY and ServerKind.FINGERPRINT not in lists,
        pins=tuple(pins),
        exclusive=options.exclusive,
    )
    return built, parser.diagnostics


def check_trust(
    address: Address,
    trust: Trust,
    block: MappingNode,
    service: Service | None,
    *,
    runs_tests: bool,
    has_bad_pins: bool,
) -> Iterator[Diagnostic]:
    """Check the trust of a whole destination: its pins fit the service, and `exclusive` leaves something to trust.
    `service` is None if the catalogue lacks it. With `has_bad_pins` a list may only look empty."""
    if service is not None and not service.free_form:
        yield from (
            Diagnostic(
                "bad-trust",
                f"{service.title} has no {_describe_server(pin)} that Fivetran could ask to approve",
                pin.span,
                address=address,
                help=f"remove the pin; only a destination with {_NEEDS[pin.identity.kind]} needs it",
            )
            for pin in trust.pins
            if not _fits(pin, service)
        )
    if trust.exclusive and not has_bad_pins:
        problem = _find_exclusive_problem(trust, runs_tests=runs_tests)
        if problem is not None:
            message, advice = problem
            span = find_key_span(block, (TRUST, "exclusive"))
            yield Diagnostic("bad-trust", message, span, address=address, help=advice)


_NEEDS = {
    ServerKind.CERTIFICATE: "a database server of your own",
    ServerKind.FINGERPRINT: "an SSH tunnel",
}


def _describe_server(pin: Pin) -> str:
    return "TLS certificate" if pin.identity.kind is ServerKind.CERTIFICATE else "SSH tunnel with a host key"


def _fits(pin: Pin, service: Service) -> bool:
    if pin.identity.kind is ServerKind.CERTIFICATE:
        return service.shows_certificate
    return _TUNNEL_FIELD in service.fields


def _find_exclusive_problem(trust: Trust, *, runs_tests: bool) -> tuple[str, str] | None:
    """Find the reason why `exclusive` would revoke what it must not, with an advice."""
    blanket = [kind.plural for kind in ServerKind if trust.trusts_any(kind)]
    if blanket:
        return (
            f"`exclusive` revokes approvals, and `{blanket[0]}: any` gives them",
            f"pin the {blanket[0]} to keep, or remove `exclusive`",
        )
    if not trust.pins:
        return (
            "`exclusive` without a pin would revoke every approval",
            "pin the servers to keep: `reconciler trust list` shows what is approved",
        )
    if not runs_tests:
        return (
            "`exclusive` revokes only after passed setup tests, and `setup_tests.run` is false",
            "set `setup_tests: {run: true}`, or remove `exclusive`",
        )
    return None
