"""Test the search for secrets: in every encoding, in every artefact, and that the leaking test fails."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from cli_harness import ROOT, EmulatedFivetran, Project
from secret_leak_detector import (
    LeakDetector,
    allow_values,
    detect_leaks,
    find_leaks,
    is_secret,
    list_encodings,
    track_product_run,
)

CANARY = 'päss "wörd"/&<0>\t+~ÿÿÿÿ'
"""A value that every encoding changes."""
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG\n\nshort\n-----END PRIVATE KEY-----\n"
UTF8 = CANARY.encode()


@pytest.mark.parametrize(
    ("form", "encoded"),
    [
        ("raw", CANARY),
        ("JSON", json.dumps({"a": CANARY})),
        ("JSON with all letters", json.dumps([CANARY], ensure_ascii=False)),
        ("repr", repr(CANARY)),
        ("HTML", html.escape(CANARY)),
        ("URL", f"https://x.example/?a={quote(CANARY, safe='')}"),
        ("URL path", f"https://x.example/{quote(CANARY)}"),
        ("URL form", f"a=1&b={quote_plus(CANARY)}"),
        ("hex", UTF8.hex()),
        ("HEX", UTF8.hex().upper()),
        ("base64 after 0", base64.b64encode(UTF8 + b"|").decode()),
        ("base64 after 1", base64.b64encode(b"|" + UTF8 + b"||").decode()),
        ("base64 after 2", base64.b64encode(b"||" + UTF8).decode()),
        ("base64url after 1", base64.urlsafe_b64encode(b"user" + UTF8).decode()),
        ("URL twice", quote(quote(CANARY, safe=""), safe="")),
        ("URL in lower case", re.sub("%..", lambda match: match[0].lower(), quote(CANARY, safe=""))),
        ("URL of every byte", "".join(f"%{byte:02X}" for byte in UTF8)),
        ("JSON with slashes", json.dumps(CANARY).replace("/", "\\/")),
        ("JSON of every character", "".join(f"\\u{ord(character):04x}" for character in CANARY)),
        ("JSON twice", json.dumps(json.dumps(CANARY)[1:-1])),
        ("XML", "".join(f"&#{ord(character)};" for character in CANARY)),
        ("XML in hex", "".join(f"&#x{ord(character):x};" for character in CANARY)),
    ],
)
def test_a_secret_is_found_in_every_encoding(form: str, encoded: str) -> None:
    leaks = find_leaks(f"before {encoded} after".encode(), {"PASSWORD": CANARY})
    assert f"PASSWORD, {form}" in leaks


def test_all_encodings_differ_and_are_long() -> None:
    forms = list_encodings(CANARY)
    assert len({needle for _, needle in forms}) == len(forms) >= 14
    assert min(len(needle) for _, needle in forms) >= 20


def test_a_line_of_a_key_is_found_but_not_its_header() -> None:
    assert find_leaks(b"|MIIEvgIBADANBgkqhkiG|", {"KEY": PEM}) == ["KEY, raw"]
    assert find_leaks(b"-----BEGIN PRIVATE KEY-----\nshort\n", {"KEY": PEM}) == []


def test_a_secret_with_a_lone_surrogate_is_found() -> None:
    secret = "a-pass\udc80word"
    assert find_leaks(f"x{secret}x".encode("utf-8", "surrogatepass"), {"X": secret})


@pytest.mark.parametrize("text", ["", "another password", CANARY[:-1], CANARY.upper()])
def test_other_texts_are_no_leak(text: str) -> None:
    assert find_leaks(text.encode(), {"PASSWORD": CANARY}) == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("ORDERS_PASSWORD", True),
        ("FIVETRAN_APISECRET", True),
        ("VAULT_TOKEN", True),
        ("PATHS", True),
        ("PATH", False),
        ("FIVETRAN_API_URL", False),
        ("HTTPS_PROXY", False),
    ],
)
def test_values_of_all_variables_except_settings_are_secrets(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


def test_short_values_are_not_searched() -> None:
    seen = LeakDetector()
    seen.add_environment({"A": "12345", "B": "123456"})
    seen.add_artefact("stdout", "12345 123456")
    assert seen.collect_findings() == ["stdout: value 1 of B, raw"]


def test_an_allowed_value_is_no_leak() -> None:
    seen = LeakDetector()
    seen.add_environment({"REGION": "AWS_US_EAST_1", "PASSWORD": CANARY})
    seen.add_artefact("stdout", f"AWS_US_EAST_1 {CANARY}")
    seen.allowed.add("AWS_US_EAST_1")
    assert {finding.partition(",")[0] for finding in seen.collect_findings()} == {
        "stdout: value 1 of PASSWORD"
    }


def test_all_files_except_those_of_the_test_are_searched(tmp_path: Path) -> None:
    seen = LeakDetector()
    seen.add_secret("PASSWORD", "correct horse")
    seen.add_folder(tmp_path)
    own = tmp_path / "specs.yaml"
    own.write_text("password: correct horse")
    seen.add_written_file(own, "password: correct horse")
    assert seen.collect_findings() == []
    for name in ("deep/down/state.json", ".state.json.journal", "account.sqlite-wal", "state.json.key"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("correct horse")
    own.write_text("password: correct horse\n# touched by the product")
    assert sorted(seen.collect_findings()) == [
        ".state.json.journal: value 1 of PASSWORD, raw",
        "deep/down/state.json: value 1 of PASSWORD, raw",
        "specs.yaml: value 1 of PASSWORD, raw",
    ]


def test_a_command_line_of_the_product_is_searched() -> None:
    def start() -> None:
        subprocess.run([sys.executable, "-c", "", "correct horse"], check=True)

    with detect_leaks() as seen:
        seen.add_secret("PASSWORD", "correct horse")
        start()  # the test itself may pass it
    with (
        pytest.raises(AssertionError, match="a command line: value 1 of PASSWORD, raw"),
        detect_leaks() as seen,
    ):
        seen.add_secret("PASSWORD", "correct horse")
        with track_product_run():
            start()


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_plan_that_shows_a_value_fails_its_test_unless_allowed(
    form: str, project: Project, server: EmulatedFivetran
) -> None:
    project.write_groups(
        "  orders:\n    destination:\n      service: big_query\n      time_zone_offset: '0'\n"
        '      config: {project_id: {value: "env:PLAIN"}}\n'
    )

    def plan() -> None:
        plain = {"PLAIN": "acme-prod-7"}
        assert project.run_against(server, "plan", "--format", form, environ=plain).exit == 0

    with (
        pytest.raises(AssertionError, match=r"stdout of `plan .*value \d of PLAIN, raw") as leak,
        detect_leaks(),
    ):
        plan()
    assert "acme-prod-7" not in str(leak.value), "the finding does not repeat the secret"
    with detect_leaks():
        allow_values("acme-prod-7")
        plan()


LEAKING = """\
import logging, sys
from secret_leak_detector import get_detector

def test_printed():
    get_detector().add_secret("PASSWORD", "correct horse")
    print("correct horse")

def test_logged():
    get_detector().add_secret("PASSWORD", "correct horse")
    logging.getLogger("urllib3").warning("correct horse")

def test_left_in_a_file(project):
    project.run("plan", "--sandbox", environ={"PASSWORD": "correct horse"})
    (project.folder / "debug.log").write_text("correct horse")

def test_harmless(project):
    project.write_groups("  orders: {}\\n")
    project.run("plan", "--sandbox", environ={"PASSWORD": "correct horse"})
"""


@pytest.mark.long
def test_a_test_that_leaks_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_leaking.py"
    file.write_text(LEAKING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "-p", "conftest", file],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, [ROOT, ROOT / "tests" / "support", ROOT / "tests"])),
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR ")]
    assert [line.split("::")[1].split()[0] for line in errors] == [
        "test_printed",
        "test_logged",
        "test_left_in_a_file",
    ], done.stdout
    assert done.returncode == 1


def test_a_finding_shows_no_secret() -> None:
    findings = find_leaks(UTF8, {"PASSWORD": CANARY})
    assert findings
    assert CANARY not in repr(findings)
    assert all(CANARY not in form for form, _ in list_encodings(CANARY))
