"""Whatever a test gives to the product as a secret must not turn up in anything that the product leaves behind.

The harness tells what is secret and what was produced; a fixture looks at all of it when the test is over. Nothing
here ever prints a secret: a finding names the artefact, the variable and the disguise.
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

SHORTEST = 6
"""Characters of the shortest value that is looked for: shorter ones turn up by accident."""
SHORTEST_LINE = 12
"""The same for single lines of a value that has several."""

_PLACES_AND_SETTINGS = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TERM|COLUMNS|NO_COLOR|PYTHON\w*|TZ|TMPDIR"
    r"|RECONCILER_PROJECT|FIVETRAN_API_URL|GITHUB_WORKSPACE|VAULT_ADDR|VAULT_NAMESPACE"
    r"|\w*_PROXY|AWS_(DEFAULT_)?REGION|AWS_ENDPOINT_URL\w*|AWS_PROFILE|SSL_CERT_FILE|REQUESTS_CA_BUNDLE"
    r"|_\w*COMPLETE|COMP_\w+"
)
"""Environment variables that hold no secret."""

_NOT_OURS = re.compile(r".*\.sqlite.*|.*\.key|__pycache__")
"""Fivetran's side of a sandbox, and the key of the fingerprints, which is a secret that has to be kept."""


def is_secret(variable: str) -> bool:
    """Whether the value of an environment variable is one that nobody may see."""
    return _PLACES_AND_SETTINGS.fullmatch(variable) is None


@lru_cache(maxsize=4096)
def disguises(secret: str) -> tuple[tuple[str, bytes], ...]:
    """Names of the forms in which a value could slip through, with the bytes to look for."""
    found: dict[bytes, str] = {}
    for part in dict.fromkeys((secret, *_long_lines(secret))):
        for form, text in _spelled(part):
            found.setdefault(text.encode("utf-8", "surrogatepass"), form)
        for form, needle in _encoded(part.encode("utf-8", "surrogatepass")):
            found.setdefault(needle, form)
    return tuple((form, needle) for needle, form in found.items())


def _long_lines(secret: str) -> list[str]:
    """The lines of a value that has several, without those that say where a key begins and ends."""
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----")]


def _spelled(text: str) -> Iterator[tuple[str, str]]:
    yield "raw", text
    yield "JSON", json.dumps(text)[1:-1]
    yield "JSON with all letters", json.dumps(text, ensure_ascii=False)[1:-1]
    yield "repr", repr(text)[1:-1]
    yield "HTML", html.escape(text)
    data = text.encode("utf-8", "surrogatepass")
    yield "URL", quote(data, safe="")
    yield "URL path", quote(data)
    yield "URL form", quote_plus(data)


def _encoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "hex", data.hex().encode()
    yield "HEX", data.hex().upper().encode()
    for before in range(3):
        # Only the characters that no neighbour has a bit in.
        first, last = -(-8 * before // 6), 8 * (before + len(data)) // 6
        for form, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            yield f"{form} after {before}", encode(b"\0" * before + data)[first:last]


def found_in(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """What leaked: a variable and a form for each, never the value. `secrets` are values by variable."""
    return [
        f"{name}, {form}"
        for name, secret in secrets.items()
        for form, needle in disguises(secret)
        if needle in content
    ]


@dataclass
class Watch:
    """What one test has told and what was produced in it."""

    secrets: dict[str, str] = field(default_factory=dict)  # by value: the variable
    shown: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)  # by text: what it is
    folders: list[Path] = field(default_factory=list)
    written: dict[Path, bytes] = field(default_factory=dict)
    is_running: bool = False  # the product, in this process

    def secret(self, name: str, value: str) -> None:
        """Look for this value from now on, if it is long enough."""
        if len(value) >= SHORTEST:
            self.secrets.setdefault(value, name)

    def environment(self, environ: Mapping[str, str]) -> None:
        """Look for all values of an environment that may be secrets."""
        for name, value in environ.items():
            if is_secret(name):
                self.secret(name, value)

    def artefact(self, name: str, text: str) -> None:
        """Something that the product has printed."""
        self.texts.setdefault(text, name)

    def folder(self, folder: Path) -> None:
        """A folder in which the product works."""
        if folder not in self.folders:
            self.folders.append(folder)

    def wrote(self, file: Path, content: str) -> None:
        """A file of the test itself. It is looked at as soon as it holds anything else."""
        self.written[file] = content.encode("utf-8", "surrogatepass")

    def findings(self) -> list[str]:
        """What leaked where."""
        kept = [(value, name) for value, name in self.secrets.items() if value not in self.shown]
        if not kept:
            return []
        secrets = {f"value {number} of {name}": value for number, (value, name) in enumerate(kept, 1)}
        artefacts = self._artefacts()
        return [f"{name}: {leak}" for name, content in artefacts for leak in found_in(content, secrets)]

    def _artefacts(self) -> Iterator[tuple[str, bytes]]:
        for text, name in self.texts.items():
            yield name, text.encode("utf-8", "surrogatepass")
        for folder in self.folders:
            yield from self._files(folder)

    def _files(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not any(map(_NOT_OURS.fullmatch, file.relative_to(folder).parts)):
                content = file.read_bytes()
                if self.written.get(file) != content:
                    yield str(file.relative_to(folder)), content


_watch = Watch()


def watch() -> Watch:
    """What is known about the test that is running now."""
    return _watch


def visible(*values: str) -> None:
    """Say of values that the product shall show them: those of `{value: …}`. Say why, where this is called."""
    _watch.shown.update(values)


@contextmanager
def watching(sections: Iterable[tuple[str, str]] = ()) -> Iterator[Watch]:
    """Watch one test. Raises AssertionError at its end if a secret is in anything that the product made.

    `sections` are texts with their names, read at the end.
    """
    global _watch  # noqa: PLW0603 - one test at a time runs in a process
    before, _watch = _watch, Watch()
    try:
        yield _watch
        for name, text in sections:
            _watch.artefact(name, text)
        check(_watch.findings())
    finally:
        _watch = before


def check(findings: list[str]) -> None:
    """Fail for what leaked."""
    assert not findings, "secrets leaked:\n" + "\n".join(f"  {each}" for each in findings)


@contextmanager
def product_running() -> Iterator[None]:
    """While the product runs in this process, the command lines that it starts are its artefacts too."""
    _watch.is_running = True
    try:
        yield
    finally:
        _watch.is_running = False


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _watch.is_running:
        _watch.artefact("a command line", repr(arguments[1]))


sys.addaudithook(_audit)
