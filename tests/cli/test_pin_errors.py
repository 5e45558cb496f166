"""Wrong pins: one error at the pin, whatever stands there, and no key material in any output."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest
from certificate_chain import make_chain, make_host_key
from cli_harness import CommandResult, Project
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from git_repo import run_git

pytestmark = pytest.mark.sampled(every=3)

SERVER, _, ROOT = make_chain()
FORMATS = ("full", "concise", "json", "github", "junit", "sarif")
HEAD = "version: 1\ngroups:\n  one:\n    destination:\n      service: postgres_warehouse\n"


@pytest.fixture
def pinned(project: Project) -> Project:
    """Create a project whose only spec file is `main.yaml`, with the PEM file `ca.pem`."""
    project.write("specs/reconciler.yaml", "version: 1\nspecs: [main.yaml]\n")
    project.write("specs/ca.pem", ROOT.pem)
    return project


def validate(project: Project, trust: str, *options: str) -> CommandResult:
    """Validate a destination with this `trust:`, without network and credentials."""
    project.write("specs/main.yaml", HEAD + indent(trust, "      ") + "\n")
    return project.run("validate", *options)


def find_error(project: Project, trust: str, code: str = "bad-pin") -> tuple[str, str]:
    """Validate a destination, whose only error has this code. Returns its message, and the text at its place."""
    result = validate(project, trust, "--format", "json")
    assert result.exit == 1, result.stderr
    errors = [each for each in result.document["diagnostics"] if each["severity"] == "error"]
    [error] = errors
    place = error["span"]
    assert (error["code"], place["path"]) == (code, "specs/main.yaml")
    line = (project.folder / "specs/main.yaml").read_text().splitlines()[place["line"] - 1]
    return error["message"], line[place["column"] - 1 :]


# Files


def make_pipe(file: Path) -> None:
    """Make a file that nobody can read to its end, not even root."""
    os.mkfifo(file)


def make_large(file: Path) -> None:
    file.write_text(ROOT.pem + "#" * 64 * 1024)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (make_pipe, "it is no regular file"),
    "a folder": (Path.mkdir, "it is no regular file"),
    "a device": (
        lambda file: file.symlink_to("/dev/zero"),
        "the file is outside the folder of the project file",
    ),
    "a link to itself": (lambda file: file.symlink_to(file.name), "too many levels of symbolic links"),
    "a link out": (
        lambda file: file.symlink_to(__file__),
        "the file is outside the folder of the project file",
    ),
    "a link to nothing": (lambda file: file.symlink_to("gone.pem"), "the file does not exist"),
    "DER": (lambda file: file.write_bytes(b64decode(ROOT.encoded)), "in DER instead of PEM form"),
    "a large file": (make_large, "the file is larger than 64 KiB"),
    "nothing": (lambda file: file.touch(), "the file is empty"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_holds_no_certificate_is_one_error_at_its_path(pinned: Project, case: str) -> None:
    make, problem = FILES[case]
    make(pinned.folder / "specs/file.pem")
    message, text = find_error(pinned, "trust: {certificates: [{pem: file.pem}]}")
    assert message.startswith("`file.pem` cannot be used as a pin: ")
    assert problem in message
    assert text == "file.pem}]}"


def test_a_link_inside_the_project_is_followed(pinned: Project) -> None:
    (pinned.folder / "specs/file.pem").symlink_to("ca.pem")
    assert validate(pinned, "trust: {certificates: [{pem: file.pem}]}").exit == 0


def test_a_file_of_64_kib_is_read(pinned: Project) -> None:
    pinned.write("specs/file.pem", ROOT.pem + "#" * (64 * 1024 - len(ROOT.pem)))
    assert validate(pinned, "trust: {certificates: [{pem: file.pem}]}").exit == 0


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../shared/ca.pem", None),
        ("../linked/ca.pem", None),
        ("../../ca.pem", "the file is outside the repository"),
        ("../outside/ca.pem", "the file is outside the repository"),
        ("../shared/outside.pem", "the file is outside the repository"),
    ],
)
def test_a_path_may_lead_through_the_whole_repository(
    project: Project, path: str, problem: str | None
) -> None:
    (project.folder / "ca.pem").write_text(ROOT.pem)
    root = project.enter("repository")
    run_git(root.folder, "init", "-q")
    root.write("prod/reconciler.yaml", "version: 1\nspecs: [main.yaml]\n")
    root.write("shared/ca.pem", ROOT.pem)
    (root.folder / "linked").symlink_to("shared")
    (root.folder / "outside").symlink_to("..")
    (root.folder / "shared/outside.pem").symlink_to("../../ca.pem")
    root.write("prod/main.yaml", f"{HEAD}      trust: {{certificates: [{{pem: {path}}}]}}\n")
    result = root.enter("prod").run("validate", "--project", "reconciler.yaml", "--format", "json")
    messages = [each["message"] for each in result.document["diagnostics"] if each["severity"] == "error"]
    assert messages == ([] if problem is None else [f"`{path}` cannot be used as a pin: {problem}"])


# Secrets


def make_private_keys() -> dict[str, str]:
    """Make private keys in the usual forms."""
    host, server = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    old, password = rsa.generate_private_key(65537, 1024), BestAvailableEncryption(b"hunter2")
    forms = {
        "OpenSSH": host.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "short": host.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "PKCS #8": server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "encrypted": server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password),
        "RSA": old.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    }
    return {form: text.decode() for form, text in forms.items()}


PRIVATE_KEYS = make_private_keys()


def write_block(key: str) -> str:
    return "|\n" + indent(key, "          ").rstrip()


def write_quoted(key: str) -> str:
    return '"' + key.strip().replace("\n", "\\n") + '"'


def write_bare(key: str) -> str:
    """Write the base64 of a key alone, on one line."""
    return "".join(line for line in key.splitlines() if not line.startswith("-") and ":" not in line)


PLACES = {
    "a certificate": "trust:\n  certificates:\n    - {key}",
    "a host key": "trust:\n  fingerprints:\n    - {key}",
    "a path": "trust:\n  certificates:\n    - pem: {key}",
    "an item of a pin": "trust:\n  certificates:\n    - pem: ca.pem\n      key: {key}",
    "the list of certificates": "trust:\n  certificates: {key}",
    "the list of host keys": "trust:\n  fingerprints: {key}",
    "a list in the list": "trust:\n  certificates:\n    -\n      - {key}",
    "a key in place of the list": "trust:\n  certificates:\n    key: {key}",
    "exclusive": "trust:\n  exclusive: {key}",
    "a misspelled key": "trust:\n  certificate: {key}",
    "an unknown key": "trust:\n  x: {key}",
    "the block": "trust: {key}",
}
SPELLINGS = {"block": write_block, "quoted": write_quoted, "bare": write_bare}


@pytest.mark.sampled(every=7)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", PRIVATE_KEYS)
def test_no_output_shows_a_private_key(pinned: Project, form: str, place: str, spelling: str) -> None:
    key = PRIVATE_KEYS[form]
    trust = PLACES[place].replace("{key}", SPELLINGS[spelling](key))
    for name in FORMATS if spelling == "quoted" and form == "OpenSSH" else ("full", "json"):
        result = validate(pinned, trust, "--format", name)
        assert result.exit == 1
        check_no_material(key, result.stdout + result.stderr)


@pytest.mark.parametrize("key", ["certificates", "certificate", "exclusive", "x"])
@pytest.mark.parametrize("layer", ["profile", "defaults"])
def test_no_output_shows_a_private_key_of_a_shared_block(pinned: Project, layer: str, key: str) -> None:
    private = PRIVATE_KEYS["PKCS #8"]
    block = f"{{trust: {{{key}: {write_quoted(private)}}}}}"
    head = "version: 1\nspecs: [main.yaml]\n"
    defaults, profile = f"defaults: {{destination: {block}}}\n", f"profiles: {{shared: {block}}}\n"
    pinned.write("specs/reconciler.yaml", head + (defaults if layer == "defaults" else ""))
    shared = profile if layer == "profile" else ""
    pinned.write("specs/main.yaml", f"version: 1\n{shared}groups: {{one: {{}}}}\n")
    result = pinned.run("validate")
    assert result.exit == 1
    check_no_material(private, result.stdout + result.stderr)


def check_no_material(key: str, output: str) -> None:
    """Check that no part of a key stands in an output."""
    for line in key.splitlines():
        if not line.startswith("-----"):
            for start in range(0, len(line) - 11, 12):
                assert line[start : start + 12] not in output


@pytest.mark.parametrize("form", PRIVATE_KEYS)
def test_a_file_with_a_private_key_is_refused_without_showing_it(pinned: Project, form: str) -> None:
    key = PRIVATE_KEYS[form]
    for content in (key, ROOT.pem + key, "\n" * 1_000 + key):
        (pinned.folder / "specs/key.pem").write_text(content)
        message, _ = find_error(pinned, "trust: {certificates: [{pem: key.pem}]}")
        assert message == "`key.pem` cannot be used as a pin: the file holds a private key"
        for name in FORMATS:
            result = validate(pinned, "trust: {certificates: [{pem: key.pem}]}", "--format", name)
            check_no_material(key, result.stdout + result.stderr)


@pytest.mark.parametrize("name", FORMATS)
def test_an_error_beside_a_private_key_does_not_show_it(pinned: Project, name: str) -> None:
    """Another error of the line has an excerpt of its own."""
    key = PRIVATE_KEYS["PKCS #8"]
    trust = f"trust: {{certificates: {write_quoted(key)}, exclusive: 'yes', x: 1}}"
    result = validate(pinned, trust, "--format", name)
    assert result.exit == 1
    check_no_material(key, result.stdout + result.stderr)


@pytest.mark.parametrize(
    ("file", "head"),
    [
        ("main", "version: 1\ngroups:\n  one:\n    destination: "),
        ("main", "version: 1\ngroups: {one: {}}\nprofiles:\n  shared: "),
        ("reconciler", "version: 1\nspecs: [main.yaml]\ndefaults:\n  destination: "),
    ],
    ids=["entry", "profile", "defaults"],
)
def test_public_pins_are_shown_beside_an_error(pinned: Project, file: str, head: str) -> None:
    """Only a text that may be secret hides its line."""
    pinned.write("specs/main.yaml", "version: 1\ngroups: {one: {}}\n")
    pins = f"certificates: [{{pem: ca.pem}}, {SERVER.hash}]"
    pinned.write(f"specs/{file}.yaml", f"{head}{{trust: {{{pins}, exclusive: 1}}}}\n")
    result = pinned.run("validate")
    assert "error[wrong-shape]: `exclusive`" in result.stderr
    assert pins in result.stderr


def test_a_group_called_trust_is_no_trust(pinned: Project) -> None:
    """The names of groups are shown, however long they are."""
    name = "a long name that is neither a pin nor a path nor a short word"
    pinned.write("specs/main.yaml", f"version: 1\ngroups:\n  trust: {{name: {name}, x: 1}}\n")
    assert name in pinned.run("validate").stderr


# Places


def test_variables_have_no_place_in_pins(pinned: Project) -> None:
    pinned.write("specs/reconciler.yaml", "version: 1\nspecs: [main.yaml]\nvars: {STAGE: ca}\n")
    message, text = find_error(pinned, "trust: {certificates: [{pem: '${STAGE}.pem'}]}", "misplaced-variable")
    assert message == "no variable can stand here"
    assert text.startswith("${STAGE}")


@pytest.mark.parametrize(
    ("service", "pin", "code"),
    [
        ("snowflake", "certificates: [{pem: gone.pem}]", "bad-pin"),
        ("big_query", "certificates: [{pem: ca.pem}]", "bad-trust"),
        ("snowflake", f"fingerprints: [{make_host_key()}]", "bad-trust"),
        ("snowflake", "exclusive: true", "bad-trust"),
        ("snowflake", "certificates: maybe", "wrong-shape"),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("place", ["profile", "defaults"])
def test_an_error_of_a_shared_block_is_reported_once(
    pinned: Project, service: str, pin: str, code: str, place: str
) -> None:
    block = f"{{service: {service}, trust: {{{pin}}}}}"
    shared = f"profiles:\n  shared: {block}\n"
    defaults = f"defaults: {{destination: {block}}}\n"
    profile = "profile: shared" if place == "profile" else 'time_zone_offset: "0"'
    entries = "".join(f"  entry_{number}: {{destination: {{{profile}}}}}\n" for number in range(50))
    pinned.write(
        "specs/reconciler.yaml",
        "version: 1\nspecs: [main.yaml]\n" + (defaults if place == "defaults" else ""),
    )
    pinned.write(
        "specs/main.yaml", "version: 1\n" + (shared if place == "profile" else "") + f"groups:\n{entries}"
    )
    result = pinned.run("validate", "--format", "concise")
    assert result.exit == 1
    assert re.findall(r"error\[([a-z-]+)\]", result.stdout + result.stderr) == [code]


def test_a_pin_of_a_profile_counts_for_each_service_without_such_a_server(pinned: Project) -> None:
    pinned.write(
        "specs/main.yaml",
        "version: 1\nprofiles:\n  shared: {trust: {certificates: [{pem: ca.pem}]}}\ngroups:\n"
        "  one: {destination: {profile: shared, service: big_query}}\n"
        "  two: {destination: {profile: shared, service: adls}}\n"
        "  three: {destination: {profile: shared, service: snowflake}}\n"
        "  four: {destination: {profile: shared, service: big_query, trust: {certificates: {unset: true}}}}\n",
    )
    found = re.findall(r"error\[bad-trust\]: (\S+)", pinned.run("validate").stderr)
    assert sorted(found) == ["Azure", "Google"]
