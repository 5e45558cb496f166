"""Check that runs of the command line end with an exit code of the help page of their command."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.commands import SUMMARIES
from reconciler.cli.help_content import list_exit_codes


def find_command_name(arguments: Sequence[str]) -> str:
    """Find the name of the command in a command line, such as `state move`; empty if it names none."""
    names = [" ".join(arguments[:count]) for count in (2, 1) if arguments[:1] and arguments[0] in SUMMARIES]
    return next((name for name in names if list_exit_codes(name)), "")


def check_exit_code(arguments: Sequence[str], code: int) -> None:
    """Check the exit code of a run. `emulate -- COMMAND` may have any: that of its command."""
    if list(arguments[:1]) == ["emulate"] and "--" in arguments:
        return
    name = find_command_name(arguments)
    documented = [int(each) for each in list_exit_codes(name)]
    assert code in documented, f"`{name}` ended with {code}, and its help page has {documented}"
