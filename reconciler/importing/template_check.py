"""Check a template of secrets against a project: some reference that follows it can be allowed, and resolve."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from reconciler.importing.secret_template import SecretTemplate
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.sanitize import escape
from reconciler.secrets.command import COMMAND_SCHEME
from reconciler.secrets.file import FILE_SCHEME, find_place_problem
from reconciler.secrets.stores import build_validators
from reconciler.spec.allowed_sources import build_allowed_sources
from reconciler.spec.project import Project

_OPEN_PART = re.compile(r"\$?\{[^{}]*\}")  # a placeholder, or a variable of the project
_VARIABLE_MARK = "${"
_FIRST_GLOB_CHARACTER = re.compile(r"[*?\[]")
_STAND_IN = "\0"


def check_template(template: SecretTemplate, project: Project) -> None:
    """Check a template before anything is read. Raises ReconcilerError if no reference that follows it can resolve."""
    rules = project.content.secrets
    scheme, _, rest = template.text.partition(":")
    problem = None
    if scheme == COMMAND_SCHEME:
        problem = _find_command_problem(rest, rules.commands)
    elif scheme == FILE_SCHEME:
        problem = _find_file_problem(rest, project.directory)
    sources, _ = build_allowed_sources(rules, build_validators(rules.commands))
    if problem is None and sources.allow is not None:
        problem = _find_permission_problem(template.text, sources.allow)
    if problem is not None:
        message, advice = problem
        shown = escape(template.text)
        raise ReconcilerError(
            [Diagnostic("wrong-usage", f"the template of secrets, `{shown}`: {message}", help=advice)]
        )


def _find_command_problem(rest: str, commands: Collection[str]) -> tuple[str, str] | None:
    locator = rest.rpartition("#")[0] or rest
    pattern = _OPEN_PART.sub("*", locator)
    if any(fnmatchcase(name, pattern) for name in commands):
        return None
    known = ", ".join(f"`{name}`" for name in sorted(commands))
    return (
        f"the project file names no command `{escape(locator)}`",
        f"the project file names {known}"
        if known
        else "name it in the project file below `secrets.commands:`",
    )


def _find_file_problem(rest: str, directory: Path) -> tuple[str, str] | None:
    locator = rest.rpartition("#")[0] or rest
    if _VARIABLE_MARK in locator:
        return None
    problem = find_place_problem(directory, _OPEN_PART.sub("x", locator))
    return (
        None
        if problem is None
        else (problem, "name a file in the folder of the project file, or an absolute path")
    )


def _find_permission_problem(text: str, globs: Collection[str]) -> tuple[str, str] | None:
    """Find that no glob of `secrets.allow` can match a reference: their fixed starts differ."""
    start = _find_fixed_start(text)
    for glob in globs:
        glob_start = _FIRST_GLOB_CHARACTER.split(glob, maxsplit=1)[0]
        if start.startswith(glob_start) or glob_start.startswith(start):
            return None
    allowed = ", ".join(f"`{escape(glob)}`" for glob in globs) or "no source"
    return (
        "`secrets.allow` of the project file allows no such reference",
        f"choose another template with `--secrets`, or extend `secrets.allow:`; it allows {allowed}",
    )


def _find_fixed_start(text: str) -> str:
    """Find the start that all references of a template have, in normal form as `secrets.allow` compares it."""
    scheme, _, rest = text.partition(":")
    marked = _OPEN_PART.sub(_STAND_IN, rest)
    locator = posixpath.normpath(marked) if scheme == FILE_SCHEME else marked
    return f"{scheme}:{locator}".partition(_STAND_IN)[0]
