"""Adapt the completion of click to each shell: values behind `=`, names before `=`, descriptions with commas."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

VARIABLE = "_RECONCILER_COMPLETE"
"""Variable by which the script of a shell asks for completions."""


class _Bash(BashComplete):
    """Completion of bash, for which `=` is a word of its own. A value follows `NAME=`, so no blank does."""

    source_template = BashComplete.source_template.replace(
        "    return 0\n", "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n    return 0\n"
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete word, and the incomplete word."""
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


class _WholeWords(ShellComplete):
    """Completion of a shell that replaces the whole word, so that a value keeps the `--option=` before it."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """Complete the incomplete word."""
        items = super().get_completions(args, incomplete)
        name, equals, _ = incomplete.partition("=")
        if not (equals and name.startswith("--")):
            return items
        return [CompletionItem(f"{name}={item.value}", item.type, item.help) for item in items]


class _Zsh(_WholeWords, ZshComplete):
    """Completion of zsh, without a blank after `NAME=`."""

    source_template = ZshComplete.source_template.replace(
        '    if [ -n "$completions" ]; then',
        '    if [[ "$completions[1]" == *= ]]; then\n'
        '        compadd -U -S "" -V unsorted -a completions\n'
        '    elif [ -n "$completions" ]; then',
    )


class _Fish(_WholeWords, FishComplete):
    """Completion of fish that keeps descriptions with commas whole."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


SHELLS: Mapping[str, type[ShellComplete]] = MappingProxyType({"bash": _Bash, "zsh": _Zsh, "fish": _Fish})


def register_shells() -> None:
    """Let click use these completions in place of its own."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)
