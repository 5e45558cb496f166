"""Define the options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.completion_items import complete_address, complete_variable
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.model.given_variables import NAME_ADVICE, GivenVariables, is_variable_name
from reconciler.model.project_names import DEFAULT_PROJECT
from reconciler.report.formats import Verbosity
from reconciler.workspace.settings import DEFAULT_WORKERS, Settings

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


class _ProjectPath(click.Path):
    """Path of a project file. The variable of the environment has one path, whatever characters it holds."""

    def split_envvar_value(self, rv: str) -> list[str]:  # the signature is that of click
        """Return the value of the variable as the only path."""
        return [rv]


def _drop_repeated(
    context: click.Context, parameter: click.Parameter, projects: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Drop repeated names of a project file. The last name stays."""
    by_file = {os.path.realpath(path): path for path in projects}
    return tuple(by_file.values())


def _take_one(context: click.Context, parameter: click.Parameter, projects: tuple[Path, ...]) -> Path:
    """Take the only project. Raises MisuseError for several: a run of one of them would look like a run of all."""
    chosen = _drop_repeated(context, parameter, projects)
    if len(chosen) > 1:
        raise MisuseError(
            "`--project` is given for several projects",
            "run once per project; `plan` and `drift` take several",
        )
    return chosen[0]


def _define_project(callback: Callable[..., Any], help_suffix: str = "") -> Decorator:
    return option(
        OptionGroup.PROJECT,
        "--project",
        type=_ProjectPath(path_type=Path),
        multiple=True,
        default=lambda: (_find_project(),),
        show_default=f"{DEFAULT_PROJECT}, here or in a folder above",
        envvar=PROJECT_VARIABLE,
        metavar="FILE",
        callback=callback,
        help=f"Project file. Also read from RECONCILER_PROJECT.{help_suffix}",
    )


_PROJECT: Decorator = _define_project(_take_one)
_PROJECTS: Decorator = _define_project(_drop_repeated, " Repeatable: one result for each, and a table.")
_SANDBOX: Decorator = option(
    OptionGroup.CONNECTION,
    "--sandbox",
    is_flag=True,
    help="Use an embedded Fivetran instead of a real account.",
)
_NO_COLOR: Decorator = option(
    OptionGroup.OUTPUT,
    "--no-color",
    is_flag=True,
    help="Print no colours. Also set by NO_COLOR in the environment.",
)


def no_color_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--no-color` alone, as `no_color`."""
    return _NO_COLOR(command)


def sandbox_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--sandbox` alone, as `sandbox`."""
    return _SANDBOX(command)


_QUIET: Decorator = option(
    OptionGroup.OUTPUT, "-q", "--quiet", is_flag=True, help="Print results and diagnostics only, no progress."
)
_VERBOSE: Decorator = option(
    OptionGroup.OUTPUT,
    "-v",
    "--verbose",
    is_flag=True,
    help="Also list unchanged entries, all that is left out, and each step of the work.",
)


def _choose_verbosity(*, quiet: bool, verbose: bool) -> Verbosity:
    if quiet and verbose:
        raise MisuseError("`--quiet` and `--verbose` exclude each other", "leave one of them out")
    return Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every run, as `settings` and `output`."""

    @_PROJECT
    @_SANDBOX
    @_NO_COLOR
    @_QUIET
    @_VERBOSE
    @functools.wraps(command)
    def with_shared(
        *, project: Path, sandbox: bool, no_color: bool, quiet: bool, verbose: bool, **options: Any
    ) -> Any:
        verbosity = _choose_verbosity(quiet=quiet, verbose=verbose)
        settings = _make_settings(project, sandbox=sandbox)
        return command(settings=settings, output=OutputOptions(no_color, verbosity), **options)

    return with_shared


_ALL_PROJECTS: Decorator = option(
    OptionGroup.PROJECT,
    "--all",
    "is_all",
    is_flag=True,
    help="Every project file `reconciler.yaml` of the repository, or below this folder outside of a repository.",
)


