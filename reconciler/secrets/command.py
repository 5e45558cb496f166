"""Read `command:NAME` and `command:NAME#member` from the output of commands.

Specs choose among the commands of the project file; they never hold a command line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, decode_text
from reconciler.secrets.program import ProgramFailed, find_program, run_program

COMMAND_SCHEME = "command"
_STDERR_NOTE = "its error output is not shown, since it may hold secrets"


def validate_reference(reference: Reference, names: Collection[str]) -> tuple[str, str] | None:
    """Validate a reference to one of the commands `names`. Returns problem and advice; None if valid."""
    if reference.locator in names:
        return None
    known_names = ", ".join(f"`{name}`" for name in sorted(names))
    advice = did_you_mean(reference.locator, names) or (
        f"the project file names {known_names}"
        if known_names
        else "name it in the project file below `secrets.commands:`"
    )
    return "the project file names no such command", advice


class Commands:
    """Store of named commands, each an argument list that never passes through a shell."""

    def __init__(self, commands: Mapping[str, Sequence[str]], context: StoreContext) -> None:
        """Create a store of `commands`, argument lists by name.

        Every command runs in the project's directory. Relative paths of programs start there too.
        """
        self._commands = commands
        self._context = context

    def read(self, reference: Reference) -> str:
        """Read the whole output of a command, without the last line end.

        Raises SecretUnavailable if the command is unknown, cannot be started, fails, takes longer than the
        timeout, or prints more than 1 MiB or bytes that are not UTF-8.
        """
        argv = self._commands.get(reference.locator)
        if argv is None:
            raise SecretUnavailable(reference, "the project file names no such command")
        program = find_program(argv[0], self._context)
        if program is None:
            raise SecretUnavailable(reference, f"the program `{argv[0]}` of the command is not installed")
        try:
            output = run_program([program, *argv[1:]], self._context)
        except ProgramFailed as failure:
            raise SecretUnavailable(reference, f"the command {failure.reason}") from None
        if output.code < 0:
            raise SecretUnavailable(
                reference, f"the command was ended by signal {-output.code}; {_STDERR_NOTE}"
            )
        if output.code:
            raise SecretUnavailable(
                reference, f"the command ended with exit code {output.code}; {_STDERR_NOTE}"
            )
        return decode_text(output.data, reference)
