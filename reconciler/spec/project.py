"""Read the project file: the account, the specs, and the defaults that specs share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from reconciler.model.budget import Budget
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors, sort_diagnostics
from reconciler.model.duration import DURATION_PATTERN, parse_duration
from reconciler.model.home_path import HOME_ADVICE, HOME_PROBLEM, starts_at_home
from reconciler.model.project_names import PROJECT_NAMES
from reconciler.model.source import Span
from reconciler.model.state_location import StateLocation, StateLocationError, parse_state_location
from reconciler.spec.allowed_sources import SecretRules
from reconciler.spec.excerpt_masking import Keys, mask_lines, may_hold_secret
from reconciler.spec.files import RevisionCopy, SearchArea, build_search_area, display_path
from reconciler.spec.nodes import MappingNode, Scalar
from reconciler.spec.requires import ReleaseRange, check_release
from reconciler.spec.reused_parts import ReusedParts, parse_file
from reconciler.spec.schema import (
    Identifier,
    Levels,
    LocatedText,
    MappingValue,
    OptionalMapping,
    StrictModel,
    Version,
    list_nodes,
    validate_model,
)
from reconciler.spec.source import read_text
from reconciler.spec.spec_text import SpecTexts, drop_covered
from reconciler.spec.timeouts import TimeoutRules
from reconciler.spec.unsaved import NO_UNSAVED_FILES, UnsavedFiles
from reconciler.spec.variable_places import VARS
from reconciler.spec.variables import VariableDefinitions

MAX_SETTLE = timedelta(days=1)


def _parse_state(text: Any) -> StateLocation:
    _require_text(text)
    try:
        return parse_state_location(text)
    except StateLocationError as error:
        context = {"text": str(error), "help": error.advice, "secret": error.secret}
        raise PydanticCustomError("wrong-shape", "{text}", context) from None


def _parse_settle(text: Any) -> timedelta:
    if isinstance(text, int | float) and not isinstance(text, bool):
        context = {"text": f"`{text}` has no unit", "help": f"write for example `{text:g}s`"}
        raise PydanticCustomError("wrong-shape", "{text}", context)
    _require_text(text)
    try:
        settle = parse_duration(text)
    except ValueError:
        problem, advice = f"`{text}` is no duration", "write for example `900s`, `15m` or `1h`"
    else:
        if settle <= MAX_SETTLE:
            return settle
        problem, advice = f"`{text}` is too long", "write at most `24h`"
    raise PydanticCustomError("wrong-shape", "{text}", {"text": problem, "help": advice})


def _require_text(value: Any) -> None:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text belongs here")


def _check_pattern(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("wrong-shape", "a path is not empty", {"help": "write a path or a glob"})
    return text


def _require_entry(patterns: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    if not patterns:  # `min_length` would count a bad entry as a missing one too
        raise PydanticCustomError("too_short", "at least one entry belongs here")
    return patterns


def _check_located_pattern(node: Scalar) -> Scalar:
    _check_pattern(node.as_written)
    if starts_at_home(node.as_written):
        raise PydanticCustomError("wrong-shape", HOME_PROBLEM, {"help": HOME_ADVICE})
    return node


OptionalState: TypeAlias = Annotated[
    StateLocation | None, PlainValidator(_parse_state, json_schema_input_type=str)
]
Settle: TypeAlias = Annotated[timedelta, PlainValidator(_parse_settle, json_schema_input_type=str)]
Pattern: TypeAlias = Annotated[str, AfterValidator(_check_pattern)]
LocatedPatterns: TypeAlias = Annotated[
    tuple[Annotated[LocatedText, AfterValidator(_check_located_pattern)], ...], BeforeValidator(list_nodes)
]


class Limits(StrictModel):
    """Limits of one apply, unless the operator allows more."""

    deletes: int = Field(
        1, ge=0, description="Entries that one apply may delete. A group and its destination count as one."
    )
    replacements: int = Field(1, ge=0, description="Destinations that one apply may delete and create again.")
    revokes: int = Field(
        1, ge=0, description="Destinations of which one apply may revoke approvals of servers."
    )
    changed_fraction: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Part of all managed objects that one apply may change. Only from ten objects on.",
    )


class WarningRules(StrictModel):
    """Settings of warnings."""

    ignore: tuple[MappingValue, ...] = Field(
        (), description="Warnings that are no problem here, by their codes and entries, with the reasons."
    )


class _DefaultsBlock(StrictModel):
    destination: OptionalMapping = Field(None, description="Settings that every destination starts from.")


class ProjectFile(StrictModel):
    # A docstring would become the description of the published schema.
    version: Version
    specs: Annotated[LocatedPatterns, AfterValidator(_require_entry)] = Field(
        json_schema_extra={"minItems": 1}, description="Paths and globs of spec files, relative to this file."
    )
    account_id: Identifier = Field(
        "", description="Account of the specs. Credentials of another account are refused."
    )
    overrides: LocatedPatterns = Field(
        (), description="Paths and globs of files whose entries are merged last."
    )
    defaults: _DefaultsBlock = Field(_DefaultsBlock(), description="Settings that every entry starts from.")
    state: OptionalState = Field(
        None,
        json_schema_extra={"default": ""},
        description="Location of the state: a file, relative to this file; `git:REMOTE/BRANCH`; or an object,"
        " as `s3://bucket/key`.",
    )
    ownership: Literal["warn", "strict"] = Field(
        "warn",
        description="`strict`: a state of another project, at the same place, that cannot be read is an error.",
    )
    fingerprint_key: OptionalMapping = Field(
        None,
        description="Source of the key for secret fingerprints. Default: a key file beside the state.",
    )
    protected: tuple[Pattern, ...] = Field(
        (), description="Globs of keys that are never deleted, even if a spec removes them."
    )
    policies: tuple[MappingValue, ...] = Field((), description="Rules of the team for specs and plans.")
    warnings: WarningRules = Field(WarningRules(), description="Warnings that the team has decided about.")
    limits: Limits = Field(Limits(), description="Limits of one apply.")
    budget: Budget = Field(Budget(), description="Calls that the account may make.")
    settle: Settle = Field(
        timedelta(minutes=15),
        json_schema_extra={"pattern": DURATION_PATTERN, "default": "15m"},
        description="Time in which a create request may still take effect after its response was lost. Until then no"
        " run repeats the request. `0s`: the next run repeats it at once.",
    )
    secrets: SecretRules = Field(
        SecretRules(), description="Sources that references may name, and how they are read."
    )
    timeouts: TimeoutRules = Field(TimeoutRules(), description="Seconds that calls to Fivetran may take.")
    vars: VariableDefinitions = Field(
        default_factory=dict, description="Values of variables, which specs use as `${NAME}`."
    )
    requires: ReleaseRange = Field(
        "",
        json_schema_extra={"pattern": r"^\s*(~=|===?|!=|<=?|>=?)"},
        description="Releases of this program that may read the project, for example `>=0.3,<1`.",
    )

    @property
    def requires_all_states(self) -> bool:
        """Whether a state of another project that cannot be read is an error."""
        return self.ownership == "strict"


PROJECT_LEVELS: dict[str, Levels] = {
    "defaults": 1,
    "protected": 1,
    "policies": 1,
    "warnings": {"ignore": 1},
    "limits": 1,
    "budget": 1,
    "secrets": {"commands": 2},
    "timeouts": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Valid project file with its place.

    `directory` is absolute; all relative paths of a project and of its `file:` references start there. `root` is the
    tree of the file. `settings_shown` is the displayed path of the file with the settings, if they come from another
    file or revision. `area` has the folders in which its files are searched; `findings` are warnings about its texts.
    `texts` are the parsed texts of the file. The variables of its defaults are not filled.
    """

    path: Path
    directory: Path
    shown: str
    root: MappingNode
    content: ProjectFile
    account_id_span: Span | None = None
    settings_shown: str = ""
    area: SearchArea
    findings: tuple[Diagnostic, ...] = ()
    texts: SpecTexts


