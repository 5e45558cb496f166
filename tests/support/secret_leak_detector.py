"""Detect secrets of a test in any file, stream or log that the product leaves behind.

The harness registers secrets and artefacts; a fixture searches all artefacts when the test is over. No finding shows a
secret: it names the artefact, the variable and the encoding.
"""

from __future__ import annotations

import base64
import html
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus

MIN_LENGTH = 6
"""Characters of the shortest value that is searched for: shorter values occur by accident."""
MIN_LINE_LENGTH = 12
"""Characters of the shortest line of a value of several lines."""
RUN_LENGTH = 24
"""Characters of the parts of a line that are searched for."""

_PUBLIC_VARIABLES = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TERM|COLUMNS|NO_COLOR|PYTHON\w*|TZ|TMPDIR"
    r"|RECONCILER_PROJECT|FIVETRAN_API_URL|GITHUB_WORKSPACE|VAULT_ADDR|VAULT_NAMESPACE"
    r"|\w*_PROXY|AWS_(DEFAULT_)?REGION|AWS_ENDPOINT_URL\w*|AWS_PROFILE|SSL_CERT_FILE|REQUESTS_CA_BUNDLE"
    r"|_\w*COMPLETE|COMP_\w+"
)
"""Environment variables that hold no secret."""

_IGNORED_FILES = re.compile(r".*\.sqlite.*|.*\.key|__pycache__")
"""The emulated account of a sandbox, and the key of the fingerprints, a secret that has to be stored."""


def is_secret(variable: str) -> bool:
    """Return whether the value of an environment variable is a secret."""
    return _PUBLIC_VARIABLES.fullmatch(variable) is None


@lru_cache(maxsize=4096)
def list_encodings(secret: str) -> tuple[tuple[str, bytes], ...]:
    """List the encodings of a value by name, with the bytes to look for."""
    found: dict[bytes, str] = {}
    lines = _split_long_lines(secret)
    for form, text in _join_lines(secret):
        found.setdefault(text.encode("utf-8", "surrogatepass"), form)
    for run in _list_runs(lines) if "\n" in secret.strip() else ():
        found.setdefault(run.encode("utf-8", "surrogatepass"), "part")
    for part in dict.fromkeys((secret, *lines)):
        for form, text in _encode_as_text(part):
            found.setdefault(text.encode("utf-8", "surrogatepass"), form)
        for form, needle in _encode_as_bytes(part.encode("utf-8", "surrogatepass")):
            found.setdefault(needle, form)
    return tuple((form, needle) for needle, form in found.items())


def _split_long_lines(secret: str) -> list[str]:
    """Split a value of several lines, without the lines that mark the start and the end of a key."""
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= MIN_LINE_LENGTH and not line.startswith("-----")]


def _join_lines(secret: str) -> Iterator[tuple[str, str]]:
    """Write a value of several lines on one line, in the usual ways."""
    lines = secret.strip().splitlines()
    if len(lines) > 1:
        yield "one line", "".join(lines)
        yield "one line with spaces", " ".join(lines)
        yield "one line with escapes", "\\n".join(lines)
        yield "one line with escapes of escapes", "\\\\n".join(lines)


def _list_runs(lines: Iterable[str]) -> Iterator[str]:
    """List runs of characters from long lines, such that every part of twice the length contains one of them."""
    for line in lines:
        for start in range(0, len(line) - RUN_LENGTH, RUN_LENGTH):
            yield line[start : start + RUN_LENGTH]


def _encode_as_text(text: str) -> Iterator[tuple[str, str]]:
    yield "raw", text
    yield "JSON", json.dumps(text)[1:-1]
    yield "JSON with all letters", json.dumps(text, ensure_ascii=False)[1:-1]
    yield "repr", repr(text)[1:-1]
    yield "HTML", html.escape(text)
    data = text.encode("utf-8", "surrogatepass")
    yield "URL", quote(data, safe="")
    yield "URL path", quote(data)
    yield "URL form", quote_plus(data)
    yield "URL twice", quote(quote(data, safe=""), safe="")
    yield "URL in lower case", re.sub("%..", lambda match: match[0].lower(), quote(data, safe=""))
    yield "URL of every byte", "".join(f"%{byte:02X}" for byte in data)
    yield "JSON with slashes", json.dumps(text)[1:-1].replace("/", "\\/")
    yield "JSON of every character", "".join(f"\\u{ord(character):04x}" for character in text)
    yield "JSON twice", json.dumps(json.dumps(text)[1:-1])[1:-1]
    yield "XML", "".join(f"&#{ord(character)};" for character in text)
    yield "XML in hex", "".join(f"&#x{ord(character):x};" for character in text)


