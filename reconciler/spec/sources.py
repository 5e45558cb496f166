"""What the references of one project may name: the `secrets` block of the project file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean
from reconciler.model.value import Reference
from reconciler.spec.reference import Sources
from reconciler.spec.schema import Skeleton
from reconciler.spec.tree import Scalar, Sequence, Table, node_at

SECONDS = 30
"""How long one look-up may take where the project does not say."""


@dataclass(frozen=True, slots=True)
class SecretRules:
    """The `secrets` block. `allow` narrows what specs may refer to, `visible` what they may refer to with `value`
    (None: not at all), each glob with its place; `commands` are argument lists by name; `timeout` is in seconds, for
    one look-up in a store."""

    allow: tuple[Scalar, ...] | None = None
    visible: tuple[Scalar, ...] | None = None
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timeout: int = SECONDS


def _command_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        raise PydanticCustomError(
            "wrong-shape",
            "the name of a command has letters, digits, `_`, `.` and `-` only, a letter first",
            {"help": "rename it; references name it as `command:NAME`"},
        )
    return name


def _arguments(arguments: list[str]) -> list[str]:
    if not arguments or not arguments[0].strip():
        raise PydanticCustomError(
            "wrong-shape",
            "a command is a list: a program, then its arguments",
            {"help": "write for example `[pass, show, warehouse]`; no shell takes part"},
        )
    return arguments


CommandName: TypeAlias = Annotated[str, AfterValidator(_command_name)]
Arguments: TypeAlias = Annotated[list[str], AfterValidator(_arguments)]


class SecretsBlock(Skeleton):
    """`secrets` in a project file."""

    allow: list[str] | None = Field(
        None, description="Globs of the references that specs may use; left out, they may use all."
    )
    visible: list[str] | None = Field(
        None,
        description="Globs of the references that `{value: …}` may use, which plans show; left out, all of `allow`.",
    )
    commands: dict[CommandName, Arguments] = Field(
        default_factory=dict,
        description="Programs with their arguments, by the name that `command:` references give.",
    )
    timeout: int = Field(
        SECONDS, ge=1, le=600, description="Seconds that one look-up in a store or one command may take."
    )


def secret_rules(root: Table, block: SecretsBlock) -> SecretRules:
    """A block that was read from the project file `root`, its globs with their places."""
    commands = {name: tuple(each) for name, each in block.commands.items()}
    allow = _globs(root, "allow") if block.allow is not None else None
    visible = _globs(root, "visible") if block.visible is not None else None
    return SecretRules(allow, visible, commands, block.timeout)


def _globs(root: Table, name: str) -> tuple[Scalar, ...]:
    written = node_at(root, ("secrets", name))
    items = written.items if isinstance(written, Sequence) else ()
    return tuple(each for each in items if isinstance(each, Scalar))


def sources_of(
    rules: SecretRules, schemes: Mapping[str, Callable[[Reference], tuple[str, str] | None]]
) -> tuple[Sources, list[Diagnostic]]:
    """The known schemes, narrowed as the project file wants it, with everything wrong in its globs."""
    written = (*(rules.allow or ()), *(rules.visible or ()))
    findings = [found for each in written if (found := _flaw(each, schemes))]
    return Sources(schemes, _normal_globs(rules.allow), _normal_globs(rules.visible)), findings


def _normal_globs(globs: tuple[Scalar, ...] | None) -> tuple[str, ...] | None:
    return None if globs is None else tuple(_normal(each.as_written) for each in globs)


def _flaw(glob: Scalar, schemes: Mapping[str, object]) -> Diagnostic | None:
    scheme, _, rest = glob.as_written.partition(":")
    if rest and scheme in schemes:
        return None
    known = ", ".join(f"`{each}`" for each in sorted(schemes))
    return Diagnostic(
        "bad-allow",
        "a glob of references starts with a known scheme and a colon",
        glob.span,
        notes=(f"known schemes are {known}",),
        help=did_you_mean(scheme, schemes) or "write for example `env:MARKETING_*`",
    )


def _normal(glob: str) -> str:
    """A glob of paths without `./` and `..`, as the paths that it is compared with."""
    scheme, _, path = glob.partition(":")
    return f"file:{posixpath.normpath(path)}" if scheme == "file" else glob