def read_project(
    project_file: Path,
    shown_from: Path,
    shown: str = "",
    copy: RevisionCopy | None = None,
    unsaved: UnsavedFiles = NO_UNSAVED_FILES,
    *,
    parts: ReusedParts | None = None,
) -> Project:
    """Read the project file. Its spans have the path `shown` (default: the path as seen from `shown_from`).

    `copy` says that the file is in a copy of an earlier revision. `unsaved` files count as if they were written.
    `parts` are those of other revisions. Raises ReconcilerError, also if the file does not exist.
    """
    path = project_file if project_file.is_absolute() else shown_from / project_file
    shown = shown or display_path(path, shown_from)
    if not os.path.exists(path):  # noqa: PTH110 - false, not an error, for names that no file can have
        raise ReconcilerError([_explain_no_project(shown)])
    refuse_folder(path, shown)
    text = unsaved.get(path)
    text = read_text(path, shown) if text is None else text
    texts = parse_file(text, shown) if parts is None else parts.parse(text, shown)
    if copy is None:  # a commit of an earlier release may require that release
        check_release(texts.root)
    # A commit of an earlier release may have any text.
    findings = _hide_excerpts(texts.findings, text) if copy is None else []
    return Project(
        path=path,
        directory=path.parent,
        shown=shown,
        root=texts.root,
        content=_validate(texts, findings),
        account_id_span=texts.root.entries["account_id"].node.span if "account_id" in texts.root else None,
        area=build_search_area(path.parent, copy, unsaved),
        findings=tuple(findings),
        texts=texts,
    )


