"""Read and check the bodies and queries of control requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from werkzeug.wrappers import Request

from reconciler.emulator.control.endpoint import ControlError
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.suggestions import did_you_mean

DocumentReader: TypeAlias = Callable[[str, type[BaseModel]], BaseModel]
"""Reader of a document: the text, and the model of its content. Raises ReconcilerError with the place of each error."""

_Model = TypeVar("_Model", bound=BaseModel)


def read_json(text: str, model: type[BaseModel]) -> BaseModel:
    """Read a document in JSON, for an emulator whose caller has no reader of YAML. Raises a 400."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ControlError(400, "the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ControlError(400, f"body:{error.lineno}:{error.colno}: the body is not JSON") from None
    return _validate(content, model)


def read_body(request: Request, model: type[_Model], read_document: DocumentReader) -> _Model:
    """Read a body in JSON or YAML. An empty body is an empty mapping. Raises a 400 with all errors."""
    text = request.get_data(cache=False).decode("utf-8", "replace")
    if not text.strip():
        return _validate({}, model)
    try:
        # JSON first: it may be larger than a YAML document, and YAML does not take all of its escapes.
        return model.model_validate(json.loads(text))
    except (ValueError, RecursionError):
        pass
    try:
        document = read_document(text, model)
    except ReconcilerError as error:
        raise ControlError(400, "\n".join(map(_render_diagnostic, error.diagnostics))) from None
    assert isinstance(document, model)  # noqa: S101 - the reader validates by this model
    return document


def read_query(request: Request, model: type[_Model]) -> _Model:
    """Read a query. Raises a 400 with the first error."""
    return _validate(request.args.to_dict(), model)


def _validate(content: Any, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        message = f"`{place}` is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}"
        if first["type"] == "extra_forbidden":
            known = ", ".join(f"`{name}`" for name in model.model_fields)
            advice = did_you_mean(place, model.model_fields) or f"known are {known}"
            message = f"`{place}` is not known here; {advice}"
        elif "help" in first.get("ctx", {}):
            message = f"{message}; {first['ctx']['help']}"
        raise ControlError(400, message) from None


def _render_diagnostic(diagnostic: Diagnostic) -> str:
    place = f"body:{diagnostic.span.line}:{diagnostic.span.column}: " if diagnostic.span else ""
    return f"{place}{diagnostic.message}" + (f"; {diagnostic.help}" if diagnostic.help else "")
