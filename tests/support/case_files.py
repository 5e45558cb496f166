"""Read cases in Markdown: spec files with the expected output of the command line.

`tests/cases/README.md` describes the form of a case.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "cases"
COMMAND = "reconciler validate"
MAIN = "specs/main.yaml"
DEFAULT_FILES = {"specs/reconciler.yaml": b"version: 1\nspecs: [main.yaml]\n"}

_FENCE = re.compile(
    r"^```(?P<kind>[a-z]+)(?: (?P<title>[^\n]*))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_ESCAPE = re.compile(rb"\\(?:x(?P<byte>[0-9a-f]{2})|u(?P<unit>[0-9a-f]{4}))")
_EXIT = re.compile(r" \(exit (\d+)\)$")
_CODES = re.compile(r"^(?:error|warning)\[([a-z0-9-]+)\]", re.MULTILINE)
_SCHEMA = re.compile(r"^schema: rejects$", re.MULTILINE)


class MalformedCaseError(Exception):
    """Page without a required part of a case."""


@dataclass(frozen=True, slots=True)
class Case:
    """Case. `files` by path in the project's folder; `account` is the seed of an account to run against, None without
    an account; `expected` is the whole standard error."""

    page: str
    title: str
    files: dict[str, bytes]
    environ: dict[str, str]
    account: bytes | None
    arguments: tuple[str, ...]
    expected: str
    exit: int
    schema_rejects: bool

    @property
    def id(self) -> str:
        """Return the name of the case in a test run."""
        return f"{self.page}: {self.title}"

    @property
    def codes(self) -> tuple[str, ...]:
        """List the codes of the expected diagnostics, in reading order."""
        return tuple(_CODES.findall(self.expected))


@dataclass(slots=True)
class _Blocks:
    """Fenced blocks of a Markdown text."""

    files: dict[str, bytes]
    environ: dict[str, str]
    account: bytes | None = None
    expected: tuple[str, str] | None = None

    def parse(self, text: str, page: str) -> _Blocks:
        """Parse the blocks of a text and lay them over these blocks."""
        blocks = _Blocks(dict(self.files), dict(self.environ), self.account)
        for fence in _FENCE.finditer(text):
            kind, title, body = fence["kind"], fence["title"] or "", fence["body"]
            match kind:
                case "yaml" if title == "account":
                    blocks.account = body.encode()
                case "yaml":
                    blocks.files[title or MAIN] = body.encode()
                case "bytes":
                    blocks.files[title or MAIN] = _unescape(body)
                case "env":
                    blocks.environ |= dict(line.split("=", 1) for line in body.splitlines())
                case "text" if blocks.expected is None:
                    blocks.expected = (title or COMMAND, body)
                case _:
                    raise MalformedCaseError(f"{page}: what is a block of {kind!r} for?")
        return blocks


def read_cases() -> list[Case]:
    """Read all cases of all pages, in the order of the pages. Raises MalformedCaseError."""
    pages = sorted(file for file in FOLDER.glob("*.md") if file.name != "README.md")
    return [case for page in pages for case in _parse_cases(page.stem, page.read_text(encoding="utf-8"))]


def _parse_cases(page: str, text: str) -> Iterator[Case]:
    headings = list(_HEADING.finditer(text))
    shared = _Blocks(dict(DEFAULT_FILES), {}).parse(text[: headings[0].start() if headings else None], page)
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        section = text[heading.end() : following.start() if following else None]
        yield _build_case(page, heading["title"], shared.parse(section, page), section)


def _build_case(page: str, title: str, blocks: _Blocks, section: str) -> Case:
    if blocks.expected is None:
        raise MalformedCaseError(f"{page}: {title} expects nothing")
    command, expected = blocks.expected
    code = 1 if "error[" in expected else 0
    if exit_match := _EXIT.search(command):
        command, code = command[: exit_match.start()], int(exit_match[1])
    program, *arguments = shlex.split(command)
    if program != "reconciler":
        raise MalformedCaseError(f"{page}: {title} runs {program!r}")
    case = Case(
        page,
        title,
        blocks.files,
        blocks.environ,
        blocks.account,
        tuple(arguments),
        expected,
        code,
        _SCHEMA.search(_FENCE.sub("", section)) is not None,
    )
    return replace(case, files={name: data for name, data in case.files.items() if data != b"absent\n"})


def _unescape(body: str) -> bytes:
    """Turn a text into bytes: `\xff` is one byte and `\u202e` one character."""
    return _ESCAPE.sub(
        lambda found: (
            bytes.fromhex(found["byte"].decode())
            if found["byte"]
            else chr(int(found["unit"], 16)).encode("utf-8", "surrogatepass")
        ),
        body.encode(),
    )
