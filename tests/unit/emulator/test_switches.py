"""Test that switches can be listed, set and refused."""

from __future__ import annotations

import pytest
from pydantic.fields import FieldInfo

from reconciler.catalogue.model import Grade
from reconciler.emulator.switches import (
    AS_DOCUMENTED,
    Behaviour,
    BehaviourError,
    change_switches,
    get_evidence,
    list_switches,
)


def test_every_switch_has_a_meaning_and_a_valid_default() -> None:
    assert [switch.name for switch in list_switches()] == list(Behaviour.model_fields)
    for switch in list_switches():
        assert len(switch.meaning.split()) >= 3, switch.name
        assert not switch.values or switch.default in switch.values


def test_every_switch_names_the_evidence_for_its_default() -> None:
    for switch in list_switches():
        assert isinstance(switch.evidence.grade, Grade), switch.name
        assert switch.evidence.source, switch.name
        is_unknown = switch.evidence.grade is Grade.UNKNOWN
        assert is_unknown == (switch.evidence.source == "undocumented"), switch.name


def test_a_switch_without_evidence_is_a_bug() -> None:
    with pytest.raises(TypeError, match="switch `colour` needs an `Evidence`"):
        get_evidence("colour", FieldInfo(annotation=str))


def test_a_switch_can_be_set_and_the_others_stay() -> None:
    first = change_switches(AS_DOCUMENTED, {"last_page": "null"})
    both = change_switches(first, {"created_code": "Created"})
    assert (both.last_page, both.created_code) == ("null", "Created")
    assert AS_DOCUMENTED.last_page == "missing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last_pge": "null"}, "there is no switch `last_pge`; did you mean `last_page`?"),
        (
            {"colour": "red"},
            "there is no switch `colour`; `reconciler emulate --switches` lists all switches",
        ),
        ({"last_page": "nul"}, "`last_page` cannot be `nul`; did you mean `null`?"),
        ({"visible_groups": "150%"}, "`visible_groups` cannot be `150%`; it can be for example `all`"),
        ({"visible_groups": ""}, "`visible_groups` cannot be ``; it can be for example `all`"),
        ({"last_page": 7}, "`last_page` cannot be `7`; it can be `missing`, `null`"),
    ],
)
def test_a_misspelt_switch_gets_a_suggestion(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BehaviourError) as caught:
        change_switches(AS_DOCUMENTED, changes)
    assert str(caught.value) == message
