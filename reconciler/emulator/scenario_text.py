"""Parse scenarios in text form, as options give them: `sales: Permission Test FAILED no rights on FINANCE`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from reconciler.emulator.network import MAX_SETUP_TEST_SECONDS, NetworkSettings
from reconciler.emulator.setup_tests import SetupTest, SetupTestScript
from reconciler.emulator.trust import TestStatus
from reconciler.model.suggestions import find_nearest

SETUP_TEST_SYNTAX = "GROUP: TITLE STATUS [MESSAGE]"

_STATUSES: tuple[TestStatus, ...] = get_args(TestStatus)


class ScenarioError(ValueError):
    """Error of a text that describes no scenario. `message` names the error, `advice` the repair."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


def parse_identity(text: str) -> tuple[str, str]:
    """Parse `GROUP[=SOURCE]`. Returns the group and the source, which is empty if it is not given.

    Raises ScenarioError.
    """
    group, equals, source = text.partition("=")
    # An option in place of the group: its own value was forgotten.
    if not group or group.startswith("--") or (equals and not source):
        raise ScenarioError(
            f"`{text}` names no group or no file", "write `GROUP` or `GROUP=FILE`, `*` for any group"
        )
    return group, source


def parse_duration(text: str) -> NetworkSettings:
    """Parse the duration of the setup tests of a group, in the form `GROUP=SECONDS`. Raises ScenarioError."""
    group, _, seconds = text.partition("=")
    try:
        if not group:
            raise ValueError
        return NetworkSettings(group=group, setup_test_seconds=float(seconds))
    except ValueError:
        raise ScenarioError(
            f"`{text}` is no duration of the setup tests of a group",
            f"write `GROUP=SECONDS`, for example `sales=30`, with {MAX_SETUP_TEST_SECONDS:,.0f} seconds at most",
        ) from None


def parse_setup_tests(texts: Iterable[str]) -> tuple[SetupTestScript, ...]:
    """Parse one setup test per text. The tests of a group make one run, which is the result of every run.

    Raises ScenarioError.
    """
    runs: dict[str, list[SetupTest]] = {}
    for text in texts:
        group, test = parse_setup_test(text)
        runs.setdefault(group, []).append(test)
    return tuple(SetupTestScript(group=group, finally_always=run) for group, run in runs.items())


def parse_setup_test(text: str) -> tuple[str, SetupTest]:
    """Parse a setup test of a group in the form of `SETUP_TEST_SYNTAX`. Raises ScenarioError."""
    group, colon, rest = text.partition(": ")
    if not group.strip() or not colon:
        raise ScenarioError(
            f"`{text}` names no group",
            f"write `{SETUP_TEST_SYNTAX}`, for example `sales: Permission Test FAILED no rights`",
        )
    words = rest.split()
    for position, word in enumerate(words):
        if word in _STATUSES and position > 0:
            test = SetupTest(" ".join(words[:position]), word, " ".join(words[position + 1 :]))
            return group.strip(), test
    raise ScenarioError(f"`{rest.strip()}` is no title with a status", _suggest_status(words))


def _suggest_status(words: list[str]) -> str:
    for word in words[1:]:
        suggestion = find_nearest(word, _STATUSES)
        if suggestion is not None:
            return f"did you mean `{suggestion}` instead of `{word}`?"
    statuses = ", ".join(f"`{status}`" for status in _STATUSES)
    return f"write `{SETUP_TEST_SYNTAX}`; a status is one of {statuses}"
