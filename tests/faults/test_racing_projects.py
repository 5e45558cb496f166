"""Two projects plan the same object at once: the run that writes its records later is told, and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from owned_projects import FOLDER, PLACES, A, B, OwnedProjects, open_place, set_environ

from reconciler.applying.pipeline import adopt_only, apply_plan
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Event, WarningIssued
from reconciler.model.instant import Instant
from reconciler.model.outcome import ApplyResult
from reconciler.model.plan import Action
from reconciler.model.record import Intent, State
from reconciler.planning.pipeline import make_plan
from reconciler.state.codec import encode_state
from reconciler.workspace.workspace import Access, open_workspace

pytestmark = pytest.mark.sampled(every=3)


@pytest.fixture(params=PLACES)
def place_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def projects(
    place_kind: str,
    project: Project,
    server: EmulatedFivetran,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OwnedProjects]:
    with (
        open_place(place_kind, project.folder, tmp_path_factory.mktemp("server")) as place,
        set_environ(place.environ),
    ):
        yield OwnedProjects(project, server, place)


CREATE_ORDERS = Intent(Action.CREATE, "orders", begun=Instant(datetime(2026, 11, 26, 10, tzinfo=UTC)))

LAKE = """\
  lake:
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      lifecycle: {allow_replace: true}
      config: {storage_provider: AWS, bucket: BUCKET, prefix_path: fivetran, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
"""

in_a_folder = pytest.mark.parametrize("place_kind", [FOLDER])


def apply_after(
    projects: OwnedProjects, name: str, meanwhile: Callable[[], None], events: list[Event] | None = None
) -> ApplyResult | None:
    """Plan, do something else, and apply the plan. Returns None if nothing had to be sent."""
    listener = (events if events is not None else []).append
    with open_workspace(projects.build_settings(name), listener, Access.WRITE) as workspace:
        planned = make_plan(workspace)
        assert planned.plan.blockers == ()
        meanwhile()
        if planned.plan.effective:
            return apply_plan(workspace, planned)
        adopt_only(workspace, planned)
        return None


def refuse_after(projects: OwnedProjects, name: str, meanwhile: Callable[[], None]) -> list[Diagnostic]:
    """Plan, do something else, and apply the plan, which must be refused. Returns the errors."""
    with pytest.raises(ReconcilerError) as refusal:
        apply_after(projects, name, meanwhile)
    return list(refusal.value.diagnostics)


def test_a_create_that_another_project_made_meanwhile_is_refused(projects: OwnedProjects) -> None:
    projects.declare(A, "orders", "sales")
    [error] = refuse_after(projects, A, lambda: projects.must_apply(B, "orders"))
    assert (error.code, str(error.address)) == ("owned-elsewhere", "group.orders")
    assert projects.place.describe_state(B) in error.message
    assert "while this run was planning; nothing was sent" in error.notes[-1]
    assert projects.list_addresses(A) == []
    assert len(projects.server.list_ids("groups")) == 1
    assert projects.run(A, "plan").exit == 3
    projects.declare(A, "sales")
    projects.must(A, "apply", "--auto-approve")


def test_an_adoption_that_another_project_made_meanwhile_is_refused(projects: OwnedProjects) -> None:
    projects.server.post("/groups", {"name": "orders"})
    projects.declare(A, groups="  orders: {}\n")
    projects.declare(B, groups="  orders: {}\n")
    [error] = refuse_after(projects, A, lambda: assert_ok(projects, B))
    assert (error.code, str(error.address)) == ("owned-elsewhere", "group.orders")
    assert projects.list_addresses(A) == []
    assert projects.list_addresses(B) == ["group.orders"]


@in_a_folder
def test_a_removal_of_what_another_project_took_meanwhile_is_refused(projects: OwnedProjects) -> None:
    id = projects.server.post("/groups", {"name": "orders"})["id"]
    projects.declare(A, removed=f"  - {{group: orders, id: {id}, name: orders}}\n")
    projects.declare(B, groups="  orders: {}\n")
    [error] = refuse_after(projects, A, lambda: assert_ok(projects, B))
    assert error.code == "owned-elsewhere"
    assert projects.find_id("orders") == id


@in_a_folder
def test_the_own_records_are_as_before_a_refused_race(projects: OwnedProjects) -> None:
    projects.must_apply(A, "sales")
    before = projects.read_state(A)
    assert before is not None
    projects.declare(A, "sales", "orders", groups="  lake: {}\n")
    refuse_after(projects, A, lambda: projects.must_apply(B, "orders"))
    after = projects.read_state(A)
    assert after is not None
    assert after.records == before.records


def test_a_run_of_other_objects_is_no_race(projects: OwnedProjects) -> None:
    projects.declare(A, "orders")
    applied = apply_after(projects, A, lambda: projects.must_apply(B, "sales"))
    assert applied is not None and applied.problems == () and applied.remaining == ()
    projects.must(B, "plan", "--detailed-exitcode")


@in_a_folder
def test_a_killed_create_of_another_project_keeps_its_name(projects: OwnedProjects) -> None:
    """The intent of a run that was killed before its first request stands in its journal."""
    projects.must_apply(B, "orders")
    theirs = projects.read_state(B)
    assert theirs is not None
    unfinished = {
        address: replace(record, id=None, intent=CREATE_ORDERS) for address, record in theirs.records.items()
    }
    projects.place.put(B, encode_state(replace(theirs, records=unfinished)))
    projects.declare(A, "orders")
    adopted = projects.run(A, "plan", "--format", "json").document["blockers"]
    assert [blocker["code"] for blocker in adopted] == ["owned-elsewhere"]
    assert "has an unfinished creation of it" in adopted[0]["message"]
    id = projects.find_id("orders")
    projects.server.delete(f"/destinations/{id}")
    projects.server.delete(f"/groups/{id}")
    created = projects.run(A, "plan", "--format", "json").document["blockers"]
    assert [blocker["code"] for blocker in created] == ["owned-elsewhere"]


@in_a_folder
@pytest.mark.parametrize("is_strict", [False, True])
def test_a_state_that_cannot_be_read_by_now_is_told(projects: OwnedProjects, is_strict: bool) -> None:
    content = encode_state(State("other", 1, projects.server.account_id)).replace(
        b'"format": 2', b'"format": 99'
    )
    projects.declare(A, "orders", settings="ownership: strict\n" if is_strict else "")
    if is_strict:
        [error] = refuse_after(projects, A, lambda: projects.place.put(B, content))
        assert error.code == "neighbour-unreadable"
        assert projects.list_addresses(A) == []
        return
    events: list[Event] = []
    assert apply_after(projects, A, lambda: projects.place.put(B, content), events) is not None
    warnings = [event.diagnostic.code for event in events if isinstance(event, WarningIssued)]
    assert warnings == ["neighbour-unreadable"]


def assert_ok(projects: OwnedProjects, name: str) -> None:
    projects.must(name, "apply", "--auto-approve")


@in_a_folder
def test_a_command_that_lost_a_race_names_the_other_state(projects: OwnedProjects) -> None:
    """The command waits for the connections of a destination to be replaced, which it reads after the other states."""
    projects.declare(A, groups=LAKE.replace("BUCKET", "first"))
    projects.must(A, "apply", "--auto-approve")
    projects.declare(A, "orders", groups=LAKE.replace("BUCKET", "second"))
    before = len(projects.server.writes)
    arguments = ("apply", "--auto-approve", "--format", "json", "--project", "specs/a.yaml")
    with (
        serve_blocking(projects.server, lambda method, path: path.endswith("/connections")) as (gate, url),
        BackgroundProcess(*arguments, directory=projects.project.folder, **build_credentials(url)) as process,
    ):
        gate.await_arrivals(1)
        projects.must_apply(B, "orders")
        theirs = len(projects.server.writes)
        gate.released.set()
        result = process.wait_for_exit()
    assert result.code == 3, result.out + result.err
    [error] = json.loads(result.out)["diagnostics"]
    assert (error["code"], error["address"]) == ("owned-elsewhere", "group.orders")
    assert projects.place.describe_state(B) in error["message"]
    assert theirs > before
    assert projects.server.writes[theirs:] == []
