"""Check that a remote place takes the writes of a state, with an object or a branch that only this check uses."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from reconciler.model.state_location import GitBranch, ObjectKey
from reconciler.state.backend import Backend, BackendContext, BackendError
from reconciler.state.git import GitBackend

_CONTENT = b"This file was made to check writes. It can be deleted.\n"
_MESSAGE = "check that this repository takes writes"


def check_writes(location: GitBranch | ObjectKey, context: BackendContext) -> str:
    """Make an object beside the state, check that writes to it depend on its version, and delete it.

    For a state in git the object is a branch. Returns its name. Raises BackendError, and ReconcilerError if a library
    is missing.
    """
    suffix = f"write-check-{context.entropy(6).hex()}"
    if isinstance(location, GitBranch):
        branch = f"{location.branch}-{suffix}"
        _check_backend(GitBackend(replace(location, branch=branch), context), "state.json", branch)
        return branch
    from reconciler.state.object import ObjectBackend

    key = f"{location.key}.{suffix}"
    _check_backend(ObjectBackend(location, context), key, key)
    return key


class _DeletableBackend(Backend, Protocol):
    """Backend that can delete a file for good."""

    def delete(self, name: str) -> None: ...


def _check_backend(backend: _DeletableBackend, file: str, made: str) -> None:
    """Write a file twice, and delete it. A file that cannot be deleted is named."""
    try:
        backend.read(file)
        backend.write({file: _CONTENT}, _MESSAGE)
        backend.write({file: _CONTENT * 2}, _MESSAGE)
        backend.verify_conditional_writes(file)
    except BackendError:
        with suppress(BackendError):  # a write without an answer may have been carried out
            backend.delete(file)
        raise
    try:
        backend.delete(file)
    except BackendError as error:
        text = f"it takes writes, but `{made}`, which this check made, cannot be deleted: {error}"
        raise BackendError(text, error.advice or f"delete `{made}`") from None
