"""Model tfcmt, release 4, which reads the log of a plan by lines and posts the result.

The model has its default patterns and the three parts of its result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PASS = re.compile(r"^(Plan: \d|No changes.)", re.MULTILINE)
FAIL = re.compile(r"^([│|] )?(Error: )", re.MULTILINE)
WARNING = re.compile(r"^([│|] )?(Warning: )", re.MULTILINE)
HAS_DESTROY = re.compile(r"([1-9][0-9]* to destroy.)")
HAS_NO_CHANGES = re.compile(r"^(No changes.)")
CHANGE_PATTERNS = {
    "created": re.compile(r"^ *# (.*) will be created$"),
    "updated": re.compile(r"^ *# (.*) will be updated in-place$"),
    "deleted": re.compile(r"^ *# (.*) will be destroyed$"),
    "replaced": re.compile(r"^ *# (.*?)(?: is tainted, so)? must be replaced$"),
    "imported": re.compile(r"^ *# (.*?) will be imported$"),
}
IMPORTED_FROM = re.compile(r"^ *# \(imported from (.*?)\)$")
START = "Terraform will perform the following actions:"
DRIFT_START = "Note: Objects have changed outside of Terraform"
DRIFT_END = "Unless you have made equivalent changes to your configuration"


@dataclass(frozen=True)
class ParsedPlan:
    """Parsed plan. `result` is the line for the headline, `diff` the block of changes."""

    result: str
    failed: bool
    destroys: bool
    without_changes: bool
    resources: dict[str, list[str]]
    diff: str
    drift: str
    warns: bool


def parse_log(text: str) -> ParsedPlan:
    """Parse a log of standard output and error. Raises ValueError if tfcmt gives up."""
    if not (PASS.search(text) or FAIL.search(text)):
        raise ValueError("cannot parse the plan")
    lines = text.split("\n")
    result = next(line for line in lines if FAIL.match(line) or PASS.match(line))
    resources: dict[str, list[str]] = {change: [] for change in CHANGE_PATTERNS}
    for number, line in enumerate(lines):
        if IMPORTED_FROM.match(line) and (previous := CHANGE_PATTERNS["updated"].match(lines[number - 1])):
            resources["imported"].append(previous[1])
        for change, pattern in CHANGE_PATTERNS.items():
            if match := pattern.match(line):
                resources[change].append(match[1])
                break
    drift = ""
    if DRIFT_START in lines:
        start = (
            lines.index(DRIFT_START) + 1
        )  # without the last line it would slice from a negative index, and crash
        end = next(number for number, line in enumerate(lines) if line.startswith(DRIFT_END))
        drift = "\n".join(lines[start : end + 1])
    return ParsedPlan(
        result,
        FAIL.match(result) is not None,
        HAS_DESTROY.search(result) is not None,
        HAS_NO_CHANGES.match(result) is not None,
        resources,
        _extract_diff(lines),
        drift,
        WARNING.search(text) is not None,
    )


def _extract_diff(lines: list[str]) -> str:
    if START not in lines:
        return ""
    start = lines.index(START) + 1
    rules = (number for number, line in enumerate(lines) if line.startswith("─────") and number > start)
    return "\n".join(lines[start : next(rules, len(lines)) - 1])


APPLY_PASS = re.compile(r"^(Apply complete!)", re.MULTILINE)
APPLY_FAIL = re.compile(r"^(Error: )", re.MULTILINE)


@dataclass(frozen=True)
class ParsedApply:
    """Parsed apply: the line of success, or everything from the first error on."""

    result: str
    failed: bool


def parse_apply_log(text: str) -> ParsedApply:
    """Parse a log of standard output and error. Raises ValueError if tfcmt gives up."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if APPLY_FAIL.match(line):
            return ParsedApply("\n".join(lines[number:]).strip(), True)
        if APPLY_PASS.match(line):
            return ParsedApply(line, APPLY_FAIL.search(text) is not None)
    raise ValueError("cannot parse the apply result")