def _encode_as_bytes(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "hex", data.hex().encode()
    yield "HEX", data.hex().upper().encode()
    for offset in range(3):
        # Only the characters that share no bit with a neighbour.
        first, last = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
        for form, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            yield f"{form} after {offset}", encode(b"\0" * offset + data)[first:last]


def find_leaks(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Find leaks: a variable and an encoding for each, never the value. `secrets` are values by variable."""
    return [
        f"{name}, {form}"
        for name, secret in secrets.items()
        for form, needle in list_encodings(secret)
        if needle in content
    ]


@dataclass
class LeakDetector:
    """Secrets and artefacts of one test."""

    secrets: dict[str, str] = field(default_factory=dict)  # variables by value
    allowed: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)  # names by text
    folders: list[Path] = field(default_factory=list)
    written_files: dict[Path, bytes] = field(default_factory=dict)
    is_running: bool = False  # whether the product runs in this process

    def add_secret(self, name: str, value: str) -> None:
        """Look for this value from now on, if it is long enough."""
        if len(value) >= MIN_LENGTH:
            self.secrets.setdefault(value, name)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """Look for all values of an environment that may be secrets."""
        for name, value in environ.items():
            if is_secret(name):
                self.add_secret(name, value)
        if "FIVETRAN_APIKEY" in environ and "FIVETRAN_APISECRET" in environ:
            pair = f"{environ['FIVETRAN_APIKEY']}:{environ['FIVETRAN_APISECRET']}"
            header = base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
            self.add_secret("the credentials", pair)
            self.add_secret("the Basic header", header)

    def add_artefact(self, name: str, text: str) -> None:
        """Add a printed text of the product."""
        self.texts.setdefault(text, name)

    def add_folder(self, folder: Path) -> None:
        """Add a folder in which the product works."""
        if folder not in self.folders:
            self.folders.append(folder)

    def add_written_file(self, file: Path, content: str) -> None:
        """Add a file of the test itself. It is searched as soon as it has any other content."""
        self.written_files[file] = content.encode("utf-8", "surrogatepass")

    def collect_findings(self) -> list[str]:
        """Collect all leaks with their artefacts."""
        hidden = [(value, name) for value, name in self.secrets.items() if value not in self.allowed]
        if not hidden:
            return []
        secrets = {f"value {number} of {name}": value for number, (value, name) in enumerate(hidden, 1)}
        artefacts = self._iter_artefacts()
        return [f"{name}: {leak}" for name, content in artefacts for leak in find_leaks(content, secrets)]

    def _iter_artefacts(self) -> Iterator[tuple[str, bytes]]:
        for text, name in self.texts.items():
            yield name, text.encode("utf-8", "surrogatepass")
        for folder in self.folders:
            yield from self._iter_files(folder)

    def _iter_files(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not any(map(_IGNORED_FILES.fullmatch, file.relative_to(folder).parts)):
                content = file.read_bytes()
                if self.written_files.get(file) != content:
                    yield str(file.relative_to(folder)), content


_detector = LeakDetector()


def get_detector() -> LeakDetector:
    """Return the detector of the running test."""
    return _detector


def allow_values(*values: str) -> None:
    """Allow values that the product shall show: those of `{value: …}`. Give the reason at the call."""
    _detector.allowed.update(values)


@contextmanager
def detect_leaks(sections: Iterable[tuple[str, str]] = ()) -> Iterator[LeakDetector]:
    """Watch one test. Raises AssertionError at its end if a secret is in anything that the product made.

    `sections` are texts with their names, read at the end.
    """
    global _detector  # noqa: PLW0603 - one test at a time runs in a process
    before, _detector = _detector, LeakDetector()
    try:
        yield _detector
        for name, text in sections:
            _detector.add_artefact(name, text)
        check_findings(_detector.collect_findings())
    finally:
        _detector = before


def check_findings(findings: list[str]) -> None:
    """Fail if there are findings."""
    assert not findings, "secrets leaked:\n" + "\n".join(f"  {finding}" for finding in findings)


@contextmanager
def track_product_run() -> Iterator[None]:
    """Track a run of the product in this process: the command lines that it starts are its artefacts too."""
    _detector.is_running = True
    try:
        yield
    finally:
        _detector.is_running = False


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _detector.is_running:
        _detector.add_artefact("a command line", repr(arguments[1]))


sys.addaudithook(_audit)
