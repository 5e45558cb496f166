"""Names of groups that other groups have: errors, order of renames, and hints at almost equal names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)


@pytest.fixture(params=["allowed", "conflict"])
def server(request: pytest.FixtureRequest) -> Iterator[EmulatedFivetran]:
    """An account in which names need not be unique, and an account in which names must be unique."""
    with serve_fivetran(behaviour=Behaviour(duplicate_group_name=request.param)) as server:
        yield server


@pytest.fixture
def pairs(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """A project with the applied groups `First` and `Second`."""
    applied_project = AppliedProject(project, server)
    applied_project.apply_once("  a: {name: First}\n  b: {name: Second}\n")
    return applied_project


def declare(pairs: AppliedProject, more: str = "", removed: str = "", *, ids: str = "", **names: str) -> None:
    """Declare the groups by these names; `ids` are the keys whose entries have their `id:`."""
    live = {"a": pairs.ids["First"], "b": pairs.ids["Second"]}
    lines = [
        f"  {key}: {{{f'id: {live[key]}, ' if key in ids else ''}name: {name}}}\n"
        for key, name in names.items()
    ]
    pairs.write_specs("".join(lines) + more, removed)


def list_names(pairs: AppliedProject) -> dict[str, str]:
    return {group["id"]: group["name"] for group in pairs.server.app.dump()["groups"]}


def check_taken(pairs: AppliedProject, *texts: str) -> None:
    """Check that plan and apply refuse a taken name, and that the plan still shows the change."""
    result = pairs.plan()
    assert (result.exit, get_error_code(result)) == (1, "name-taken"), result.stderr
    error = " ".join(result.stderr.split())
    assert [text for text in texts if text not in error] == [], error
    assert "Apply refuses this plan: name-taken." in result.stdout
    document = pairs.plan("--format", "json").document
    assert document["unplanned"] == []
    assert "name-taken" in {code for change in document["changes"] for code in change["blocked_by"]}
    before = list_names(pairs)
    result, writes = pairs.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, get_error_code(result), writes) == (1, "name-taken", [])
    assert list_names(pairs) == before


@pytest.mark.parametrize("ids", ["", "a"])
def test_a_rename_to_the_name_of_an_unmanaged_group_is_an_error(pairs: AppliedProject, ids: str) -> None:
    other = pairs.dashboard.add_group("payroll", "decent_dropsy")
    assert other == "decent_dropsy"
    declare(pairs, a="payroll", b="Second", ids=ids)
    check_taken(
        pairs, "group.a cannot be renamed to `payroll`: the group `decent_dropsy`", "belongs to no entry"
    )


@pytest.mark.parametrize("ids", ["", "a", "b"])
def test_a_rename_to_the_name_of_another_entry_is_an_error_without_both_ids(
    pairs: AppliedProject, ids: str
) -> None:
    """The other entry keeps the name, since the run leaves the entry out."""
    declare(pairs, a="Second", b="Third", ids=ids)
    result = pairs.plan("--target", "a")
    assert (result.exit, get_error_code(result)) == (1, "name-taken"), result.stderr
    error = " ".join(result.stderr.split())
    assert "that group belongs to group.b" in error
    for key, name in (("a", "First"), ("b", "Second")):
        assert (f"`id: {pairs.ids[name]}` into group.{key}" in error) == (key not in ids)


def test_entries_with_ids_may_share_a_name(pairs: AppliedProject) -> None:
    declare(pairs, a="Second", b="Second", ids="ab")
    assert pairs.plan().exit == 0
    result = pairs.apply()
    if pairs.server.app.behaviour.duplicate_group_name == "conflict":
        assert result.exit == 6
        assert "error[conflict]" in result.stdout
        return
    assert result.exit == 0
    assert pairs.is_converged()
    pairs.state_file.unlink()
    assert pairs.is_converged()


@pytest.mark.parametrize("ids", ["", "a"])
def test_specs_with_one_name_twice_need_both_ids(pairs: AppliedProject, ids: str) -> None:
    declare(pairs, a="Same", b="Same", ids=ids)
    result = pairs.run("validate")
    assert (result.exit, get_error_code(result)) == (1, "duplicate-name")


def test_a_new_group_of_the_name_of_a_managed_group_is_an_error(pairs: AppliedProject) -> None:
    declare(pairs, a="First", b="Third", more="  c: {name: Second}\n")
    result = pairs.plan("--target", "c")
    assert (result.exit, get_error_code(result)) == (1, "name-taken")
    assert "group.c cannot be created as `Second`" in " ".join(result.stderr.split())


def test_a_group_of_a_removal_keeps_its_name_until_the_end_of_the_apply(pairs: AppliedProject) -> None:
    removal = f"  - {{group: b, id: {pairs.ids['Second']}}}\n"
    declare(pairs, a="Second", removed=removal, ids="a")
    check_taken(pairs, "the removal of `b` deletes that group", "apply the removal first: `--target b`")
    pairs.must_apply("--target", "b")
    pairs.must_apply()
    assert list_names(pairs) == {pairs.ids["First"]: "Second"}


@pytest.mark.parametrize("keys", ["ab", "ba"])
def test_a_name_is_freed_before_another_group_takes_it(pairs: AppliedProject, keys: str) -> None:
    """A chain: the second group is renamed first, in either order of the keys. A new group takes the first name."""
    first, second = keys
    names = {"a": "First", "b": "Second"}
    wanted = {first: names[second], second: "Third"}
    declare(pairs, more=f"  c: {{name: {names[first]}}}\n", **wanted)
    writes = pairs.list_apply_writes("--parallelism", "1")
    ids = {"a": pairs.ids["First"], "b": pairs.ids["Second"]}
    assert writes == [f"PATCH /v1/groups/{ids[second]}", f"PATCH /v1/groups/{ids[first]}", "POST /v1/groups"]
    assert pairs.is_converged()


def test_a_saved_plan_that_stopped_after_a_rename_can_be_applied_again(pairs: AppliedProject) -> None:
    declare(pairs, a="First", b="Third", more="  c: {name: Second}\n")
    assert pairs.plan("--out", "dev.plan").exit == 0
    pairs.add_faults("POST /v1/groups times 1 status 400")
    assert pairs.run("apply", "dev.plan").exit == 6
    assert pairs.dashboard.find_group_ids("Third") == [pairs.ids["Second"]]
    result = pairs.run("apply", "dev.plan")
    assert result.exit == 0, result.stderr
    assert pairs.is_converged()


def test_a_group_does_not_take_a_name_that_was_not_freed(pairs: AppliedProject) -> None:
    declare(pairs, a="Second", b="Third")
    pairs.add_faults(f"PATCH /v1/groups/{pairs.ids['Second']} times 1 status 400")
    result, writes = pairs.run_and_list_writes("apply", "--auto-approve", "--format", "json")
    assert (result.exit, writes) == (6, [f"PATCH /v1/groups/{pairs.ids['Second']}"])
    statuses = {each["address"]: each["status"] for each in result.document["applied"]["outcomes"]}
    assert statuses == {"group.a": "skipped", "group.b": "failed"}
    pairs.must_apply()
    assert pairs.is_converged()


@pytest.mark.parametrize("ids", ["", "a"])
def test_an_exchange_of_names_is_an_error_without_all_ids(pairs: AppliedProject, ids: str) -> None:
    declare(pairs, a="Second", b="First", ids=ids)
    check_taken(
        pairs, "group.a and group.b exchange their names", f"`id: {pairs.ids['Second']}` into group.b"
    )
    declare(pairs, a="Free", b="First")
    pairs.must_apply()
    declare(pairs, a="Second", b="First")
    pairs.must_apply()
    assert list_names(pairs) == {pairs.ids["First"]: "Second", pairs.ids["Second"]: "First"}


def test_entries_with_ids_may_exchange_their_names(pairs: AppliedProject) -> None:
    declare(pairs, a="Second", b="First", ids="ab")
    assert pairs.plan().exit == 0
    result = pairs.apply()
    if pairs.server.app.behaviour.duplicate_group_name == "conflict":
        assert result.exit == 6
        assert "a free name first" in " ".join(result.stdout.split())
        return
    assert result.exit == 0
    assert pairs.is_converged()


def test_a_name_that_another_group_took_since_the_review_makes_a_plan_stale(pairs: AppliedProject) -> None:
    declare(pairs, a="payroll", b="Second")
    assert pairs.plan("--out", "dev.plan").exit == 0
    pairs.dashboard.add_group("payroll")
    result, writes = pairs.run_and_list_writes("apply", "dev.plan")
    assert (result.exit, get_error_code(result), writes) == (4, "plan-stale", [])
    assert "another group has its name now" in " ".join(result.stderr.split())


def test_an_unchanged_group_is_no_error_if_another_group_gets_its_name(pairs: AppliedProject) -> None:
    pairs.dashboard.add_group("First")
    assert pairs.is_converged()


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("Finance", "finance"),
        ("Finance", "Finance "),
        ("Cash flow", "Cashflow"),
        (unicodedata.normalize("NFC", "Zürich"), unicodedata.normalize("NFD", "Zürich")),
    ],
)
def test_an_almost_equal_name_of_an_unmanaged_group_is_a_hint_with_its_id(
    pairs: AppliedProject, name: str, live: str
) -> None:
    pairs.dashboard.add_group(live, "decent_dropsy")
    declare(pairs, a="First", b="Second", more=f"  c: {{name: {name}}}\n")
    result = pairs.plan()
    assert result.exit == 0
    assert "warning[similar-name]" in result.stderr
    assert "write `id: decent_dropsy` into the entry" in " ".join(result.stderr.split())
    declare(pairs, a="First", b="Second", more=f"  c: {{id: decent_dropsy, name: {name}}}\n")
    result = pairs.plan()
    assert "similar-name" not in result.stderr
    assert "~ group.c" in result.stdout


@pytest.mark.parametrize("live", ["Finances", "Second", "second"])
def test_other_names_give_no_hint(pairs: AppliedProject, live: str) -> None:
    """A name that a managed group has is no hint at an unmanaged group."""
    if live == "Finances":
        pairs.dashboard.add_group(live)
    declare(pairs, a="First", b="Second", more="  c: {name: Finance}\n" if live != "second" else "")
    assert "similar-name" not in pairs.plan().stderr
