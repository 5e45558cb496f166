"""Read the project file: the account, the specs, and the defaults that specs share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.model.budget import Budget
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.duration import DURATION_PATTERN, parse_duration
from reconciler.model.source import Span
from reconciler.model.state_location import StateLocation, StateLocationError, parse_state_location
from reconciler.spec.allowed_sources import SecretRules, SecretsBlock, build_secret_rules
from reconciler.spec.files import display_path
from reconciler.spec.nodes import MappingNode, Scalar, Sequence
from reconciler.spec.schema import (
    Identifier,
    MappingValue,
    OptionalMapping,
    StrictModel,
    Version,
    validate_model,
)
from reconciler.spec.source import parse, read_text


def _check_state_location(text: str) -> str:
    try:
        parse_state_location(text)
    except StateLocationError as error:
        context = {"text": str(error), "help": error.advice, "secret": error.secret}
        raise PydanticCustomError("wrong-shape", "{text}", context) from None
    return text


StateLocationText: TypeAlias = Annotated[str, AfterValidator(_check_state_location)]

MAX_SETTLE = timedelta(days=1)


def _require_unit(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        context = {"text": f"`{value}` has no unit", "help": f"write for example `{value:g}s`"}
        raise PydanticCustomError("wrong-shape", "{text}", context)
    return value


def _check_settle(text: str) -> str:
    try:
        if parse_duration(text) <= MAX_SETTLE:
            return text
        problem, advice = f"`{text}` is too long", "write at most `24h`"
    except ValueError:
        problem, advice = f"`{text}` is no duration", "write for example `900s`, `15m` or `1h`"
    raise PydanticCustomError("wrong-shape", "{text}", {"text": problem, "help": advice})


SettleDuration: TypeAlias = Annotated[
    str,
    BeforeValidator(_require_unit),
    AfterValidator(_check_settle),
    Field(json_schema_extra={"pattern": DURATION_PATTERN}),
]


class Limits(StrictModel):
    """How much one apply may do, unless the operator allows more."""

    deletes: int = Field(
        1, ge=0, description="Destinations and groups that one apply may delete, pairs as one."
    )
    replacements: int = Field(1, ge=0, description="Destinations that one apply may delete and create again.")
    changed_fraction: float = Field(
        0.3, ge=0, le=1, description="Part of all managed objects that one apply may change, from ten on."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
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
    root: MappingNode
    specs: tuple[Scalar, ...]
    overrides: tuple[Scalar, ...] = ()
    account_id: str | None = None
    account_id_span: Span | None = None
    defaults: MappingNode | None = None
    secrets: SecretRules = field(default_factory=SecretRules)
    state: StateLocation | None = None
    fingerprint_key: MappingNode | None = None
    protected: tuple[str, ...] = ()
    policies: tuple[MappingNode, ...] = ()
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    settle: timedelta = timedelta(minutes=15)
    settings_shown: str = ""


def _check_pattern(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("wrong-shape", "a path is not empty", {"help": "write a path or a glob"})
    return text


Pattern: TypeAlias = Annotated[str, AfterValidator(_check_pattern)]


class _DefaultsBlock(StrictModel):
    destination: OptionalMapping = Field(None, description="What every destination starts from.")


class ProjectFile(StrictModel):
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
    defaults: _DefaultsBlock = Field(_DefaultsBlock(), description="What every entry starts from.")
    state: StateLocationText = Field(
        "",
        description="What remembers what runs did: a file, relative to this one; `git:REMOTE/BRANCH`; or an object,"
        " as `s3://bucket/key`.",
    )
    fingerprint_key: OptionalMapping = Field(
        None,
        description="Where the key of secret fingerprints comes from; left out, one is kept beside the state.",
    )
    protected: list[Pattern] = Field(
        default_factory=list, description="Keys, as globs, that are never deleted, whatever a spec says."
    )
    policies: list[MappingValue] = Field(
        default_factory=list, description="What specs may say and what one apply may do: rules of the team."
    )
    limits: Limits = Field(Limits(), description="How much one apply may do.")
    budget: Budget = Field(Budget(), description="How many calls the account may make.")
    settle: SettleDuration = Field(
        "15m",
        description="How long a request to create something may take effect after its answer was lost. Until then no"
        " run makes it again. `0s`: the next run does at once.",
    )
    secrets: SecretsBlock = Field(
        SecretsBlock(), description="What specs may refer to, and how it is fetched."
    )


PROJECT_LEVELS = {
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
    """Read the project file. Its spans have the path `shown` (default: the path as seen from `shown_from`).

    Raises ReconcilerError, also if the file does not exist.
    """
    path = project_file if project_file.is_absolute() else shown_from / project_file
    shown = shown or display_path(path, shown_from)
    if not os.path.exists(path):  # noqa: PTH110 - false, not an error, for names that no file can have
        raise ReconcilerError([_no_project_error(shown)])
    root = parse(read_text(path, shown), shown)
    content = validate_model(ProjectFile, root, PROJECT_LEVELS)
    return Project(
        path=path,
        directory=path.parent,
        shown=shown,
        root=root,
        specs=_read_texts(root, "specs"),
        overrides=_read_texts(root, "overrides"),
        account_id=content.account_id or None,
        account_id_span=root.entries["account_id"].node.span if "account_id" in root else None,
        defaults=content.defaults.destination,
        secrets=build_secret_rules(root, content.secrets),
        state=parse_state_location(content.state) if content.state else None,
        fingerprint_key=content.fingerprint_key,
        protected=tuple(content.protected),
        policies=tuple(content.policies),
        limits=content.limits,
        budget=content.budget,
        settle=parse_duration(content.settle),
    )


def with_settings_of(project: Project, settings: Project) -> Project:
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


def _read_texts(root: MappingNode, key: str) -> tuple[Scalar, ...]:
    node = root.get(key)
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(item for item in items if isinstance(item, Scalar))


def _no_project_error(shown: str) -> Diagnostic:
    return Diagnostic(
        "file-unreadable",
        f"there is no project file `{shown}`",
        help="change to the directory of your specs, or name the file: `--project FILE`",
    )
