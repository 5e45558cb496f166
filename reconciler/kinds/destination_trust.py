"""Parse the `trust:` block of a destination: `none`, `any`, or a list of pins for certificates and SSH host keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

from reconciler.catalogue.model import Service
from reconciler.kinds.certificates import read_pem
from reconciler.kinds.pins import (
    PRIVATE_KEY_ADVICE,
    PinError,
    decode_base64,
    holds_private_key,
    matches_key,
    parse_certificate_hash,
    parse_host_key_pin,
)
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Trust
from reconciler.model.trust import Pin, ServerIdentity, ServerKind
from reconciler.spec.certificate_files import PEM, CertificateFile, find_pem_path
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, Sequence, find_key_span

TRUST = "trust"
_ANY, _NONE = "any", "none"
_TUNNEL_FIELD = "tunnel_host"

_MAX_PATH_LENGTH = 500
_MAX_BASE64_LENGTH = 100  # of a path, which may lack all characters that base64 lacks
_MAX_WORD_LENGTH = 32  # of a text that is too short for a key

Certificates: TypeAlias = Mapping[str, ServerIdentity | PinError]
"""The certificates of the PEM files, by the paths that the specs write; the problem of a file without one."""


def parse_certificate_files(files: Mapping[str, CertificateFile]) -> Certificates:
    """Parse the PEM files of the specs, each once: thousands of entries may share one by a profile."""
    return {path: _parse_file(file) for path, file in files.items()}


def _parse_file(file: CertificateFile) -> ServerIdentity | PinError:
    if file.problem:
        return PinError(file.problem, file.advice)
    try:
        return read_pem(file.content)
    except PinError as error:
        return error


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
_SETTINGS = (_NONE, _ANY)


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
    """Drop the lists of pins from a `trust:` block, and what stands in place of them, for the check of its other
    keys."""
    if not isinstance(trust, MappingNode):
        return trust
    entries = {
        key: entry for key, entry in trust.entries.items() if key not in _KINDS or _is_setting(entry.node)
    }
    return MappingNode(entries, trust.span)


def _is_setting(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value in _SETTINGS


_KINDS = {kind.plural: kind for kind in ServerKind}


def is_public_trust(key: str, text: str) -> bool:
    """Check whether a text below `trust` may be shown: a word, a pin or a path. Any other text may be a private key in
    the wrong place."""
    return _resembles_path(text) if key == PEM else _resembles_word_or_pin(text)


def _resembles_word_or_pin(text: str) -> bool:
    return len(text) <= _MAX_WORD_LENGTH or any(_is_pin(kind, text) for kind in ServerKind)


def _resembles_path(text: str) -> bool:
    is_long_base64 = len(text) > _MAX_BASE64_LENGTH and decode_base64(text) != b""
    return (
        0 < len(text.strip()) <= _MAX_PATH_LENGTH
        and text.isprintable()
        and not (is_long_base64 or holds_private_key(text))
    )


def _is_pin(kind: ServerKind, text: str) -> bool:
    try:
        _PARSERS[kind](text)
    except PinError:
        return False
    return True


_PARSERS = {
    ServerKind.CERTIFICATE: parse_certificate_hash,
    ServerKind.FINGERPRINT: parse_host_key_pin,
}


@dataclass(slots=True)
class _PinParser:
    """Parser of the pins of one block."""

    certificates: Certificates
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def parse(self, kind: ServerKind, entry: KeyValue) -> Iterator[Pin]:
        """Parse a list of pins. Errors go to `diagnostics`."""
        node = entry.node
        if not isinstance(node, Sequence) or not node.items:
            self.diagnostics.append(_explain_shape(kind, entry))
            return
        found: list[Pin] = []
        for item in node.items:
            try:
                pin = self._parse_pin(kind, item)
                _refuse_twin(pin, found)
            except PinError as error:
                self.diagnostics.append(_explain(error, item))
            else:
                found.append(pin)
                yield pin

    def _parse_pin(self, kind: ServerKind, node: Node) -> Pin:
        path = find_pem_path(node)
        if path is not None and kind is ServerKind.CERTIFICATE:
            return Pin(self._find_certificate(str(path.value)), str(path.value), path.span)
        if isinstance(node, MappingNode) and kind is ServerKind.CERTIFICATE:
            raise PinError("a pin with keys has only `pem`, with the path of a file", _ADVICE[kind])
        if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
            raise PinError(f"this is no pin of {kind.phrase}", _ADVICE[kind])
        text = node.as_written
        if text in _SETTINGS:
            raise PinError(f"`{text}` is no pin", f"write it without a list: `{kind.plural}: {text}`")
        return Pin(_PARSERS[kind](text), text, node.span)

    def _find_certificate(self, path: str) -> ServerIdentity:
        if not _resembles_path(path):
            raise _explain_path(path)
        certificate = self.certificates[path]
        if isinstance(certificate, PinError):
            message = f"`{path}` cannot be used as a pin: {certificate.message}"
            raise PinError(message, certificate.advice)
        return certificate


_ADVICE = {
    ServerKind.CERTIFICATE: "write the SHA-256 of the certificate, or name its file by `{pem: PATH}`",
    ServerKind.FINGERPRINT: "write the host key as `ssh-keyscan` prints it, or its hash",
}
_EXAMPLES = {
    ServerKind.CERTIFICATE: "`certificates: [{pem: certs/ca.pem}]`",
    ServerKind.FINGERPRINT: '`fingerprints: ["ssh-ed25519 AAAA…"]`',
}


def _explain_path(path: str) -> PinError:
    """Explain a text that is no path. It is not repeated: it may be the content of the file."""
    if holds_private_key(path):
        return PinError("the text is a private key", PRIVATE_KEY_ADVICE)
    advice = "keep the certificate in a file of the repository, and write its path: `{pem: certs/ca.pem}`"
    return PinError("`pem` is the path of a file, and this is none", advice)


def _refuse_twin(pin: Pin, others: Iterable[Pin]) -> None:
    """Refuse a pin of a server that another pin is about, in whatever notation. Raises PinError."""
    for other in others:
        first, second = other.identity, pin.identity
        is_same = (first.hash, first.public_key) == (second.hash, second.public_key)
        if is_same or matches_key(first, second):
            raise PinError(f"this {pin.identity.kind.noun} is pinned twice", "keep one of the pins")


def _explain(error: PinError, node: Node) -> Diagnostic:
    """Explain a wrong pin, at its text or its path."""
    place = find_pem_path(node) or node
    return Diagnostic("bad-pin", error.message, place.span, help=error.advice, secret=not _may_be_shown(node))


def _explain_shape(kind: ServerKind, entry: KeyValue) -> Diagnostic:
    """Explain a value in place of a list of pins."""
    node, example = entry.node, _EXAMPLES[kind]
    is_empty = isinstance(node, Scalar) and not node.as_written
    advice = "put the pin into a list, as in" if _resembles_pin(kind, node) else "write for example"
    return Diagnostic(
        "wrong-shape",
        f"`{kind.plural}` must be `none`, `any`, or a list of pins"
        + (", and this list is empty" if isinstance(node, Sequence) else ""),
        entry.key.span if is_empty else node.span,  # an empty value has no position
        help=f"{advice} {example}" + (", or remove the key" if is_empty else ""),
        secret=not _may_be_shown(node),
    )


def _resembles_pin(kind: ServerKind, node: Node) -> bool:
    if isinstance(node, Scalar):
        return _is_pin(kind, node.as_written)
    return kind is ServerKind.CERTIFICATE and find_pem_path(node) is not None


def _may_be_shown(node: Node) -> bool:
    match node:
        case Scalar():
            return _resembles_word_or_pin(node.as_written)
        case Sequence(items=items):
            return not items
    path = find_pem_path(node)
    return path is not None and _resembles_path(path.as_written)


def build_trust(
    block: MappingNode, options: TrustBlock, certificates: Certificates
) -> tuple[Trust, list[Diagnostic]]:
    """Build the trust of a destination block, with the errors of its pins. `options` are its keys without pins."""
    trust = block.get(TRUST)
    parser = _PinParser(certificates)
    lists = {
        kind: entry
        for key, kind in _KINDS.items()
        if isinstance(trust, MappingNode)
        and (entry := trust.entries.get(key)) is not None
        and not _is_setting(entry.node)
    }
    pins = [pin for kind, entry in lists.items() for pin in parser.parse(kind, entry)]
    built = Trust(
        certificates=options.certificates == _ANY,
        fingerprints=options.fingerprints == _ANY,
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
                help=f"remove the pin; an inherited one is dropped by `{pin.identity.kind.plural}: {{unset: true}}`",
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
