"""Define the options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.completion_items import complete_variable
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.model.given_variables import NAME_ADVICE, GivenVariables, is_variable_name
from reconciler.report.formats import Verbosity
from reconciler.workspace.project_search import DEFAULT_PROJECT
from reconciler.workspace.settings import Settings

PROJECT_VARIABLE = "RECONCILER_PROJECT"


def _find_project() -> Path:
    from reconciler.workspace.project_search import find_project  # heavy, and `--help` does not need it

    return find_project(Path.cwd())


def _make_settings(project: Path, *, sandbox: bool = False) -> Settings:
    from reconciler.cli.context import make_settings  # heavy, and `--help` does not need it

    source = click.get_current_context().get_parameter_source("project")
    is_named = source is not click.core.ParameterSource.DEFAULT
    return replace(make_settings(project, sandbox=sandbox), is_project_named=is_named)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PROJECT: Decorator = click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=_find_project,
    show_default=f"{DEFAULT_PROJECT}, here or in a folder above",
    envvar=PROJECT_VARIABLE,
    metavar="FILE",
    help="Project file. Also read from RECONCILER_PROJECT.",
)
_SANDBOX: Decorator = click.option(
    "--sandbox", is_flag=True, help="Use an embedded Fivetran instead of a real account."
)
_NO_COLOR: Decorator = click.option(
    "--no-color", is_flag=True, help="Print no colours. Also set by NO_COLOR in the environment."
)


def no_color_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--no-color` alone, as `no_color`."""
    return _NO_COLOR(command)


def sandbox_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--sandbox` alone, as `sandbox`."""
    return _SANDBOX(command)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every run, as `settings` and `output`."""

    @_PROJECT
    @_SANDBOX
    @_NO_COLOR
    @click.option("-q", "--quiet", is_flag=True, help="Print results and diagnostics only, no progress.")
    @click.option(
        "-v", "--verbose", is_flag=True, help="Also list unchanged entries and each step of the work."
    )
    @functools.wraps(command)
    def with_shared(
        *, project: Path, sandbox: bool, no_color: bool, quiet: bool, verbose: bool, **options: Any
    ) -> Any:
        if quiet and verbose:
            raise MisuseError("`--quiet` and `--verbose` exclude each other", "leave one of them out")
        verbosity = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL
        settings = _make_settings(project, sandbox=sandbox)
        return command(settings=settings, output=OutputOptions(no_color, verbosity), **options)

    return with_shared


def offline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a short run without Fivetran, as `settings` and `output`."""

    @_PROJECT
    @_NO_COLOR
    @functools.wraps(command)
    def with_shared(*, project: Path, no_color: bool, **options: Any) -> Any:
        return command(settings=_make_settings(project), output=OutputOptions(no_color), **options)

    return with_shared


def state_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a run on the state, as `settings` and `output`. The sandbox has its own state."""

    @_PROJECT
    @_SANDBOX
    @_NO_COLOR
    @functools.wraps(command)
    def with_shared(*, project: Path, sandbox: bool, no_color: bool, **options: Any) -> Any:
        settings = _make_settings(project, sandbox=sandbox)
        return command(settings=settings, output=OutputOptions(no_color), **options)

    return with_shared


def strict_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--strict`, as part of `settings`. Stands below the options that make the settings."""

    @click.option("--strict", is_flag=True, help="Treat unknown services and fields as errors.")
    @functools.wraps(command)
    def with_strict(*, settings: Settings, strict: bool, **options: Any) -> Any:
        return command(settings=replace(settings, strict=strict), **options)

    return with_strict


def connections_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--connections`, as part of `settings`. Stands below the options that make the settings."""

    @click.option(
        "--connections",
        is_flag=True,
        help="Also list the connections of groups and destinations without an entry: one more request per group.",
    )
    @functools.wraps(command)
    def with_connections(*, settings: Settings, connections: bool, **options: Any) -> Any:
        return command(settings=replace(settings, lists_connections=connections), **options)

    return with_connections


