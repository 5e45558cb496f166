"""Test the `trust:` block: where pins come from, how they may be spelled, and what the JSON Schema says about them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from certificate_chain import make_chain, make_host_key
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples
from jsonschema import Draft202012Validator

from reconciler.kinds.destination_trust import TrustBlock, build_trust
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.resource import Trust
from reconciler.model.source import Span
from reconciler.model.trust import ServerKind
from reconciler.operations.schema import build_schema
from reconciler.spec.load import load
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, to_plain
from reconciler.spec.source import parse
from reconciler.workspace.specs import Specs, compile_specs

SERVER, _, ROOT = make_chain()
KEY, OTHER_KEY = make_host_key(), make_host_key("other")
KEY_HASH = f"SHA256:{b64encode(sha256(b64decode(KEY.split()[1])).digest()).decode().rstrip('=')}"
PROJECT = "version: 1\nspecs: [main.yaml]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a folder with a project and two PEM files."""
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/ca.pem").write_text(ROOT.pem)
    (tmp_path / "certs/server.pem").write_text(SERVER.pem)
    return tmp_path


def compile_project(folder: Path) -> Specs:
    return compile_specs(load(folder / "reconciler.yaml", folder), strict=False)


def read_trust(folder: Path, text: str, more: str = "") -> Trust:
    """Read the trust of the only destination, whose `trust:` is this text, with more lines at the top of the file."""
    (folder / "main.yaml").write_text(
        f"version: 1\n{more}groups:\n  one:\n    destination:\n      service: postgres_warehouse\n      {text}\n"
    )
    [destination] = compile_project(folder).destinations
    return destination.trust


def list_hashes(trust: Trust) -> list[str]:
    return [pin.identity.hash for pin in trust.list_pins(ServerKind.CERTIFICATE)]


def list_codes(folder: Path, text: str) -> list[str]:
    """List the codes of the errors of a destination with this `trust:`."""
    try:
        read_trust(folder, text)
    except ReconcilerError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


# Layers


def write_layers(folder: Path, *, defaults: str, profile: str, entry: str, override: str) -> Trust:
    """Write a project with a `trust:` in each layer, and return the trust of its destination."""
    layers = {
        "reconciler.yaml": "version: 1\nspecs: [main.yaml]\noverrides: [prod.yaml]\n"
        f"defaults:\n  destination: {defaults}\n",
        "main.yaml": "version: 1\nprofiles:\n"
        f"  pinned: {profile}\n"
        "groups:\n  one:\n    destination:\n      profile: pinned\n      service: postgres_warehouse\n"
        f"      trust: {entry}\n",
        "prod.yaml": f"version: 1\ngroups:\n  one: {{destination: {override}}}\n",
    }
    for name, text in layers.items():
        (folder / name).write_text(text)
    [destination] = compile_project(folder).destinations
    return destination.trust


HASHES = [b64encode(bytes([number]) * 32).decode() for number in range(4)]
LISTS = [f"{{trust: {{certificates: [{each}]}}}}" for each in HASHES]


@pytest.mark.parametrize(("layers", "winner"), [(1, 0), (2, 1), (3, 2), (4, 3)])
def test_the_list_of_a_later_layer_replaces_the_lists_before(folder: Path, layers: int, winner: int) -> None:
    given = [LISTS[number] if number < layers else "{}" for number in range(4)]
    trust = write_layers(
        folder,
        defaults=given[0],
        profile=given[1],
        entry="{fingerprints: any}" if layers < 3 else f"{{fingerprints: any, certificates: [{HASHES[2]}]}}",
        override=given[3] if layers == 4 else "{region: AWS_US_EAST_1}",
    )
    assert list_hashes(trust) == [HASHES[winner]]
    assert trust.fingerprints, "the other key of the block stays"


