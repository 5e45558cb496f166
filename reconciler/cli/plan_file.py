"""Read and write the files of saved plans: bounded reads, and files that only the owner can read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.durations import make_duration_parser
from reconciler.cli.option_groups import OptionGroup, option
from reconciler.cli.options import PROJECT_VARIABLE
from reconciler.cli.usage import MisuseError
from reconciler.model.codes import load_codes
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.project_names import DEFAULT_PROJECT

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.signature import Sign
    from reconciler.workspace.planfile import SavedPlan
    from reconciler.workspace.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")

signature_option = option(
    OptionGroup.SAVED_PLAN,
    "--signature-key",
    metavar="REF",
    help="Key that signs the plan, 16 characters or more: env:NAME or file:PATH.",
)


parse_expiry = make_duration_parser("`90m`, `12h` or `7d`", allows_zero=False)


def check_digest(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Check that a digest is whole: a part of a digest could belong to another plan."""
    if value is not None and not _DIGEST.fullmatch(value):
        advice = "take all 64 digits from the Markdown comment or from `--format json`"
        raise MisuseError("`--expect` needs the whole digest of a plan", advice)
    return value


def make_signer(context: CommandContext, reference: str | None) -> Sign | None:
    """Build the function that signs with the key behind `reference`; None without a reference. Raises
    ReconcilerError."""
    if reference is None:
        return None
    from reconciler.workspace.signing import load_signer

    return load_signer(context.settings, reference)


def read_plan(context: CommandContext, path: Path, sign: Sign | None = None) -> SavedPlan:
    """Read the plan in a file. Its signature must fit `sign`. Raises ReconcilerError."""
    from reconciler.workspace.planfile import (
        MAX_BYTES,
        AlteredError,
        SignatureError,
        UnsupportedFormatError,
        decode_plan,
    )

    try:
        with (context.settings.directory / path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise AlteredError("it is too large for a plan")
        if _is_other_text(content):
            raise _make_error("plan-unreadable", path, "cannot be read: it is not in JSON, as plans are")
        return decode_plan(content, sign)
    except OSError as error:
        raise _make_error("plan-unreadable", path, f"cannot be read: {error.strerror or error}") from error
    except AlteredError as error:
        raise _make_error("plan-altered", path, f"was altered: {error}") from None
    except SignatureError as error:
        raise _make_error("plan-signature", path, f"has no valid signature: {error}") from None
    except UnsupportedFormatError as error:
        raise _make_error("plan-format", path, f"cannot be read by this version: {error}") from None


def format_apply_command(
    settings: Settings, path: Path, key: str | None = None, project: Path | None = None
) -> str:
    """Format the command that applies a saved plan, for a shell: with the options of this run that the file does not
    hold. `project` replaces the project file of this run."""
    is_default = settings.project == Path(DEFAULT_PROJECT) and not settings.environ.get(PROJECT_VARIABLE)
    project = project or (settings.project if settings.is_project_named and not is_default else None)
    file = str(path)
    options = {
        "--project": str(project) if project is not None else None,
        "--settings-from": settings.settings_from,
        "--signature-key": key,
    }
    words = ["reconciler", "apply", f"./{file}" if file.startswith("-") else file]
    words += [word for name, value in options.items() if value is not None for word in (name, value)]
    words += ["--sandbox"] if settings.sandbox else []
    return shlex.join(words)


def _is_other_text(content: bytes) -> bool:
    """Return whether a file is the text of something else, such as a spec, and so no plan that was altered."""
    try:
        text = content.decode("utf-8").lstrip()
    except UnicodeDecodeError:
        return False
    return bool(text) and not text.startswith(("{", "["))


def find_plan_project(settings: Settings, path: Path, saved: SavedPlan) -> Path | None:
    """Find the project file of a plan, as a user would name it, if this run reads another project file; else None."""
    from reconciler.spec.files import display_path
    from reconciler.workspace.plan_project import find_other_project

    other = find_other_project(
        saved.project, settings.directory / settings.project, settings.directory / path
    )
    return Path(display_path(other, settings.directory.resolve())) if other is not None else None


def explain_other_project(
    settings: Settings, path: Path, project: Path, severity: Severity = Severity.ERROR
) -> Diagnostic:
    """Explain that a plan belongs to `project`, which is another project than the project of this run."""
    from reconciler.workspace.plan_project import is_file

    is_found = is_file(settings.directory / settings.project)
    used = f"this run reads `{settings.project}`" if is_found else f"there is no `{settings.project}` here"
    return Diagnostic(
        "plan-other-project",
        f"the plan `{path}` belongs to project `{project}`, and {used}",
        severity=severity,
        help=f"apply it with `{format_apply_command(settings, path, project=project)}`"
        if is_file(settings.directory / project)
        else "change to a checkout of that project",
    )


def write_plan(context: CommandContext, path: Path, saved: SavedPlan, sign: Sign | None) -> None:
    """Write a plan whole or not at all, readable by its owner only. Raises ReconcilerError.

    The target of a link is written. A device or a pipe is refused, since a file would replace it.
    """
    from reconciler.state.atomic_file import write_atomically
    from reconciler.workspace.planfile import encode_plan

    try:
        file = (context.settings.directory / path).resolve()
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise _make_error("plan-not-saved", path, "cannot be written: it is not a file")
        write_atomically(file, encode_plan(saved, sign))
    except RuntimeError:  # until Python 3.12: links that form a circle
        raise _make_error("plan-not-saved", path, "cannot be written: it is not a file") from None
    except OSError as error:
        raise _make_error("plan-not-saved", path, f"cannot be written: {error.strerror or error}") from error


def _make_error(code: str, path: Path, problem: str) -> ReconcilerError:
    return ReconcilerError([Diagnostic(code, f"the plan `{path}` {problem}", help=load_codes()[code].help)])
