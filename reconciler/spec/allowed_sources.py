"""Parse the `secrets` block of a project file: the allowed sources of references."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import Reference
from reconciler.spec.nodes import Scalar
from reconciler.spec.reference import AllowedSources
from reconciler.spec.schema import LocatedText, StrictModel, list_nodes

DEFAULT_TIMEOUT = 30
"""Default of `timeout`: seconds that one look-up may take."""


def _check_command_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        raise PydanticCustomError(
            "wrong-shape",
            "the name of a command has letters, digits, `_`, `.` and `-` only, a letter first",
            {"help": "rename it; references name it as `command:NAME`"},
        )
    return name


def _check_arguments(arguments: tuple[str, ...]) -> tuple[str, ...]:
    if not arguments or not arguments[0].strip():
        raise PydanticCustomError(
            "wrong-shape",
            "a command is a list: a program, then its arguments",
            {"help": "write for example `[pass, show, warehouse]`; no shell runs it"},
        )
    return arguments


CommandName: TypeAlias = Annotated[str, AfterValidator(_check_command_name)]
CommandArguments: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_check_arguments)]
_Globs: TypeAlias = Annotated[tuple[LocatedText, ...], BeforeValidator(list_nodes)]


class SecretRules(StrictModel):
    """The `secrets` block of a project file, each glob with its place."""

    allow: _Globs | None = Field(
        None, description="Globs of the references that specs may use. Default: all references."
    )
    visible: _Globs | None = Field(
        None,
        description="Globs of the references that `{value: …}` may use, which plans show. Default: all of `allow`.",
    )
    commands: dict[CommandName, CommandArguments] = Field(
        default_factory=dict,
        description="Programs with their arguments, by the name that `command:` references give.",
    )
    timeout: int = Field(
        DEFAULT_TIMEOUT,
        ge=1,
        le=600,
        description="Seconds that one look-up in a store or one command may take.",
    )


def build_allowed_sources(
    rules: SecretRules, schemes: Mapping[str, Callable[[Reference], tuple[str, str] | None]]
) -> tuple[AllowedSources, list[Diagnostic]]:
    """Build the allowed sources from the known schemes and the globs of the project file, with all findings."""
    globs = (*(rules.allow or ()), *(rules.visible or ()))
    findings = [finding for glob in globs if (finding := _check_glob(glob, schemes))]
    return AllowedSources(schemes, _normalize_globs(rules.allow), _normalize_globs(rules.visible)), findings


def _normalize_globs(globs: tuple[Scalar, ...] | None) -> tuple[str, ...] | None:
    return None if globs is None else tuple(_normalize_glob(glob.as_written) for glob in globs)


def _check_glob(glob: Scalar, schemes: Mapping[str, object]) -> Diagnostic | None:
    scheme, _, rest = glob.as_written.partition(":")
    if rest and scheme in schemes:
        return None
    known = ", ".join(f"`{known_scheme}`" for known_scheme in sorted(schemes))
    return Diagnostic(
        "bad-allow",
        "a glob of references starts with a known scheme and a colon",
        glob.span,
        notes=(f"known schemes are {known}",),
        help=did_you_mean(scheme, schemes) or "write for example `env:MARKETING_*`",
    )


def _normalize_glob(glob: str) -> str:
    """Normalize the path of a `file:` glob: the compared paths have no `./` and `..` either."""
    scheme, _, path = glob.partition(":")
    return f"file:{posixpath.normpath(path)}" if scheme == "file" else glob