def projects_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every run for one project or several, as `settings`, `output` and `projects`.

    `projects` is empty for a run about the project of `settings` alone.
    """

    @_PROJECTS
    @_ALL_PROJECTS
    @_SANDBOX
    @_NO_COLOR
    @_QUIET
    @_VERBOSE
    @functools.wraps(command)
    def with_projects(
        *,
        project: tuple[Path, ...],
        is_all: bool,
        sandbox: bool,
        no_color: bool,
        quiet: bool,
        verbose: bool,
        **options: Any,
    ) -> Any:
        verbosity = _choose_verbosity(quiet=quiet, verbose=verbose)
        chosen = _list_all_projects() if is_all else project
        settings = _make_settings(chosen[0], sandbox=sandbox)
        return command(
            settings=settings,
            output=OutputOptions(no_color, verbosity),
            projects=chosen if is_all or len(chosen) > 1 else (),
            **options,
        )

    return with_projects


def _list_all_projects() -> tuple[Path, ...]:
    """List every project file. Raises MisuseError if there is none, or if the command line names project files too."""
    from reconciler.workspace.project_search import find_all_projects

    source = click.get_current_context().get_parameter_source("project")
    if source is click.core.ParameterSource.COMMANDLINE:
        raise MisuseError("`--all` and `--project` exclude each other", "leave one of them out")
    found = find_all_projects(Path.cwd())
    if not found:
        raise MisuseError("`--all` finds no project file `reconciler.yaml`", "name it: `--project FILE`")
    return found


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

    @option(OptionGroup.SAFETY, "--strict", is_flag=True, help="Treat unknown services and fields as errors.")
    @functools.wraps(command)
    def with_strict(*, settings: Settings, strict: bool, **options: Any) -> Any:
        return command(settings=replace(settings, strict=strict), **options)

    return with_strict


def connections_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--connections`, as part of `settings`. Stands below the options that make the settings."""

    @option(
        OptionGroup.OUTPUT,
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

    @option(
        OptionGroup.PROJECT,
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


_SECRETS: Decorator = option(
    OptionGroup.SECRETS,
    "--secrets",
    type=click.Choice(["resolve", "skip"]),
    default="resolve",
    show_default=True,
    help="`skip`: do not read or compare secrets (for runs without access).",
)


def secrets_mode_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--secrets` alone, as part of `settings`. Stands below the options that make the settings."""

    @_SECRETS
    @functools.wraps(command)
    def with_mode(*, settings: Settings, secrets: str, **options: Any) -> Any:
        return command(settings=replace(settings, compare_secrets=secrets == "resolve"), **options)

    return with_mode


def secrets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--secrets` and `--resend-secret`, as part of `settings`. Stands below the shared options."""

    @_SECRETS
    @option(
        OptionGroup.SECRETS,
        "--resend-secret",
        "resend",
        metavar="GLOB",
        multiple=True,
        shell_complete=complete_address,
        help="Send these secrets even if they are unchanged or cannot be compared: a key, an address, or ADDRESS:FIELD."
        " Repeatable. `apply --secrets-as-they-are` records them as what Fivetran has instead.",
    )
    @functools.wraps(command)
    def with_secrets(*, settings: Settings, secrets: str, resend: tuple[str, ...], **options: Any) -> Any:
        updated = replace(settings, compare_secrets=secrets == "resolve", resend=resend)
        return command(settings=updated, **options)

    return with_secrets


def recreate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--recreate`, as part of `settings`. Stands below the shared options."""

    @option(
        OptionGroup.SAFETY,
        "--recreate",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=complete_address,
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

    @option(
        OptionGroup.SCOPE,
        "--target",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=complete_address,
        help="Only this entry: an address or a key, `*` for any text. A destination includes its group. Repeatable.",
    )
    @option(
        OptionGroup.SCOPE,
        "--exclude",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=complete_address,
        help="Not this entry. Repeatable.",
    )
    @option(
        OptionGroup.SCOPE,
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

    @option(
        OptionGroup.SAFETY,
        "--settings-from",
        metavar="REV",
        help="Read everything but the specs (limits, policies, protected keys, state, account, settle, sources of"
        " secrets) from the project file of this git revision, so that a change cannot loosen its own checks.",
    )
    @functools.wraps(command)
    def with_revision(*, settings: Settings, settings_from: str | None, **options: Any) -> Any:
        return command(settings=replace(settings, settings_from=settings_from), **options)

    return with_revision


_PARALLELISM: Decorator = option(
    OptionGroup.CONNECTION,
    "--parallelism",
    type=click.IntRange(1, 64),
    metavar="N",
    default=None,
    show_default=f"{2 * DEFAULT_WORKERS} reads, {DEFAULT_WORKERS} changes",
    help="Concurrent API calls.",
)


def parallelism_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--parallelism` alone, as part of `settings`. Stands below the shared options."""

    @_PARALLELISM
    @functools.wraps(command)
    def with_parallelism(*, settings: Settings, parallelism: int | None, **options: Any) -> Any:
        return command(settings=replace(settings, parallelism=parallelism), **options)

    return with_parallelism


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--parallelism`, as part of `settings`, and `--events`, as part of `output`. Stands below the
    shared options."""

    @_PARALLELISM
    @option(
        OptionGroup.OUTPUT,
        "--events",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Append one line of JSON to FILE for every event: the user who starts the run, the end of each change.",
    )
    @functools.wraps(command)
    def with_run(
        *,
        settings: Settings,
        output: OutputOptions,
        parallelism: int | None,
        events: Path | None,
        **options: Any,
    ) -> Any:
        return command(
            settings=replace(settings, parallelism=parallelism),
            output=replace(output, events=events),
            **options,
        )

    return with_run


def full_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--full`, as part of `output`. Stands below the options that make it."""

    @option(
        OptionGroup.OUTPUT,
        "--full",
        "is_full",
        is_flag=True,
        help="Show each change by itself, also equal changes.",
    )
    @functools.wraps(command)
    def with_full(*, output: OutputOptions, is_full: bool, **options: Any) -> Any:
        return command(output=replace(output, is_full=is_full), **options)

    return with_full


def verbose_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--verbose` alone, as part of `output`. Stands below the options that make it."""

    @_VERBOSE
    @functools.wraps(command)
    def with_verbose(*, output: OutputOptions, verbose: bool, **options: Any) -> Any:
        verbosity = _choose_verbosity(quiet=False, verbose=verbose)
        return command(output=replace(output, verbosity=verbosity), **options)

    return with_verbose


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--format` with these choices, as `form`. The first choice is the default."""
    return option(
        OptionGroup.OUTPUT,
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        metavar="FORMAT",  # a line has no room for all choices
        help=f"Format of the results: {', '.join(formats)}. `json` is one document on stdout, also if the run fails.",
    )
