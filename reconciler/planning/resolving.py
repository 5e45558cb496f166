"""Resolve the references in declared fields. A reference without a value refuses its entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.catalogue.model import Field, FieldType
from reconciler.kinds.base import Kind
from reconciler.model.diagnostic import Diagnostic, FindingGroup
from reconciler.model.resource import Desired
from reconciler.model.value import (
    ExternalKey,
    FieldPath,
    Reference,
    Secret,
    Structure,
    format_path,
    is_external_secret,
)
from reconciler.secrets.base import SecretUnavailable, ValueShape

Resolve = Callable[[Reference, ValueShape], Any]

_SHAPES = {FieldType.STRINGS: ValueShape.LIST, FieldType.OBJECT: ValueShape.OBJECT}
_SECRET_SHAPES = {**_SHAPES, FieldType.INTEGER: ValueShape.NUMBER, FieldType.BOOLEAN: ValueShape.BOOLEAN}
"""Shapes of secrets. A public number or boolean is checked as if the spec had it, with a better message."""


@dataclass(frozen=True, slots=True)
class FieldResolver:
    """Resolver of references. Adds the references that cannot be resolved to `diagnostics`."""

    resolve: Resolve
    diagnostics: list[Diagnostic]

    def resolve_fields(
        self, kind: Kind, desired: Desired, paths: Iterable[FieldPath], service: Any
    ) -> dict[FieldPath, Any]:
        """Resolve the references in these fields. Returns the values by path."""
        service_name = service if isinstance(service, str) else None
        return {
            path: self._resolve_value(desired, path, kind.get_field(path, service_name)) for path in paths
        }

    def _resolve_value(self, desired: Desired, path: FieldPath, field: Field | None) -> Any:
        value = desired.fields[path]
        if is_external_secret(value):
            return ExternalKey(str(value).partition(":")[2])
        if isinstance(value, Reference):
            shapes = _SECRET_SHAPES if value.confidential else _SHAPES
            shape = shapes.get(field.type, ValueShape.TEXT) if field else ValueShape.TEXT
            return self._resolve_reference(desired, path, value, shape)
        if isinstance(value, Structure):
            content = self._resolve_structure(desired, path, value.content)
            return Secret.wrap(content) if value.confidential else content
        return value

    def _resolve_structure(self, desired: Desired, path: FieldPath, content: Any) -> Any:
        """Resolve the references inside a mapping or list."""
        match content:
            case Reference():
                return self._resolve_reference(desired, path, content, ValueShape.TEXT)
            case Mapping():
                return {key: self._resolve_structure(desired, path, item) for key, item in content.items()}
            case list():
                return [self._resolve_structure(desired, path, item) for item in content]
        return content

    def _resolve_reference(
        self, desired: Desired, path: FieldPath, value: Reference, shape: ValueShape
    ) -> Any:
        try:
            return self.resolve(value, shape)
        except SecretUnavailable as error:
            self.diagnostics.append(
                Diagnostic(
                    "secret-unavailable",
                    f"`{format_path(path)}` needs `{value}`, which cannot be resolved: {error.reason}",
                    span=desired.spans.get(path),
                    address=desired.address,
                    help="provide the referenced value, or run with `--secrets skip`, which compares no secrets",
                    group=FindingGroup(
                        "reference",
                        f"to `{value.scheme}` cannot be resolved: {_extract_cause(error)}",
                        f"`{format_path(path)}` needs `{value}`",
                        "provide the referenced values, or run with `--secrets skip`, which compares no secrets",
                        lists_places=True,
                    ),
                )
            )
            return None


def _extract_cause(error: SecretUnavailable) -> str:
    """Return the reason without the name of its reference, which other references to the same store can share."""
    return error.reason.replace(f" `{error.reference.locator}`", "")
