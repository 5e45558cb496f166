"""Declare options with the group in which help pages list them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


class OptionGroup(StrEnum):
    """Heading above options of a help page. All pages have the headings in this order."""

    COMMAND = "Options"
    SCOPE = "Scope"
    PROJECT = "Project"
    SAVED_PLAN = "Saved plan"
    SAFETY = "Safety"
    SECRETS = "Secrets"
    STATE = "State and locks"
    ACCOUNT = "Emulated account"
    FAULTS = "Emulated faults"
    SERVERS = "Emulated servers and tests"
    CONNECTION = "Connection"
    OUTPUT = "Output"
    HELP = "Help"


class GroupedOption(click.Option):
    """Option with its group."""

    def __init__(self, *arguments: Any, group: OptionGroup = OptionGroup.COMMAND, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.group = group


def option(group: OptionGroup, *names: str, **attributes: Any) -> Callable[[_Function], _Function]:
    """Declare an option as `click.option` does, in a group. An option that `click.option` declares is in the group of
    the command itself."""
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


def get_group(parameter: click.Option) -> OptionGroup:
    """Return the group of an option. click itself defines the options for help and the version."""
    if isinstance(parameter, GroupedOption):
        return parameter.group
    return OptionGroup.HELP if {"--help", "--version"} & {*parameter.opts} else OptionGroup.COMMAND
