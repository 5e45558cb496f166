"""Describe the inputs for the settings of a destination, and parse the submitted texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import invalid_input
from reconciler.emulator.masking import mask_secrets

PREFIX = "config."
"""Start of the names of inputs for config fields. The other inputs have the names of settings."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_BOOLEANS = ("true", "false")


class InputKind(StrEnum):
    """Kind of an input."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    LINES = "lines"
    JSON = "json"
    SECRET = "secret"  # noqa: S105 - the kind of an input


@dataclass(frozen=True, slots=True)
class SettingInput:
    """Input of a config field. `text` is the present value as text, empty for a secret."""

    name: str
    kind: InputKind
    text: str
    choices: tuple[str, ...] = ()


def list_inputs(destination: Destination, service: Service | None) -> list[SettingInput]:
    """List an input for each set field of the config that can be changed."""
    return [
        _build_input(name, _find_field(service, name), destination.config[name])
        for name in sort_names(destination.config, service)
        if is_changeable(_find_field(service, name))
    ]


def sort_names(names: Iterable[str], service: Service | None) -> list[str]:
    """Sort config fields as the catalogue lists them. Fields of no service come last."""
    positions = {name: position for position, name in enumerate(service.fields if service else ())}
    return sorted(names, key=lambda name: (positions.get(name, len(positions)), name))


def list_unset_names(destination: Destination, service: Service | None) -> list[str]:
    """List the fields of the service that have no value and can be set."""
    fields = service.fields if service else {}
    return sorted(
        name for name, field in fields.items() if name not in destination.config and is_changeable(field)
    )


def is_changeable(field: Field | None) -> bool:
    """Check whether the settings of a destination offer a field. Fields of no service can be changed."""
    return field is None or not (field.read_only or field.immutable)


def parse_changes(
    form: Mapping[str, str], destination: Destination, service: Service | None
) -> dict[str, Any]:
    """Parse the submitted settings that differ from the present settings, in the form of a request.

    Raises `ErrorReply` for a text that is no value of its field.
    """
    changes: dict[str, Any] = {}
    region = form.get("region")
    if region is not None and to_submitted_text(region) != to_submitted_text(destination.region):
        changes["region"] = region.strip()
    config = dict(_parse_config(form, destination, service))
    return changes | ({"config": config} if config else {})


def drop_secrets(form: Mapping[str, str]) -> dict[str, str]:
    """Drop the submitted secrets, so that a refused form does not show them."""
    hidden = {PREFIX + name for name in _list_secret_names(form)}
    if _is_secret(form.get("other_name", ""), ""):
        hidden.add("other_value")
    return {name: text for name, text in form.items() if name not in hidden}


def to_submitted_text(text: str) -> str:
    """Convert a text to the form in which browsers submit it, apart from line breaks."""
    readable = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return readable.replace("\r\n", "\n").replace("\r", "\n")


def _parse_config(
    form: Mapping[str, str], destination: Destination, service: Service | None
) -> Iterator[tuple[str, Any]]:
    for each in list_inputs(destination, service):
        submitted = form.get(PREFIX + each.name)
        if submitted is None or to_submitted_text(submitted) == to_submitted_text(each.text):
            continue
        # An emptied input clears the field.
        yield each.name, _parse_value(each, to_submitted_text(submitted)) if submitted.strip() else None
    name, text = form.get("other_name", ""), to_submitted_text(form.get("other_value", ""))
    if name and text.strip():
        yield name, _parse_value(_build_input(name, _find_field(service, name), None), text)
    elif text.strip():
        raise invalid_input("Choose the field that gets the new value")


def _list_secret_names(form: Mapping[str, str]) -> list[str]:
    names = [name.removeprefix(PREFIX) for name in form if name.startswith(PREFIX)]
    return [name for name in names if _is_secret(name, "")]


def _find_field(service: Service | None, name: str) -> Field | None:
    return service.fields.get(name) if service else None


def _build_input(name: str, field: Field | None, value: Any) -> SettingInput:
    if _is_secret(name, value):
        return SettingInput(name, InputKind.SECRET, "")
    kind = field.type if field else FieldType.STRING
    if kind is FieldType.OBJECT or isinstance(value, dict):
        return SettingInput(
            name, InputKind.JSON, "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
        )
    if kind is FieldType.STRINGS or isinstance(value, list):
        return SettingInput(name, InputKind.LINES, "\n".join(map(str, value or ())))
    text = _to_text(value)
    if kind is FieldType.INTEGER:
        return SettingInput(name, InputKind.NUMBER, text)
    choices = _BOOLEANS if kind is FieldType.BOOLEAN else field.enum if field else ()
    if choices:
        # A stored value outside the list stays selectable, so that another change does not replace it.
        return SettingInput(name, InputKind.CHOICE, text, tuple(dict.fromkeys((*choices, text))))
    return SettingInput(name, InputKind.TEXT, text)


def _is_secret(name: str, value: Any) -> bool:
    """Check whether a value is masked. An object counts as secret if it has a secret inside."""
    return any(mask_secrets({"config": {name: each}})["config"][name] != each for each in (value, "any"))


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse_value(each: SettingInput, text: str) -> Any:
    """Parse a text that is not empty. The API converts numbers and truth values itself."""
    match each.kind:
        case InputKind.JSON:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, dict):
                raise invalid_input(f"{each.name} must be a JSON object")
            return value
        case InputKind.LINES:
            return [line.strip() for line in text.split("\n") if line.strip()]
        case InputKind.NUMBER if not _INTEGER.fullmatch(text.strip()):
            raise invalid_input(f"{each.name} must be a whole number")
        case InputKind.CHOICE if text.strip() not in each.choices:
            raise invalid_input(f"{each.name} must be one of {', '.join(filter(None, each.choices))}")
        case InputKind.NUMBER | InputKind.CHOICE:
            return text.strip()
    return text
