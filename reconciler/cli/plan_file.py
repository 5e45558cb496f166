"""Saved plans as files: reading them with care, and writing them so that nobody else can read them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.duration import parse_duration

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.engine.planfile import SavedPlan, Sign

_DIGEST = re.compile(r"[0-9a-f]{64}")

signature_option = click.option(
    "--signature-key",
    metavar="REF",
    help="Key of 16 characters or more that the plan is signed with: env:NAME or file:PATH.",
)


def duration(context: click.Context, parameter: click.Parameter, given: str) -> timedelta:
    """`90m`, `12h` or `7d`."""
    try:
        lasts = parse_duration(given)
    except ValueError:
        lasts = timedelta()
    if not lasts:
        raise MisuseError(f"`{given}` is no duration", "write for example `90m`, `12h` or `7d`")
    return lasts


def digest(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """A whole digest: a part of one could belong to another plan."""
    if given is not None and not _DIGEST.fullmatch(given):
        advice = "take all 64 digits from the Markdown comment or from `--format json`"
        raise MisuseError("`--expect` needs the whole digest of a plan", advice)
    return given


def signer(session: Session, reference: str | None) -> Sign | None:
    """What makes signatures with the key that was named, if one was. Raises ReconcilerError."""
    if reference is None:
        return None
    from reconciler.operations.signing import plan_signer

    return plan_signer(session.settings, reference)


def read_plan(session: Session, path: Path, sign: Sign | None = None) -> SavedPlan:
    """The plan in a file, whose signature must fit `sign`. Raises ReconcilerError."""
    from reconciler.engine.planfile import (
        LARGEST,
        AlteredError,
        OtherFormatError,
        SignatureError,
        decoded_plan,
    )

    try:
        with (session.directory / path).open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise AlteredError("it is too large to be one")
        return decoded_plan(content, sign)
    except OSError as error:
        raise _problem("plan-unreadable", path, f"cannot be read: {error.strerror or error}") from error
    except AlteredError as error:
        raise _problem("plan-altered", path, f"was altered: {error}") from None
    except SignatureError as error:
        raise _problem("plan-signature", path, f"has no valid signature: {error}") from None
    except OtherFormatError as error:
        raise _problem("plan-format", path, f"cannot be read by this version: {error}") from None


def write_plan(session: Session, path: Path, saved: SavedPlan, sign: Sign | None) -> None:
    """Write a plan, for its owner only, whole or not at all. Raises ReconcilerError.

    What a link leads to is written; a device or a pipe, which would be replaced by a file, is not.
    """
    from reconciler.engine.planfile import encoded_plan
    from reconciler.state.file import write_atomically

    try:
        file = (session.directory / path).resolve()
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise _problem("plan-not-saved", path, "cannot be written: it is no file")
        write_atomically(file, encoded_plan(saved, sign))
    except RuntimeError:  # until Python 3.12: links that go round in a circle
        raise _problem("plan-not-saved", path, "cannot be written: it is no file") from None
    except OSError as error:
        raise _problem("plan-not-saved", path, f"cannot be written: {error.strerror or error}") from error


def _problem(code: str, path: Path, what: str) -> ReconcilerError:
    return ReconcilerError([Diagnostic(code, f"the plan `{path}` {what}", help=_ADVICE[code])])


_ADVICE: dict[str, Any] = {
    "plan-unreadable": "name a file that `reconciler plan --out FILE` wrote",
    "plan-altered": "make a new plan; nothing of this one is carried out",
    "plan-signature": "have a plan made with this key, or name the one that this plan was signed with",
    "plan-format": "make a new plan with this version",
    "plan-not-saved": "name a file in a folder that exists and can be written",
}
