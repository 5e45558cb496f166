"""Read `file:PATH` and `file:PATH#member` from files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.model.home_path import HOME_ADVICE, HOME_PROBLEM, starts_at_home
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, select_member

MAX_BYTES = 1024 * 1024
_KERNEL_DIRECTORIES = ("/proc", "/sys")  # `/proc/self/environ` holds the credentials of this program


FILE_SCHEME = "file"


class Files:
    """Store of regular files. Absolute paths are allowed.

    Relative paths start in the project directory and must stay inside it, also through symbolic links.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference to the text of a file, or to one member of its JSON object.

        The last line end of a text is dropped. Raises SecretUnavailable if the file is missing, unreadable,
        larger than 1 MiB, no regular file, not UTF-8 or outside the project.
        """
        path = self._resolve_path(reference)
        try:
            data = _read_bytes(path)
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or "not a usable path").lower()
            raise SecretUnavailable(reference, f"the file cannot be read: {reason}") from None
        if data is None:
            raise SecretUnavailable(reference, "it is not a regular file")
        if len(data) > MAX_BYTES:
            raise SecretUnavailable(reference, f"the file is larger than {MAX_BYTES // 1024} KiB")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise SecretUnavailable(reference, "the file is not UTF-8 text") from None
        return select_member(text.removesuffix("\n").removesuffix("\r"), reference)

    def _resolve_path(self, reference: Reference) -> Path:
        if problem := find_place_problem(self._directory, reference.locator):
            raise SecretUnavailable(reference, problem)
        return (self._directory / reference.locator).resolve()


def find_place_problem(directory: Path, locator: str) -> str | None:
    """Find the problem of a path that no reference may have, whatever file is there; None if it may."""
    path = Path(locator)
    try:
        # Resolved before the check: neither `..` nor a symbolic link may lead out of the project.
        resolved = (directory / path).resolve()
        is_allowed = path.is_absolute() or resolved.is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError):
        return "the path cannot be resolved"
    if any(resolved.is_relative_to(kernel_directory) for kernel_directory in _KERNEL_DIRECTORIES):
        return "it is not a regular file"
    return None if is_allowed else "a relative path must stay in the project's directory"


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the path of a reference. Returns problem and advice; None if valid."""
    return (HOME_PROBLEM, HOME_ADVICE) if starts_at_home(reference.locator) else None


def _read_bytes(path: Path) -> bytes | None:
    """Read at most one byte more than the limit. None if the path is no regular file.

    The type is checked before the file is opened, since opening a FIFO or a device can block or have effects.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return stream.read(MAX_BYTES + 1)
