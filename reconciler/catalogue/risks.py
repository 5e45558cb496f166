"""Find the kind of the consequences that a change of a field has for running syncs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from reconciler.catalogue.load import load_risks
from reconciler.catalogue.model import Field
from reconciler.catalogue.secret_detection import is_sensitive
from reconciler.model.risk import FieldRisk
from reconciler.model.value import FieldPath, format_path

_DEPTH = 2
"""Length of the longest paths that the catalogue names: `config.NAME`."""


def find_risk(path: FieldPath, field: Field | None) -> FieldRisk:
    """Find the kind of risk of a changed field. `field` has its facts; None if the catalogue lacks it."""
    if field is not None and field.immutable:
        return FieldRisk.REPLACEMENT
    known = _map_fields().get(format_path(path[:_DEPTH]))
    if known is not None:
        return known
    return FieldRisk.CREDENTIALS if is_sensitive(path[-1], field) else FieldRisk.SETTINGS


@cache
def _map_fields() -> Mapping[str, FieldRisk]:
    return {name: risk for risk, facts in load_risks().items() for name in facts.fields}
