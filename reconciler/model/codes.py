"""Load the diagnostic codes from `codes.toml`, which has a row for each code.

The file is read when the first diagnostic is made or a code is explained, so commands without findings do not wait for
it. Its texts are literal strings of TOML, which the parser copies instead of scanning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType


class ExitClass(StrEnum):
    """Group of exit codes that a failed run can have."""

    FAILED = "failed"
    REFUSED = "refused"
    PLAN_REFUSED = "plan-refused"
    LOCKED = "locked"
    USAGE = "usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Facts about a diagnostic code that are the same for every diagnostic of it. `codes.toml` describes the fields."""

    exit: ExitClass
    text: str
    severity_if_strict: str | None = None
    warns: str | None = None
    setting: str | None = None
    stale: str | None = None
    help: str = ""
    hides_resource: bool = False
    omits_entry: bool = False
    needs_connections: bool = False
    once_per_project: bool = False
    exposes_secret: bool = False
    contradicts: bool = False
    gives_way: bool = False
    loses_state: bool = False
    shows_status: bool = False
    keeps_services: bool = False


@cache
def load_codes() -> Mapping[str, Code]:
    """Read every code with its facts, in the order of the file.

    Raises `TypeError` or `ValueError` for a row that is incomplete or has an unknown key: a bug of this program.
    """
    import tomllib  # imported here: most commands need no diagnostic, and `--help` must start fast
    from pathlib import Path

    rows = tomllib.loads(Path(__file__).with_name("codes.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            code: Code(**row | {"exit": ExitClass(row.get("exit")), "text": " ".join(row["text"].split())})
            for code, row in rows.items()
        }
    )


def load_explanations() -> Mapping[str, str]:
    """Read the explanation of every code."""
    return {code: facts.text for code, facts in load_codes().items()}
