"""Parse faults in text form: `POST /v1/destinations #2 after-effect reset`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.fault_kinds import FAULT_SPECS, FaultError, FaultKind, Phase
from reconciler.emulator.faults import ANY, METHODS, Fault
from reconciler.model.suggestions import find_nearest

FAULT_SYNTAX = "METHOD PATH [#N | #N..M | every N] [times N] [PHASE] KIND [ARGUMENT] [OPTION=VALUE …]"

_COUNT = re.compile(r"#(\d{1,9})(\.\.(\d{1,9})?)?")
_OPTION = re.compile(r"([a-z-]+)=(.*)", re.DOTALL)


def parse_fault(text: str) -> Fault:
    """Parse a fault in the form of `FAULT_SYNTAX`.

    Raises FaultError, which names the wrong word and a likely correction.
    """
    try:
        # As in a shell, so that values with spaces can be quoted.
        words = shlex.split(text)
    except ValueError:
        raise FaultError("a quotation mark is not closed", f"write `{FAULT_SYNTAX}`") from None
    if len(words) < 3:
        raise FaultError(
            f"`{text}` is no fault", f"write `{FAULT_SYNTAX}`, for example `POST /v1/groups #1 reset`"
        )
    parser = _FaultParser(words[2:])
    return Fault(method=_parse_method(words[0]), path=_parse_path(words[1]), **parser.parse())


def parse_faults(lines: Iterable[str]) -> list[Fault]:
    """Parse one fault per line. Empty lines and lines that begin with `#` are skipped. Raises FaultError."""
    stripped = (line.strip() for line in lines)
    return [parse_fault(line) for line in stripped if line and not line.startswith("#")]


def _parse_method(word: str) -> str:
    if word.upper() in METHODS or word == ANY:
        return word.upper()
    raise FaultError(f"`{word}` is no method", _suggest(word.upper(), (*METHODS, ANY)))


def _parse_path(word: str) -> str:
    if word == ANY or word.startswith("/"):
        return word
    raise FaultError(
        f"`{word}` is no path", f"write `*`, or a path such as `/v1/{word.rsplit('/', maxsplit=1)[-1]}`"
    )


def _suggest(word: str, known: Iterable[str]) -> str:
    known = tuple(known)
    suggestion = find_nearest(word, known)
    options = ", ".join(f"`{option}`" for option in known)
    return f"did you mean `{suggestion}`?" if suggestion else f"known are {options}"


@dataclass(slots=True)
class _FaultParser:
    """Parser of the words after the path. It consumes them from the left."""

    words: list[str]
    fields: dict[str, Any] = field(default_factory=dict)

    def parse(self) -> dict[str, Any]:
        """Parse the words into the fields of a `Fault`. Raises FaultError."""
        while self.words and "kind" not in self.fields:
            self._parse_selector(self.words.pop(0))
        if "kind" not in self.fields:
            raise FaultError("the fault has no kind", _suggest("", FaultKind))
        options: dict[str, str] = {}
        for word in self.words:
            option = _OPTION.fullmatch(word)
            if option:
                options[option[1]] = option[2]
            elif "argument" in self.fields or options:
                raise FaultError(f"`{word}` stands after the end of the fault", f"write `{FAULT_SYNTAX}`")
            else:
                self.fields["argument"] = word
        return {**self.fields, "options": options}

    def _parse_selector(self, word: str) -> None:
        count = _COUNT.fullmatch(word)
        if count:
            self.fields["first"] = int(count[1])
            self.fields["last"] = int(count[3]) if count[3] else None if count[2] else int(count[1])
        elif word in ("every", "times"):
            self.fields[word] = self._parse_number(word)
        elif word in set(Phase):
            self.fields["phase"] = Phase(word)
        elif word in FAULT_SPECS:
            self.fields["kind"] = FaultKind(word)
        else:
            raise FaultError(
                f"`{word}` is neither a phase nor a kind of fault",
                _suggest(word, (*Phase, *FaultKind, "every", "times")),
            )

    def _parse_number(self, word: str) -> int:
        number = self.words.pop(0) if self.words else ""
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise FaultError(f"`{word}` needs a number after it", f"write for example `{word} 3`")
        return int(number)
