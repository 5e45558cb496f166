"""Define diagnostics, which other modules collect, sort and render."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.codes import Code, load_codes
from reconciler.model.source import Span


class Severity(StrEnum):
    """Severity of a diagnostic. Only errors stop a run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Words of one diagnostic for several alike: `12 destinations are broken: a, b, c and 9 more`.

    Diagnostics of one code with the same `noun` and `text` are alike. `name` and `help` are of one of them; with
    `lists_places` each has a line with its place.
    """

    noun: str
    text: str
    name: str
    help: str
    lists_places: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding with its place and one remedy.

    `message` starts in lower case and puts names in backticks; `label` is the text under the caret; `notes` are facts;
    `help` is one action. With `secret` the excerpt of the span is never shown, and with `secret_line` not even the key
    that the line starts with. `code` must have a row in `codes.toml`. Texts for people combine diagnostics of one
    `group`; documents have each. `others` are further entries that it is about, beside `address`.
    """

    code: str
    message: str
    span: Span | None = None
    severity: Severity = Severity.ERROR
    label: str = ""
    notes: tuple[str, ...] = ()
    help: str = ""
    address: Address | None = None
    secret: bool = False
    secret_line: bool = False
    group: FindingGroup | None = None
    others: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in load_codes():
            raise ValueError(f"diagnostic code without an explanation: {self.code}")

    @property
    def code_facts(self) -> Code:
        """Facts about the code, which commands act on instead of the code itself."""
        return load_codes()[self.code]


@dataclass(frozen=True, slots=True)
class IgnoredWarning:
    """Warning that a project ignores, with the reason of the team."""

    warning: Diagnostic
    because: str


class ReconcilerError(Exception):
    """Error that ends a run and that a user can correct. Carries all diagnostics."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(
            "; ".join(f"{diagnostic.code}: {diagnostic.message}" for diagnostic in self.diagnostics)
        )


def select_errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Select the diagnostics that stop a run, in the given order."""
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort diagnostics by file, line and column, diagnostics without a place last. Duplicates are dropped."""
    no_span = Span("\uffff", 0, 0, 0, 0)
    unique = list(dict.fromkeys(diagnostics))
    return sorted(
        unique, key=lambda finding: (finding.span or no_span, finding.severity, finding.code, finding.message)
    )