def _validate(texts: SpecTexts, findings: list[Diagnostic]) -> ProjectFile:
    """Validate the tree of a project file. Raises ReconcilerError with all errors, those among `findings` too."""
    try:
        content = validate_model(ProjectFile, texts.root, PROJECT_LEVELS)
    except ReconcilerError as error:
        errors = mask_lines(error.diagnostics, {texts.root.span.path: texts.root}, _is_no_variable)
        refused = texts.refused if findings else ()
        raise ReconcilerError(sort_diagnostics(drop_covered([*findings, *errors], refused))) from None
    if select_errors(findings):
        raise ReconcilerError(findings)
    return content


def _is_no_variable(keys: Keys, text: str) -> bool:
    """Return whether a value of a project file is no value of a variable, which may be a secret."""
    return keys[0] != VARS


def _hide_excerpts(findings: Iterable[Diagnostic], text: str) -> list[Diagnostic]:
    """Hide the excerpts of findings that may show a secret, judged by the text: a project file with errors has no
    services that could be looked up."""
    lines = text.split("\n")
    return [
        replace(finding, secret=finding.secret or may_hold_secret(lines, finding.span.line - 1))
        for finding in findings
        if finding.span is not None
    ]


def with_settings_of(project: Project, settings: Project) -> Project:
    """Replace the settings of a project by the settings of another project. Specs, overrides, defaults and variables
    stay."""
    kept = {name: getattr(project.content, name) for name in ("specs", "overrides", "defaults", "vars")}
    return replace(
        project,
        content=settings.content.model_copy(update=kept),
        account_id_span=settings.account_id_span,
        settings_shown=settings.shown,
    )


def with_defaults(project: Project, destination: MappingNode | None) -> Project:
    """Replace the settings that every destination starts from."""
    defaults = project.content.defaults.model_copy(update={"destination": destination})
    return replace(project, content=project.content.model_copy(update={"defaults": defaults}))


def with_protected(project: Project, globs: Iterable[str]) -> Project:
    """Add globs to the protected keys of a project."""
    protected = (*project.content.protected, *globs)
    return replace(project, content=project.content.model_copy(update={"protected": protected}))


def refuse_folder(path: Path, shown: str) -> None:
    """Raise `ReconcilerError` for a project that is named by its folder."""
    if path.is_dir():
        raise ReconcilerError([_explain_folder(path, shown)])


def _explain_folder(folder: Path, shown: str) -> Diagnostic:
    """Explain that a project is named by its folder, with the project file of that folder if there is one."""
    files = (name for name in PROJECT_NAMES if (folder / name).is_file())
    found = next(files, None)
    return Diagnostic(
        "file-unreadable",
        f"`{shown}` is a folder, not a project file",
        help=f"write `{shlex.quote(f'{shown}/{found}')}`"
        if found is not None
        else "name the project file in it, or begin with `reconciler init`",
    )


def _explain_no_project(shown: str) -> Diagnostic:
    return Diagnostic(
        "file-unreadable",
        f"there is no project file `{shown}`",
        help="change to the folder of your specs, name the file (`--project FILE`), or begin with `reconciler init`",
    )
