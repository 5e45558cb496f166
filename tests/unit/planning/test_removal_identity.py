"""Test that a removal identifies one object or is refused. There is one table for each of the three extents."""

from __future__ import annotations

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.planning.removal_identity import RemovalIdentity, build_removal_identity
from reconciler.spec.removal import RemovalEntry

AT = Span("specs/main.yaml", 9, 5, 9, 30)
LIVE = {
    "good_id": "Web prod",
    "other_team": "payroll",
    "sales_id": "Sales",
    "fresh_id": "Fresh",
    "strange": "a\u200bb",
    "unnamed": "",
}
KNOWN = {
    Address(GROUP, "web_prod"): Record(id="good_id", applied={("name",): "web_prod"}),
    Address(DESTINATION, "web_prod"): Record(id="good_id"),
    Address(GROUP, "sales"): Record(id="sales_id", applied={("name",): "Sales"}),
    Address(GROUP, "gone"): Record(id="gone_id", applied={("name",): "Gone"}),
    Address(DESTINATION, "half"): Record(id="half_id"),
    Address(GROUP, "torn"): Record(id="torn_id"),
    Address(DESTINATION, "torn"): Record(id="other_torn"),
    Address(GROUP, "lost"): Record(intent=Intent(Action.CREATE, "payroll")),
}
DECLARED = [Desired(Address(GROUP, key), key, AT, {}) for key in ("fresh", "sales")]
EXTENTS = pytest.mark.parametrize("extent", [*Extent])


def make_identity(**removals: CompletedRemoval) -> RemovalIdentity:
    return build_removal_identity(LIVE, KNOWN, removals, DECLARED, {"sales": "sales_id", "fresh": "fresh_id"})


def find_code(key: str, id: str, name: str | None, extent: Extent, **removals: CompletedRemoval) -> str:
    """Return the code of the problem, or an empty text."""
    entry = RemovalEntry(key, id, extent, False, AT, AT, AT, name)
    problem = make_identity(**removals).find_problem(entry)
    return problem.code if problem is not None else ""


@EXTENTS
@pytest.mark.parametrize(
    ("key", "id", "name", "code"),
    [
        # with a record
        ("web_prod", "good_id", None, ""),
        ("web_prod", "good_id", "Web prod", ""),  # the live name
        ("web_prod", "good_id", "web_prod", ""),  # the last applied name
        ("web_prod", "good_id", "Web Prod", "removal-other-name"),
        ("web_prod", "good_idd", None, "removal-other-id"),
        ("web_prod", "other_team", None, "removal-other-id"),
        ("web_prod", "other_team", "payroll", "removal-other-id"),
        ("gone", "gone_id", None, ""),
        ("gone", "gone_id", "Any name", ""),  # the object is deleted, so no live name exists
        ("gone", "other_team", "payroll", "removal-other-id"),
        ("half", "half_id", None, ""),
        ("half", "good_id", None, "removal-of-another"),
        ("torn", "torn_id", None, "removal-other-id"),  # two recorded ids contradict each other
        ("torn", "other_torn", None, "removal-other-id"),
        # without a record
        ("new", "other_team", None, "removal-needs-name"),
        ("new", "other_team", "payroll", ""),
        ("new", "other_team", "payroll ", "removal-other-name"),
        ("new", "other_team", "PAYROLL", "removal-other-name"),
        ("new", "other_team", "Web prod", "removal-other-name"),
        ("new", "unnamed", None, "removal-needs-name"),
        ("new", "unnamed", "", ""),
        ("new", "nowhere", None, "removal-unknown-id"),
        ("new", "nowhere", "payroll", "removal-unknown-id"),
        ("lost", "other_team", None, "removal-needs-name"),  # a create with an unknown id
        ("lost", "other_team", "payroll", ""),
        # ids of another key, by record or declaration
        ("new", "good_id", "Web prod", "removal-of-another"),
        ("new", "gone_id", None, "removal-of-another"),
        ("web_prod", "half_id", None, "removal-of-another"),
        ("web_prod", "sales_id", "Sales", "removed-and-declared"),
        ("new", "sales_id", "Sales", "removed-and-declared"),
        # ids of the same key
        ("sales", "sales_id", None, ""),
        ("sales", "other_team", "payroll", "removal-other-id"),
        ("fresh", "other_team", "payroll", "removal-other-id"),
        ("fresh", "fresh_id", None, "removal-needs-name"),
        ("fresh", "fresh_id", "Fresh", ""),
    ],
)
def test_an_entry_identifies_one_object_or_is_refused(
    key: str, id: str, name: str | None, code: str, extent: Extent
) -> None:
    assert find_code(key, id, name, extent) == code