@pytest.mark.parametrize("word", ["none", "any", "{unset: true}"])
def test_a_word_or_an_unset_drops_inherited_pins(folder: Path, word: str) -> None:
    trust = write_layers(
        folder,
        defaults=LISTS[0],
        profile="{}",
        entry=f"{{certificates: {word}}}",
        override="{region: AWS_US_EAST_1}",
    )
    assert trust == Trust(certificates=word == "any")


def test_pins_take_the_place_of_an_inherited_word(folder: Path) -> None:
    trust = write_layers(
        folder,
        defaults="{trust: {certificates: any}}",
        profile="{trust: {exclusive: true}}",
        entry=f"{{certificates: [{HASHES[1]}]}}",
        override="{region: AWS_US_EAST_1}",
    )
    assert (list_hashes(trust), trust.certificates, trust.exclusive) == ([HASHES[1]], False, True)


def test_a_list_may_stand_behind_an_alias(folder: Path) -> None:
    (folder / "main.yaml").write_text(
        "version: 1\ngroups:\n"
        "  one:\n    destination:\n      service: snowflake\n"
        "      trust: &trust\n        certificates: &pins\n          - pem: certs/ca.pem\n          - &hash "
        f"{SERVER.hash}\n"
        "  two: {destination: {service: snowflake, trust: *trust}}\n"
        "  three: {destination: {service: snowflake, trust: {certificates: *pins}}}\n"
        "  four: {destination: {service: snowflake, trust: {certificates: [*hash]}}}\n"
    )
    found = {each.address.key: list_hashes(each.trust) for each in compile_project(folder).destinations}
    both = [ROOT.hash, SERVER.hash]
    assert found == {"one": both, "two": both, "three": both, "four": [SERVER.hash]}


def test_the_files_of_an_unused_profile_are_checked(folder: Path) -> None:
    profiles = "profiles:\n  right: {trust: {certificates: [{pem: certs/ca.pem}]}}\n"
    assert read_trust(folder, "trust: {}", profiles) == Trust()
    with pytest.raises(ReconcilerError, match=r"`gone\.pem` cannot be used as a pin"):
        read_trust(folder, "trust: {}", profiles.replace("certs/ca.pem", "gone.pem"))


# Spelling

FORMS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda raw: b64encode(raw).decode(),
    "base64 without padding": lambda raw: b64encode(raw).decode().rstrip("="),
    "digits": lambda raw: raw.hex(),
    "capital digits": lambda raw: raw.hex().upper(),
    "colons": lambda raw: raw.hex(":"),
    "capital digits with colons": lambda raw: raw.hex(":").upper(),
    "a prefix": lambda raw: f"SHA256:{b64encode(raw).decode().rstrip('=')}",
    "openssl": lambda raw: f"sha256 Fingerprint={raw.hex(':').upper()}",
}
QUOTES = ["- {}", "- '{}'", '- "{}"', "- >-\n  {}", "- |\n  {}", "[{}]", "['{}']"]
DIGITS_ONLY = bytes.fromhex("0123456789" * 6 + "1234")
NUMBER = bytes.fromhex("1e10" + "0" * 60)
SIXTIES = bytes.fromhex("12345958" * 8)


@fixed_examples(200)
@example(DIGITS_ONLY, "digits", "- {}")
@example(NUMBER, "digits", "- {}")
@example(NUMBER, "digits", "[{}]")
@example(SIXTIES, "colons", "- {}")
@example(SIXTIES, "colons", "[{}]")
@example(bytes(32), "digits", "- {}")
@given(st.binary(min_size=32, max_size=32), st.sampled_from(list(FORMS)), st.sampled_from(QUOTES))
def test_a_hash_is_read_as_it_is_spelled(raw: bytes, form: str, quote: str) -> None:
    """YAML reads some of these texts as numbers, and its older version those with colons too."""
    text = "pins:\n" if quote.startswith("-") else "pins: "
    root = parse(text + quote.format(FORMS[form](raw)) + "\n", "spec.yaml")
    pins = root.get("pins")
    assert pins is not None
    assert read_pins(pins) == [b64encode(raw).decode()]


