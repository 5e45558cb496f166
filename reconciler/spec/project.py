"""The project file: which account, which specs, what they share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.duration import DURATION_PATTERN, parse_duration
from reconciler.model.place import Place, PlaceError, parse_place
from reconciler.model.source import Span
from reconciler.spec.files import shown_path
from reconciler.spec.schema import Identifier, Mapped, MaybeMapped, Skeleton, Version, validated
from reconciler.spec.source import parse, read
from reconciler.spec.sources import SecretRules, SecretsBlock, secret_rules
from reconciler.spec.tree import Scalar, Sequence, Table


def _place(text: str) -> str:
    try:
        parse_place(text)
    except PlaceError as error:
        context = {"text": str(error), "help": error.advice, "secret": error.secret}
        raise PydanticCustomError("wrong-shape", "{text}", context) from None
    return text


StatePlace: TypeAlias = Annotated[str, AfterValidator(_place)]

LONGEST_SETTLE = timedelta(days=1)


def _with_unit(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        context = {"text": f"`{value}` has no unit", "help": f"write for example `{value:g}s`"}
        raise PydanticCustomError("wrong-shape", "{text}", context)
    return value


def _settle(text: str) -> str:
    try:
        if parse_duration(text) <= LONGEST_SETTLE:
            return text
        problem, advice = f"`{text}` is too long", "write at most `24h`"
    except ValueError:
        problem, advice = f"`{text}` is no duration", "write for example `900s`, `15m` or `1h`"
    raise PydanticCustomError("wrong-shape", "{text}", {"text": problem, "help": advice})


Settle: TypeAlias = Annotated[
    str,
    BeforeValidator(_with_unit),
    AfterValidator(_settle),
    Field(json_schema_extra={"pattern": DURATION_PATTERN}),
]


class LimitsBlock(Skeleton):
    """How much one apply may do, unless whoever applies allows more."""

    deletes: int = Field(
        1, ge=0, description="Destinations and groups that one apply may delete, pairs as one."
    )
    replacements: int = Field(1, ge=0, description="Destinations that one apply may delete and create again.")
    changed_fraction: float = Field(
        0.3, ge=0, le=1, description="Part of all managed objects that one apply may change, from ten on."
    )


class BudgetBlock(Skeleton):
    """How many calls the account may make. The defaults are those of a paid account."""

    requests_per_hour: int = Field(
        20_000, ge=1, description="Calls within any hour. A trial account has 500."
    )
    setup_tests_per_minute: int = Field(
        250, ge=1, description="Runs of setup tests within any minute. A trial account has 25."
    )
    setup_tests_per_hour: int = Field(
        2_500, ge=1, description="Runs of setup tests within any hour. A trial account has 50."
    )


@dataclass(frozen=True, slots=True)
class Project:
    """A project file that was read and found in order.

    `directory` is absolute; all relative paths of a project and of its `file:` references start
    there. `specs` and `overrides` are paths and globs as written, each with its place. `defaults`
    is what every destination starts from. `settings_shown` is the file that everything else was taken
    from, as shown to people, where that is not this file as it stands. `settle` is how long a create
    without an answer may still take effect.
    """

    path: Path
    directory: Path
    shown: str
    root: Table
    specs: tuple[Scalar, ...]
    overrides: tuple[Scalar, ...] = ()
    account_id: str | None = None
    account_id_span: Span | None = None
    defaults: Table | None = None
    secrets: SecretRules = field(default_factory=SecretRules)
    state: Place | None = None
    fingerprint_key: Table | None = None
    protected: tuple[str, ...] = ()
    policies: tuple[Table, ...] = ()
    limits: LimitsBlock = field(default_factory=LimitsBlock)
    budget: BudgetBlock = field(default_factory=BudgetBlock)
    settle: timedelta = timedelta(minutes=15)
    settings_shown: str = ""


def _pattern(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("wrong-shape", "a path is not empty", {"help": "write a path or a glob"})
    return text


Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern)]


class _Defaults(Skeleton):
    destination: MaybeMapped = Field(None, description="What every destination starts from.")


class ProjectFile(Skeleton):
    version: Version
    specs: list[Pattern] = Field(
        min_length=1, description="Paths and globs of spec files, relative to this file."
    )
    account_id: Identifier = Field(
        "", description="The account that the specs are for. Credentials of another one are refused."
    )
    overrides: list[Pattern] = Field(
        default_factory=list, description="Paths and globs of files whose entries are merged last."
    )
    defaults: _Defaults = Field(_Defaults(), description="What every entry starts from.")
    state: StatePlace = Field(
        "",
        description="What remembers what runs did: a file, relative to this one; `git:REMOTE/BRANCH`; or an object,"
        " as `s3://bucket/key`.",
    )
    fingerprint_key: MaybeMapped = Field(
        None,
        description="Where the key of secret fingerprints comes from; left out, one is kept beside the state.",
    )
    protected: list[Pattern] = Field(
        default_factory=list, description="Keys, as globs, that are never deleted, whatever a spec says."
    )
    policies: list[Mapped] = Field(
        default_factory=list, description="What specs may say and what one apply may do: rules of the team."
    )
    limits: LimitsBlock = Field(LimitsBlock(), description="How much one apply may do.")
    budget: BudgetBlock = Field(BudgetBlock(), description="How many calls the account may make.")
    settle: Settle = Field(
        "15m",
        description="How long a request to create something may take effect after its answer was lost. Until then no"
        " run makes it again. `0s`: the next run does at once.",
    )
    secrets: SecretsBlock = Field(
        SecretsBlock(), description="What specs may refer to, and how it is fetched."
    )


LEVELS = {
    "specs": 1,
    "overrides": 1,
    "defaults": 1,
    "protected": 1,
    "policies": 1,
    "limits": 1,
    "budget": 1,
    "secrets": 3,
}


def read_project(project_file: Path, shown_from: Path, shown: str = "") -> Project:
    """The project that a file describes, its spans with the path `shown` (default: as seen from `shown_from`).

    Raises ReconcilerError, also where the file does not exist.
    """
    path = project_file if project_file.is_absolute() else shown_from / project_file
    shown = shown or shown_path(path, shown_from)
    if not os.path.exists(path):  # noqa: PTH110 - false, not an error, for names that no file can have
        raise ReconcilerError([_no_project(shown)])
    root = parse(read(path, shown), shown)
    skeleton = validated(ProjectFile, root, LEVELS)
    return Project(
        path,
        path.parent,
        shown,
        root,
        _texts(root, "specs"),
        _texts(root, "overrides"),
        skeleton.account_id or None,
        root.entries["account_id"].node.span if "account_id" in root else None,
        skeleton.defaults.destination,
        secret_rules(root, skeleton.secrets),
        parse_place(skeleton.state) if skeleton.state else None,
        skeleton.fingerprint_key,
        tuple(skeleton.protected),
        tuple(skeleton.policies),
        skeleton.limits,
        skeleton.budget,
        parse_duration(skeleton.settle),
    )


def judged_by(project: Project, settings: Project) -> Project:
    """A project under the settings of another. It keeps only what says which entries there are, and where."""
    return replace(
        settings,
        path=project.path,
        directory=project.directory,
        shown=project.shown,
        root=project.root,
        specs=project.specs,
        overrides=project.overrides,
        defaults=project.defaults,
        settings_shown=settings.shown,
    )


def _texts(root: Table, key: str) -> tuple[Scalar, ...]:
    node = root.get(key)
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(each for each in items if isinstance(each, Scalar))


def _no_project(shown: str) -> Diagnostic:
    return Diagnostic(
        "file-unreadable",
        f"there is no project file `{shown}`",
        help="change to the directory of your specs, or name the file: `--project FILE`",
    )