def _parse_variables(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> GivenVariables:
    """Parse `NAME=VALUE` options. The specs decide about the values."""
    texts: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not is_variable_name(name):
            problem = (
                f"`--var` needs `NAME=VALUE`, and {'no name stands' if equals else 'no `=` stands'} there"
            )
            raise MisuseError(problem, f"{NAME_ADVICE}: `--var ENVIRONMENT=dev`")
        if name in texts:
            raise MisuseError(f"`--var {name}` is given twice", "give each variable once")
        texts[name] = value
    return GivenVariables(texts)


def variables_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--var`, as part of `settings`. Stands below the options that make the settings."""

    @click.option(
        "--var",
        "given",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_parse_variables,
        shell_complete=complete_variable,
        help="Value of a variable of the specs, instead of its definition below `vars:`. Repeatable.",
    )
    @functools.wraps(command)
    def with_variables(*, settings: Settings, given: GivenVariables, **options: Any) -> Any:
        return command(settings=replace(settings, given=given), **options)

    return with_variables


def secrets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--secrets` and `--resend-secret`, as part of `settings`. Stands below the shared options."""

    @click.option(
        "--secrets",
        type=click.Choice(["resolve", "skip"]),
        default="resolve",
        show_default=True,
        help="`skip`: do not read or compare secrets (for runs without access).",
    )
    @click.option(
        "--resend-secret",
        "resend",
        metavar="GLOB",
        multiple=True,
        help="Send these secrets even if they are unchanged or cannot be compared: a key, an address, or ADDRESS:FIELD."
        " Repeatable.",
    )
    @functools.wraps(command)
    def with_secrets(*, settings: Settings, secrets: str, resend: tuple[str, ...], **options: Any) -> Any:
        updated = replace(settings, compare_secrets=secrets == "resolve", resend=resend)
        return command(settings=updated, **options)

    return with_secrets


def recreate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--recreate`, as part of `settings`. Stands below the shared options."""

    @click.option(
        "--recreate",
        metavar="ADDRESS",
        multiple=True,
        help="Create this entry again if it is gone from Fivetran or hidden from these credentials: an address or a"
        " key, `*` for any text. A group includes its destination. Repeatable.",
    )
    @functools.wraps(command)
    def with_recreate(*, settings: Settings, recreate: tuple[str, ...], **options: Any) -> Any:
        return command(settings=replace(settings, recreate=recreate), **options)

    return with_recreate


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--target`, `--exclude` and `--changed-since`, as part of `settings`. Stands below the shared
    options."""

    @click.option(
        "--target",
        metavar="ADDRESS",
        multiple=True,
        help="Only this entry: an address or a key, `*` for any text. A destination includes its group. Repeatable.",
    )
    @click.option("--exclude", metavar="ADDRESS", multiple=True, help="Not this entry. Repeatable.")
    @click.option(
        "--changed-since",
        metavar="REV",
        help="Only entries whose resolved specs differ from the merge base with this git revision, and unfinished"
        " work. Later changes of the revision are left alone.",
    )
    @functools.wraps(command)
    def with_scope(
        *,
        settings: Settings,
        target: tuple[str, ...],
        exclude: tuple[str, ...],
        changed_since: str | None,
        **options: Any,
    ) -> Any:
        updated = replace(settings, targets=target, excludes=exclude, changed_since=changed_since)
        return command(settings=updated, **options)

    return with_scope


def settings_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--settings-from`, as part of `settings`. Stands below the options that make the settings."""

    @click.option(
        "--settings-from",
        metavar="REV",
        help="Read everything but the specs (limits, policies, protected keys, state, account, settle, sources of"
        " secrets) from the project file of this git revision, so that a change cannot loosen its own checks.",
    )
    @functools.wraps(command)
    def with_revision(*, settings: Settings, settings_from: str | None, **options: Any) -> Any:
        return command(settings=replace(settings, settings_from=settings_from), **options)

    return with_revision


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--parallelism`, as part of `settings`, and `--events`, as part of `output`. Stands below the
    shared options."""

    @click.option(
        "--parallelism",
        type=click.IntRange(1, 64),
        metavar="N",
        default=8,
        show_default=True,
        help="Concurrent API calls.",
    )
    @click.option(
        "--events",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Append one line of JSON to FILE for every event: the user who starts the run, the end of each change.",
    )
    @functools.wraps(command)
    def with_run(
        *, settings: Settings, output: OutputOptions, parallelism: int, events: Path | None, **options: Any
    ) -> Any:
        return command(
            settings=replace(settings, parallelism=parallelism),
            output=replace(output, events=events),
            **options,
        )

    return with_run


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--format` with these choices, as `form`. The first choice is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Format of the results. `json` is one document on stdout, also if the run fails.",
    )
