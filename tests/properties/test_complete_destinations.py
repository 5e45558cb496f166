"""Law of complete declarations: what suffices for a new destination is no contradiction in an existing one."""

from __future__ import annotations

from typing import Any

from destination_strategies import DestinationModel, destination_models
from hypothesis import event
from hypothesis import strategies as st
from hypothesis_settings import check_examples

from reconciler.catalogue.check import SERVICE, Completeness, check_destination, declares_all
from reconciler.model.value import FieldPath


@st.composite
def damaged_fields(draw: Any) -> dict[FieldPath, Any]:
    """Draw the fields of a right destination, of which some are left out, cleared, or have the value of another."""
    model: DestinationModel = draw(destination_models())
    fields = dict(model.fields)
    others = [path for path in fields if path != SERVICE]
    for path in draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else ():
        match draw(st.sampled_from(("omit", "clear", "swap"))):
            case "omit":
                del fields[path]
            case "clear":
                fields[path] = None
            case _:
                fields[path] = fields.get(draw(st.sampled_from(others)))
    return fields


@check_examples(damaged_fields(), few=60, many=1_200)
def test_a_complete_declaration_has_no_finding_between_fields_of_an_existing_destination(
    fields: dict[FieldPath, Any],
) -> None:
    is_complete = declares_all(fields)
    event("complete" if is_complete else "incomplete")
    if is_complete:
        checked = check_destination(fields, completeness=Completeness.SUBSET)
        assert checked == check_destination(fields, completeness=Completeness.SUBSET, is_complete=True)