def read_pins(pins: Node) -> list[str]:
    """Read the hashes of a list of certificates."""
    place = Span("spec.yaml", 1, 1, 1, 1)

    def wrap(key: str, node: Node) -> MappingNode:
        return MappingNode({key: KeyValue(Scalar(key, place), node)}, place)

    trust, problems = build_trust(wrap("trust", wrap("certificates", pins)), TrustBlock(), {})
    assert problems == []
    return list_hashes(trust)


LINES = [
    KEY,
    f"{KEY} root@bastion",
    f"{KEY}  # of the bastion",
    f"bastion.acme.example {KEY}",
    f"bastion.acme.example,10.0.0.7 {KEY} since 2019",
    f"'[bastion.acme.example]:2222 {KEY}'",
    f"|\n            # bastion.acme.example:22 SSH-2.0-OpenSSH_9.6\n            bastion.acme.example {KEY}",
    f">-\n            bastion.acme.example\n            {KEY}",
]


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_of_ssh_keyscan_needs_no_quotes(folder: Path, line: str) -> None:
    trust = read_trust(folder, f"trust:\n        fingerprints:\n          - {line}\n          - {OTHER_KEY}")
    keys = [pin.identity.public_key for pin in trust.list_pins(ServerKind.FINGERPRINT)]
    assert keys == [KEY, OTHER_KEY]


def test_a_pin_knows_its_place_and_its_spelling(folder: Path) -> None:
    text = f"trust: {{certificates: [{{pem: certs/ca.pem}}, {SERVER.hash}], fingerprints: [{KEY} x]}}"
    trust = read_trust(folder, text)
    line = f"      {text}"
    for pin in trust.pins:
        assert pin.span is not None
        assert (pin.span.path, pin.span.line) == ("main.yaml", 6)
        assert line[pin.span.column - 1 : pin.span.end_column - 1] == pin.source
    assert [pin.source for pin in trust.pins] == ["certs/ca.pem", SERVER.hash, f"{KEY} x"]
    assert [pin.can_be_approved for pin in trust.pins] == [True, False, False]


# Two pins of one server


TWINS = [
    f"certificates: [{ROOT.hash}, {ROOT.hash}]",
    f"certificates: [{ROOT.hash}, '{ROOT.hash.rstrip('=')}']",
    f"certificates: [{{pem: certs/ca.pem}}, {ROOT.hash}]",
    f"certificates: [{ROOT.hash}, {{pem: certs/ca.pem}}]",
    "certificates: [{pem: certs/ca.pem}, {pem: ./certs/../certs/ca.pem}]",
    f"fingerprints: [{KEY}, {KEY} with a comment]",
    f"fingerprints: [bastion {KEY}, {KEY}]",
    f"fingerprints: [{KEY}, '{KEY_HASH}']",
    f"fingerprints: ['{KEY_HASH}', {KEY}]",
    f"fingerprints: [{ROOT.hash}, '{ROOT.hash.rstrip('=')}']",
]


@pytest.mark.parametrize("pins", TWINS, ids=range(len(TWINS)))  # keys differ from run to run
def test_a_server_is_pinned_once(folder: Path, pins: str) -> None:
    assert list_codes(folder, f"trust: {{{pins}}}") == ["bad-pin"]


def test_pins_of_several_servers_are_no_twins(folder: Path) -> None:
    pins = f"certificates: [{{pem: certs/ca.pem}}, {SERVER.hash}], fingerprints: [{KEY}, {OTHER_KEY}, {ROOT.hash}]"
    assert len(read_trust(folder, f"trust: {{{pins}}}").pins) == 5


# JSON Schema

SPEC = Draft202012Validator(build_schema("spec"))


def matches_schema(text: str) -> bool:
    spec = f"version: 1\ngroups:\n  one:\n    destination:\n      {text}\n"
    return SPEC.is_valid(to_plain(parse(spec, "spec.yaml")))


