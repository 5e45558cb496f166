"""Options that several commands share. They stand after the command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.usage import MisuseError
from reconciler.report.formats import Verbosity

DEFAULT_PROJECT = "specs/reconciler.yaml"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the shared options say."""

    project: Path
    sandbox: bool
    no_color: bool
    verbosity: Verbosity
    strict: bool = False
    compare_secrets: bool = True
    resend: tuple[str, ...] = ()
    recreate: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: str | None = None
    settings_from: str | None = None
    allowed: Mapping[str, float] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()
    resent_creates: tuple[str, ...] = ()
    events: Path | None = None
    parallelism: int = 8
    reason: str | None = None
    fail_fast: bool = False


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PROJECT: Decorator = click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=DEFAULT_PROJECT,
    show_default=True,
    envvar="RECONCILER_PROJECT",
    metavar="FILE",
    help="Project file. Also read from RECONCILER_PROJECT.",
)
_SANDBOX: Decorator = click.option(
    "--sandbox", is_flag=True, help="Use an embedded Fivetran instead of a real account."
)
_NO_COLOR: Decorator = click.option(
    "--no-color", is_flag=True, help="No colours. NO_COLOR in the environment does the same."
)


def no_color_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--no-color` alone; it gets it as `no_color`."""
    return _NO_COLOR(command)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options; it gets them as one value named `shared`."""

    @_PROJECT
    @_SANDBOX
    @_NO_COLOR
    @click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Results and diagnostics only, nothing about work that is going on.",
    )
    @click.option(
        "-v", "--verbose", is_flag=True, help="Also list what stays as it is, and each step of the work."
    )
    @functools.wraps(command)
    def with_shared(
        *, project: Path, sandbox: bool, no_color: bool, quiet: bool, verbose: bool, **options: Any
    ) -> Any:
        if quiet and verbose:
            raise MisuseError("`--quiet` and `--verbose` exclude each other", "leave one of them out")
        verbosity = Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL
        return command(shared=Shared(project, sandbox, no_color, verbosity), **options)

    return with_shared


def offline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that talks to no Fivetran and is done at once: only what means something there."""

    @_PROJECT
    @_NO_COLOR
    @functools.wraps(command)
    def with_shared(*, project: Path, no_color: bool, **options: Any) -> Any:
        return command(shared=Shared(project, False, no_color, Verbosity.NORMAL), **options)

    return with_shared


def state_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that only looks at what earlier runs left: no Fivetran, but one of two memories."""

    @_PROJECT
    @_SANDBOX
    @_NO_COLOR
    @functools.wraps(command)
    def with_shared(*, project: Path, sandbox: bool, no_color: bool, **options: Any) -> Any:
        return command(shared=Shared(project, sandbox, no_color, Verbosity.NORMAL), **options)

    return with_shared


def strict_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--strict`, which becomes part of the shared options. Stands below the shared ones."""

    @click.option(
        "--strict", is_flag=True, help="What the catalogue cannot check is an error, not a warning."
    )
    @functools.wraps(command)
    def with_strict(*, shared: Shared, strict: bool, **options: Any) -> Any:
        return command(shared=replace(shared, strict=strict), **options)

    return with_strict


def secrets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--secrets` and `--resend-secret`, which become part of the shared options. Stands below
    the shared ones."""

    @click.option(
        "--secrets",
        type=click.Choice(["resolve", "skip"]),
        default="resolve",
        show_default=True,
        help="`skip` compares no secrets, and a plan reads none then, for runs that may not.",
    )
    @click.option(
        "--resend-secret",
        "resend",
        metavar="GLOB",
        multiple=True,
        help="Send these secrets although they are unchanged or cannot be compared: an address, or ADDRESS:FIELD.",
    )
    @functools.wraps(command)
    def with_secrets(*, shared: Shared, secrets: str, resend: tuple[str, ...], **options: Any) -> Any:
        updated = replace(shared, compare_secrets=secrets == "resolve", resend=resend)
        return command(shared=updated, **options)

    return with_secrets


def recreate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--recreate`, which becomes part of the shared options. Stands below them."""

    @click.option(
        "--recreate",
        metavar="ADDRESS",
        multiple=True,
        help="Make this entry again, which is gone from Fivetran or hidden from these credentials: an address or a"
        " key, `*` for any text. A group brings its destination. Repeatable.",
    )
    @functools.wraps(command)
    def with_recreate(*, shared: Shared, recreate: tuple[str, ...], **options: Any) -> Any:
        return command(shared=replace(shared, recreate=recreate), **options)

    return with_recreate


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--target`, `--exclude` and `--changed-since`, which become part of the shared options. Stands
    below them."""

    @click.option(
        "--target",
        metavar="ADDRESS",
        multiple=True,
        help="Only this entry: an address or a key, `*` for any text. A destination brings its group. Repeatable.",
    )
    @click.option("--exclude", metavar="ADDRESS", multiple=True, help="Not this entry. Repeatable.")
    @click.option(
        "--changed-since",
        metavar="REV",
        help="Only entries that this branch changed since its merge base with this git revision, and unfinished"
        " work. What only the revision changed since is left alone.",
    )
    @functools.wraps(command)
    def with_scope(
        *,
        shared: Shared,
        target: tuple[str, ...],
        exclude: tuple[str, ...],
        changed_since: str | None,
        **options: Any,
    ) -> Any:
        updated = replace(shared, targets=target, excludes=exclude, changed_since=changed_since)
        return command(shared=updated, **options)

    return with_scope


def settings_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--settings-from`, which becomes part of the shared options. Stands below them."""

    @click.option(
        "--settings-from",
        metavar="REV",
        help="Take all but the specs (limits, policies, protected keys, state, account, settle, what secrets may come"
        " from) from the project file of this git revision, so that a change cannot loosen its own gate.",
    )
    @functools.wraps(command)
    def with_settings(*, shared: Shared, settings_from: str | None, **options: Any) -> Any:
        return command(shared=replace(shared, settings_from=settings_from), **options)

    return with_settings


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--parallelism` and `--events`, which become part of the shared options. Stands below them."""

    @click.option(
        "--parallelism",
        type=click.IntRange(1, 64),
        metavar="N",
        default=8,
        show_default=True,
        help="So many calls at the same time.",
    )
    @click.option(
        "--events",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Add a line of JSON to FILE for everything that happens: who runs this, and how each change ends.",
    )
    @functools.wraps(command)
    def with_run(*, shared: Shared, parallelism: int, events: Path | None, **options: Any) -> Any:
        return command(shared=replace(shared, parallelism=parallelism, events=events), **options)

    return with_run


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--format` with these choices; the first is the default. It gets it as `form`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How results are written. `json` is one document on stdout, also when the run fails.",
    )