@pytest.mark.parametrize(
    ("done", "asked", "code"),
    [
        (Extent.PAIR, Extent.PAIR, ""),
        (Extent.PAIR, Extent.DESTINATION, ""),
        (Extent.PAIR, Extent.MANAGEMENT, ""),
        (Extent.DESTINATION, Extent.PAIR, "removal-needs-name"),
        (Extent.DESTINATION, Extent.DESTINATION, ""),
        (Extent.DESTINATION, Extent.MANAGEMENT, ""),
        (Extent.MANAGEMENT, Extent.PAIR, "removal-needs-name"),
        (Extent.MANAGEMENT, Extent.DESTINATION, "removal-needs-name"),
        (Extent.MANAGEMENT, Extent.MANAGEMENT, ""),
    ],
)
def test_a_completed_removal_confirms_only_its_id_and_extent(done: Extent, asked: Extent, code: str) -> None:
    assert find_code("new", "other_team", None, asked, new=CompletedRemoval("other_team", done)) == code
    assert (
        find_code("new", "good_id", "Web prod", asked, new=CompletedRemoval("good_id", done))
        == "removal-of-another"
    )
    assert (
        find_code("new", "nowhere", None, asked, new=CompletedRemoval("other_team", done))
        == "removal-unknown-id"
    )


def render_problem(
    key: str, id: str, name: str | None = None, extent: Extent = Extent.PAIR
) -> tuple[str, str]:
    """Return message and notes, and help."""
    problem = make_identity().find_problem(RemovalEntry(key, id, extent, True, AT, AT, AT, name))
    assert problem is not None
    assert problem.span == AT
    return "\n".join([problem.message, *problem.notes]), problem.help


def test_a_wrong_id_is_reported_with_the_recorded_id_and_the_line_to_paste() -> None:
    message, advice = render_problem("web_prod", "other_team")
    for name in ("`good_id`", "`Web prod`", "`other_team`", "`payroll`"):
        assert name in message
    assert "`- {group: web_prod, id: good_id, with_platform_connection: true}`" in advice
    message, _ = render_problem("web_prod", "some_typo")
    assert "no group of this account has the id `some_typo`" in message


def test_two_entries_with_swapped_ids_are_reported_with_both_lines() -> None:
    message, advice = render_problem("web_prod", "half_id", extent=Extent.DESTINATION)
    assert "is recorded as the id of `half`" in message
    assert "{group: web_prod, id: good_id, only: destination, with_platform_connection: true}" in advice
    assert "{group: half, id: half_id, only: destination, with_platform_connection: true}" in advice


def test_a_missing_name_is_reported_with_the_line_to_paste() -> None:
    message, advice = render_problem("new", "other_team")
    assert "`payroll`" in message
    assert '`- {group: new, id: other_team, name: "payroll", with_platform_connection: true}`' in advice


def test_a_lookalike_name_is_reported() -> None:
    assert "characters that look alike" in render_problem("new", "other_team", "Payroll ")[0]
    assert "characters that look alike" not in render_problem("new", "other_team", "salaries")[0]


def test_a_forbidden_name_is_not_offered() -> None:
    for name in (None, "ab"):
        _, advice = render_problem("new", "strange", name)
        assert "U+200B (zero width space)" in advice
        assert "group:" not in advice


def test_an_unknown_id_is_reported_with_suggestions() -> None:
    assert "`payroll` has the id `other_team`" in render_problem("new", "nowhere", "payroll")[0]
    assert "most similar id is `other_team`, of `payroll`" in render_problem("new", "other_taem")[0]
    message, advice = render_problem("new", "elsewhere_9")
    assert message.endswith("the state has no record of `new`")
    assert "delete this entry" in advice