GOOD = [
    "trust: {}",
    "trust: {certificates: none, fingerprints: any, exclusive: false}",
    "trust: {certificates: [{pem: certs/ca.pem}], exclusive: true}",
    f"trust: {{certificates: [{SERVER.hash}, {{pem: certs/ca.pem}}]}}",
    f"trust: {{fingerprints: [{KEY}, 'SHA256:{SERVER.hash.rstrip('=')}']}}",
    f"trust: {{certificates: none, fingerprints: ['bastion {KEY}'], exclusive: true}}",
]
MALFORMED = [
    "trust: none",
    "trust: []",
    "trust: {certificates: maybe}",
    "trust: {certificates: true}",
    "trust: {certificates: {}}",
    "trust: {certificates: {pem: certs/ca.pem}}",
    "trust: {certificates: []}",
    "trust: {certificates: [{}]}",
    "trust: {certificates: [5]}",
    "trust: {certificates: [null]}",
    "trust: {certificates: [true]}",
    'trust: {certificates: [""]}',
    "trust: {certificates: [[certs/ca.pem]]}",
    "trust: {certificates: [{pem: certs/ca.pem, name: x}]}",
    "trust: {certificates: [{pem: [certs/ca.pem]}]}",
    "trust: {certificates: [{pem: 5}]}",
    'trust: {certificates: [{pem: ""}]}',
    "trust: {certificates: [{file: certs/ca.pem}]}",
    "trust: {fingerprints: []}",
    "trust: {fingerprints: [{pem: certs/ca.pem}]}",
    f"trust: {{fingerprints: {KEY}}}",
    'trust: {exclusive: "yes"}',
    "trust: {exclusive: 1}",
    "trust: {pins: []}",
]


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_parser_and_schema_accept_the_same_blocks(folder: Path, text: str) -> None:
    assert list_codes(folder, text) == []
    assert matches_schema(text)


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_parser_and_schema_refuse_the_same_blocks(folder: Path, text: str) -> None:
    assert len(list_codes(folder, text)) == 1
    assert not matches_schema(text)


@pytest.mark.parametrize("key", ["certificates", "fingerprints", "exclusive"])
def test_the_schema_lets_an_entry_drop_each_key(key: str) -> None:
    assert matches_schema(f"trust: {{{key}: {{unset: true}}}}")


def test_the_schema_describes_each_key_for_editors() -> None:
    trust = build_schema("spec")["$defs"]["destination"]["properties"]["trust"]
    described = {key: leaf["description"] for key, leaf in trust["properties"].items() if key != "unset"}
    assert set(described) == {"certificates", "fingerprints", "exclusive"}
    assert all(text.endswith(".") and len(text) < 200 for text in described.values())
    assert "PEM" in described["certificates"]
    assert "ssh-keyscan" in described["fingerprints"]


# Many entries


def test_a_file_of_a_profile_is_read_and_parsed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, parsed = [], []
    open_path, load_certificate = Path.open, x509.load_der_x509_certificate

    def open_and_count(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path.name)
        return open_path(path, *arguments, **options)

    def load_and_count(der: bytes, *arguments: Any) -> Any:
        parsed.append(der)
        return load_certificate(der, *arguments)

    monkeypatch.setattr(Path, "open", open_and_count)
    monkeypatch.setattr(x509, "load_der_x509_certificate", load_and_count)
    entries = "".join(f"  entry_{number}: {{destination: {{profile: pinned}}}}\n" for number in range(2_000))
    (folder / "main.yaml").write_text(
        "version: 1\nprofiles:\n  pinned: {service: snowflake, trust: {certificates: [{pem: certs/ca.pem}]}}\n"
        f"groups:\n{entries}"
    )
    destinations = compile_project(folder).destinations
    assert len(destinations) == 2_000
    assert {pin.identity.hash for each in destinations for pin in each.trust.pins} == {ROOT.hash}
    assert (opened.count("ca.pem"), len(parsed)) == (1, 1)
