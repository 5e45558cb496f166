"""Read YAML documents that pydantic validates, with places in the diagnostics of wrong documents."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.guard import SPEC_LIMITS, ReadLimits
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

_Model = TypeVar("_Model", bound=BaseModel)


def read_document(
    text: str, model: type[_Model], path: str = "body", limits: ReadLimits = SPEC_LIMITS
) -> _Model:
    """Read a document in YAML. `path` is its name in diagnostics. Raises ReconcilerError with all findings."""
    root = parse(text, path, limits)
    try:
        return model.model_validate(to_plain(root))
    except ValidationError as error:
        raise ReconcilerError(to_diagnostics(error, root, model)) from None
