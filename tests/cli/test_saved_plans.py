"""Apply of a saved plan: the causes that make a plan stale, each with its code (S-51, R44), and the changes that
leave a plan valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cli_harness import Project, serve_fivetran
from fake_clock import HastyClock
from saved_plans import (
    EXPECTED_WRITES,
    MAIN_FILE,
    OTHER_FILE,
    PROFILES_FILE,
    PROJECT_FILE,
    REVIEWED_CALLS,
    SPECS_BEFORE,
    SavedPlanProject,
    add_postgres,
    change_live,
    forget_pair,
    list_sent,
    prepare_project,
    recreate_orders,
    remove_objects,
)

from reconciler.emulator.store import Kind

pytestmark = pytest.mark.sampled(every=6, tests=2)


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


@dataclass(frozen=True)
class StaleCase:
    """A cause that makes a saved plan stale, with its code and the messages of the refusal. `plan` and `apply` are the
    options of these commands."""

    cause: Callable[[SavedPlanProject, pytest.MonkeyPatch], object]
    code: str
    messages: tuple[str, ...]
    plan: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()
    is_shown: bool = True


STALE_CASES: dict[str, StaleCase] = {}


def register_case(
    name: str, code: str, *messages: str, **more: Any
) -> Callable[[Callable[..., object]], None]:
    """Register the decorated function as a cause of a stale plan."""

    def register(cause: Callable[..., object]) -> None:
        assert name not in STALE_CASES
        STALE_CASES[name] = StaleCase(cause, code, messages, **more)

    return register


def register_spec_edit(name: str, file: str, old: str, new: str, *messages: str) -> None:
    """Register one edit of the specs as a cause."""
    STALE_CASES[name] = StaleCase(
        lambda saved_project, _: saved_project.edit_file(file, old, new), "plan-spec-changed", messages
    )


# The file


@register_case("altered", "plan-altered", "its content does not match its seal", is_shown=False)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.plan_file.write_bytes(
        saved_project.plan_file.read_bytes().replace(b"AWS_US_WEST_2", b"AWS_US_WEST_1")
    )


@register_case(
    "not a plan", "plan-altered", "it is not a plan that `reconciler plan --out` wrote", is_shown=False
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.plan_file.write_text("[]\n")


@register_case(
    "signed with another key",
    "plan-signature",
    "it was signed with another key",
    plan=("--signature-key", "env:ANOTHER_KEY"),
    apply=("--signature-key", "env:PLAN_KEY", "--require-signature"),
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    pass


@register_case(
    "signature taken from another plan",
    "plan-signature",
    "it was signed with another key",
    plan=("--signature-key", "env:PLAN_KEY"),
    apply=("--signature-key", "env:PLAN_KEY"),
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    behind = saved_project.plan_file.read_bytes().split(b"\n", 1)[1]
    behind = behind.replace(b'"tool": "', b'"tool": "9')
    saved_project.plan_file.write_bytes(
        b'{"seal": "%s",\n%s' % (hashlib.sha256(behind).hexdigest().encode(), behind)
    )


@register_case(
    "unsigned despite a signature key",
    "plan-signature",
    "it is not signed",
    apply=("--signature-key", "env:PLAN_KEY", "--require-signature"),
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    pass


@register_case("expired", "plan-expired", "this plan was valid until", plan=("--expires", "1m"))
def _(saved_project: SavedPlanProject, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HastyClock, "ahead", timedelta(seconds=61))


@register_case("already applied", "plan-applied", "everything in this plan is in effect already")
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    assert saved_project.apply().exit == 0


@register_case(
    "incomplete",
    "plan-incomplete",
    "this plan was made without some of its entries, which could not be planned",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.forge_plan(lambda content: content.update(complete=False))


@register_case("other format", "plan-format", "it has format `2`, and this version reads 1", is_shown=False)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.forge_plan(lambda content: content.update(format=2, plan={"all": "new"}))


@register_case(
    "other account",
    "plan-other-account",
    "this plan is for account `fjord_zephyr`, these credentials are for `pastel_crystal`",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.server = saved_project.stack.enter_context(serve_fivetran(seed=1))


# The specs

register_spec_edit(
    "a changed field was edited",
    MAIN_FILE,
    "AWS_US_WEST_2",
    "AWS_EU_WEST_1",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now "AWS_US_EAST_1" -> "AWS_EU_WEST_1"',
)
register_spec_edit(
    "an unchanged field was edited",
    MAIN_FILE,
    "orders.example",
    "orders-2.example",
    '`config.host`: reviewed no change, now "orders.example" -> "orders-2.example"',
)
register_spec_edit(
    "a field of a new entry was edited",
    MAIN_FILE,
    "fresh.example",
    "fresh-2.example",
    '`config.host`: reviewed "fresh.example", now "fresh-2.example"',
)
register_spec_edit(
    "a field was added",
    MAIN_FILE,
    "host: half.example",
    "host: half.example, always_encrypted: true",
    "`config.always_encrypted`: reviewed no change, now true",
)
register_spec_edit(
    "a field was deleted",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n      config:\n        host: orders.example\n",
    "      region: AWS_US_WEST_2\n      config:\n",
    "`config.host`: edited since the review",
)
register_spec_edit(
    "a change was reverted",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n",
    "",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now no change',
)
register_spec_edit(
    "a name was given",
    MAIN_FILE,
    "  orders:\n",
    "  orders:\n    name: Orders of today\n",
    "destination.orders is not as it was reviewed",
    "`name`: edited since the review",
)
register_spec_edit(
    "the name of a new entry was edited",
    MAIN_FILE,
    "  fresh:\n",
    "  fresh:\n    name: Fresh\n",
    '`name`: reviewed "fresh", now "Fresh"',
)
register_spec_edit(
    "the trust was edited",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      trust: {certificates: any}\n",
    "`trust`: edited since the review",
)
register_spec_edit(
    "the setup tests were edited",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      setup_tests: {run: false}\n",
    "`setup_tests`: edited since the review",
)
register_spec_edit(
    "the lifecycle was edited",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      lifecycle: {protected: true}\n",
    "`lifecycle`: edited since the review",
)
register_spec_edit(
    "a profile was edited",
    PROFILES_FILE,
    "port: 5432",
    "port: 5433",
    "`config.port`: reviewed no change, now 5432 -> 5433",
    "`config.port`: reviewed 5432, now 5433",
)
register_spec_edit(
    "the defaults were edited",
    PROJECT_FILE,
    'time_zone_offset: "0"',
    'time_zone_offset: "+1"',
    '`time_zone_offset`: reviewed no change, now "0" -> "+1"',
)
register_spec_edit(
    "defaults of tests were edited",
    PROJECT_FILE,
    'time_zone_offset: "0"',
    'time_zone_offset: "0", setup_tests: {on_failure: warn}',
    "`setup_tests`: edited since the review",
)
register_spec_edit(
    "a reference was edited",
    MAIN_FILE,
    "env:SALES_PASSWORD",
    "env:OTHER_PASSWORD",
    "`config.password`: reviewed the secret `env:SALES_PASSWORD`, now the secret `env:OTHER_PASSWORD`",
)
register_spec_edit(
    "the service was edited",
    MAIN_FILE,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      service: snowflake\n",
    "destination.orders is not as it was reviewed: its spec was edited",
    "`service`: edited since the review",
)
register_spec_edit(
    "an entry was deleted",
    MAIN_FILE,
    "  half:\n    destination:\n      profile: postgres\n      config:\n        host: half.example\n".replace(
        "config:\n        host: half.example",
        'config: {host: half.example, password: {secret: "env:HALF_PASSWORD"}}',
    ),
    "  half: {}\n",
    "destination.half is not as it was reviewed: the specs do not declare it any more",
)
register_spec_edit(
    "an entry was given another key",
    MAIN_FILE,
    "  sales:\n",
    "  sales_of_today:\n    was: sales\n",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)


@register_case(
    "an entry is missing",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    text = (saved_project.folder / MAIN_FILE).read_text()
    entry = text[text.index("  sales:\n") : text.index("removed:\n")]
    saved_project.edit_file(MAIN_FILE, entry, "")


def _remove_sales(saved_project: SavedPlanProject, more: str) -> None:
    text = (saved_project.folder / MAIN_FILE).read_text()
    entry = text[text.index("  sales:\n") : text.index("removed:\n")]
    saved_project.edit_file(MAIN_FILE, entry, "")
    id = saved_project.find_id("sales")
    saved_project.edit_file(MAIN_FILE, "removed:\n", f"removed:\n  - {{group: sales, id: {id}{more}}}\n")


@register_case(
    "an entry was removed",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs delete it now",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    _remove_sales(saved_project, "")


@register_case(
    "an entry was forgotten",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    _remove_sales(saved_project, ", forget: true")


register_spec_edit(
    "a removal became a forget",
    MAIN_FILE,
    "with_platform_connection: true",
    "forget: true",
    "destination.old is not as it was reviewed: the specs do not delete it any more",
    "group.old is not as it was reviewed: the specs do not delete it any more",
)
register_spec_edit(
    "a removal keeps the group",
    MAIN_FILE,
    "with_platform_connection: true",
    "with_platform_connection: true, only: destination",
    "group.old is not as it was reviewed: the specs do not delete it any more",
)


@register_case(
    "a removal was reverted",
    "plan-spec-changed",
    "destination.old is not as it was reviewed: the specs do not delete it any more",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    text = (saved_project.folder / MAIN_FILE).read_text()
    saved_project.edit_file(MAIN_FILE, text[text.index("removed:\n") :], "")
    old = SPECS_BEFORE[SPECS_BEFORE.index("  old:\n") : SPECS_BEFORE.index("  orders:\n")]
    saved_project.edit_file(MAIN_FILE, "  orders:\n", f"{old}  orders:\n")


@register_case(
    "a visible value behind a reference changed",
    "plan-spec-changed",
    "its spec refers to a value that has changed",
    '`config.user`: reviewed no change, now "loader_of_orders" -> "another_loader"',
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.environ["ORDERS_USER"] = "another_loader"


# Secrets


@register_case(
    "a planned secret changed",
    "plan-secret-changed",
    "destination.sales is not as it was reviewed: its secret has changed",
    "`config.password`: the value of `env:SALES_PASSWORD` has changed since the review",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.environ["SALES_PASSWORD"] = "nobody-sees-newest-sales"


@register_case(
    "a secret of a new entry changed",
    "plan-secret-changed",
    "destination.fresh is not as it was reviewed: its secret has changed",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.environ["FRESH_PASSWORD"] = "nobody-sees-fresher"


@register_case(
    "a secret unchanged at review changed",
    "plan-secret-changed",
    "destination.orders is not as it was reviewed: its secret has changed",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.environ["ORDERS_PASSWORD"] = "nobody-sees-newer-orders"


@register_case(
    "a secret was reverted",
    "plan-secret-changed",
    "destination.sales is not as it was reviewed: its secret has changed",
)
def _(saved_project: SavedPlanProject, _: pytest.MonkeyPatch) -> None:
    saved_project.environ["SALES_PASSWORD"] = "nobody-sees-older-sales"


# The account


def register_drift(name: str, cause: Callable[[SavedPlanProject], object], *messages: str) -> None:
    """Register a change at Fivetran as a cause."""
    STALE_CASES[name] = StaleCase(lambda saved_project, _: cause(saved_project), "plan-stale", messages)


register_drift(
    "a changed field drifted",
    lambda saved_project: change_live(saved_project, "orders", region="GCP_US_EAST4"),
    "destination.orders is not as it was reviewed: it was changed at Fivetran",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now "GCP_US_EAST4" -> "AWS_US_WEST_2"',
)
register_drift(
    "an unchanged field drifted",
    lambda saved_project: change_live(saved_project, "sales", config={"port": 6000}),
    "destination.sales is not as it was reviewed: it was changed at Fivetran",
    "`config.port`: reviewed no change, now 6000 -> 5432",
)
register_drift(
    "a group of that name was created",
    lambda saved_project: saved_project.dashboard.add_group("fresh"),
    "group.fresh is not as it was reviewed: another user has created it since",
    "destination.fresh is not as it was reviewed: another user has created group.fresh since",
)
register_drift(
    "two groups of that name were created",
    lambda saved_project: [saved_project.dashboard.add_group("fresh") for _ in "12"],
    "group.fresh is not as it was reviewed: several groups have its name now",
)
register_drift(
    "a destination was created in that group",
    lambda saved_project: add_postgres(saved_project, saved_project.find_id("half"), "theirs.example"),
    "destination.half is not as it was reviewed: another user has created it since",
    '`config.host`: reviewed "half.example", now "theirs.example" -> "half.example"',
)
register_drift(
    "the planned destination was created outside",
    lambda saved_project: add_postgres(saved_project, saved_project.find_id("half"), "half.example"),
    "destination.half is not as it was reviewed: another user has created it since",
)
register_drift(
    "a destination of another service was created in that group",
    lambda saved_project: saved_project.dashboard.add_destination(saved_project.find_id("half"), "snowflake"),
    "destination.half is not as it was reviewed: something else is in its place now",
)
register_drift(
    "a destination was deleted",
    lambda saved_project: remove_objects(saved_project, "orders", Kind.DESTINATION),
    "destination.orders is not as it was reviewed: it is gone from Fivetran, or hidden from these credentials",
)
register_drift(
    "a group was deleted",
    lambda saved_project: remove_objects(saved_project, "orders", Kind.DESTINATION, Kind.GROUP),
    "group.orders is not as it was reviewed: it is gone from Fivetran, or hidden from these credentials",
)
register_drift(
    "the group of a new destination was deleted",
    lambda saved_project: remove_objects(saved_project, "half", Kind.GROUP),
    "group.half is not as it was reviewed: it is gone from Fivetran, or hidden from these credentials",
)
register_drift(
    "a pair was recreated",
    lambda saved_project: recreate_orders(saved_project, "AWS_US_EAST_1"),
    "group.orders is not as it was reviewed: it is gone from Fivetran, or hidden from these credentials",
)
register_drift(
    "a pair was recreated, and its old record forgotten",
    lambda saved_project: [
        recreate_orders(saved_project, "AWS_US_EAST_1"),
        forget_pair(saved_project, "orders"),
    ],
    "destination.orders is not as it was reviewed: it is another object now",
)
register_drift(
    "a pair was recreated as planned, and its old record forgotten",
    lambda saved_project: [
        recreate_orders(saved_project, "AWS_US_WEST_2"),
        forget_pair(saved_project, "orders"),
    ],
    "destination.orders is not as it was reviewed: it is another object now",
)
register_drift(
    "a destination was recreated as another service",
    lambda saved_project: [
        remove_objects(saved_project, "orders", Kind.DESTINATION),
        saved_project.dashboard.add_destination(saved_project.find_id("orders"), "snowflake"),
    ],
    "destination.orders is not as it was reviewed: something else is in its place now",
    "changing `service` would destroy and recreate destination.orders",
)
register_drift(
    "a connection would be deleted too",
    lambda saved_project: saved_project.dashboard.add_connection(
        saved_project.find_id("old"), "fivetran_log", "fivetran_log"
    ),
    "destination.old is not as it was reviewed: other connections would be deleted with it",
)


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("name", STALE_CASES)
def test_a_stale_plan_is_refused(
    name: str, saved_project: SavedPlanProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-51: exit 4, a specific code, no change; R44: the plan can still be shown."""
    case = STALE_CASES[name]
    planned = saved_project.plan(*case.plan)
    assert planned.exit == 0, planned.stderr
    shown = saved_project.run("show", "plan.json").stdout
    case.cause(saved_project, monkeypatch)
    before = len(saved_project.server.writes)
    state = (saved_project.folder / "specs/.reconciler/state.json").read_bytes()
    result = saved_project.apply(*case.apply)
    assert (result.exit, result.stdout) == (4, ""), result.stderr
    headers = {line.partition("]")[0] for line in result.stderr.splitlines() if line.startswith("error[")}
    assert headers == {f"error[{case.code}"}
    for each in case.messages:
        assert each in result.stderr
    document = saved_project.apply("--format", "json", *case.apply)
    assert (document.exit, document.stderr) == (4, "")
    assert document.document["exit"] == {"code": 4, "reason": "plan-refused"}
    assert {each["code"] for each in document.document["diagnostics"]} == {case.code}
    for each in case.messages:
        assert each in json.dumps(document.document, ensure_ascii=False).replace('\\"', '"')
    assert saved_project.server.writes[before:] == []
    assert (saved_project.folder / "specs/.reconciler/state.json").read_bytes() == state
    if case.is_shown:
        again = saved_project.run("show", "plan.json")
        assert again.exit == 0
        assert again.stdout.partition("\n")[2] == shown.partition("\n")[2]


def test_a_saved_plan_is_applied_as_reviewed(saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    assert [
        f"{each['action']} {each['address']}" for each in saved_project.read_plan()["expected"]
    ] == REVIEWED_CALLS
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert "still current (7 changes planned again)" in result.stdout
    assert len(saved_project.server.writes[before:]) > 7
    assert saved_project.run("plan", "--detailed-exitcode").exit == 0


def reorder_entries(saved_project: SavedPlanProject) -> None:
    """Write the same entries in another order, with comments, in other files."""
    removed = (saved_project.folder / MAIN_FILE).read_text().partition("removed:\n")[2]
    saved_project.project.write(MAIN_FILE, f"# Who removes what.\nversion: 1\nremoved:\n{removed}")
    saved_project.project.write(
        "specs/groups/a_to_z.yaml",
        """\
# All that is ours.
groups:
  sales: # the oldest
    destination: {config: {password: {secret: "env:SALES_PASSWORD"}, host: sales.example}, profile: postgres}
  orders:
    destination:
      config:
        password: {secret: "env:ORDERS_PASSWORD"}
        user: {value: "env:ORDERS_USER"}
        host: 'orders.example'
      region: AWS_US_WEST_2
      profile: postgres
  half:
    destination:
      # without its profile, and the same
      service: postgres_rds_warehouse
      region: AWS_US_EAST_1
      config: {database: warehouse, port: 5432, host: half.example, user: loader,
        password: {secret: "env:HALF_PASSWORD"}}
  fresh:
    destination:
      profile: postgres
      config: {host: fresh.example, password: {secret: "env:FRESH_PASSWORD"}}
version: 1
""",
    )


def advance_serial(saved_project: SavedPlanProject) -> None:
    """Apply an unrelated change."""
    saved_project.edit_file(OTHER_FILE, "other.example", "other-2.example")
    assert saved_project.run("apply", "--auto-approve", "--target", "other").exit == 0


def delete_bound_object(saved_project: SavedPlanProject) -> None:
    """Bind another entry to an object and delete the object."""
    saved_project.edit_file(OTHER_FILE, "  other:\n", f"  other:\n    id: {saved_project.find_id('other')}\n")
    remove_objects(saved_project, "other", Kind.DESTINATION, Kind.GROUP)


UNRELATED: dict[str, Callable[[SavedPlanProject], object]] = {
    "nothing": lambda saved_project: None,
    "another entry was edited": lambda saved_project: saved_project.edit_file(
        OTHER_FILE, "other.example", "other-2.example"
    ),
    "another entry was renamed": lambda saved_project: saved_project.edit_file(
        OTHER_FILE, "  other:\n", "  other:\n    name: Other\n"
    ),
    "another entry appeared": lambda saved_project: saved_project.edit_file(
        OTHER_FILE, "groups:\n", "groups:\n  one_more: {}\n"
    ),
    "another entry was deleted": lambda saved_project: saved_project.edit_file(
        OTHER_FILE,
        (saved_project.folder / OTHER_FILE).read_text().partition("groups:\n")[2],
        "  one_more: {}\nremoved:\n  - {group: other, id: " + saved_project.find_id("other") + "}\n",
    ),
    "entries were put in another order": reorder_entries,
    "the secret of another entry changed": lambda saved_project: saved_project.environ.update(
        OTHER_PASSWORD="nobody-sees-2"
    ),
    "a secret of another entry is missing": lambda saved_project: saved_project.environ.pop("OTHER_PASSWORD"),
    "another destination drifted": lambda saved_project: change_live(
        saved_project, "other", region="GCP_US_EAST4"
    ),
    "another destination was deleted": lambda saved_project: remove_objects(
        saved_project, "other", Kind.DESTINATION
    ),
    "another group was renamed": lambda saved_project: saved_project.dashboard.rename_group(
        saved_project.find_id("other"), "theirs"
    ),
    "another pair was deleted": lambda saved_project: remove_objects(
        saved_project, "other", Kind.DESTINATION, Kind.GROUP
    ),
    "undeclared groups were created": lambda saved_project: [
        saved_project.dashboard.add_group(name) for name in ("hackathon", "hackathon")
    ],
    "a connection appeared": lambda saved_project: saved_project.dashboard.add_connection(
        saved_project.find_id("orders"), "github", "github"
    ),
    "another entry has the id of a deleted object": delete_bound_object,
    "the state has a newer serial": advance_serial,
    "another limit changed": lambda saved_project: saved_project.edit_file(
        PROJECT_FILE, "limits: {", "limits: {replacements: 3, "
    ),
}


@pytest.mark.parametrize("name", UNRELATED)
def test_a_plan_stays_valid_after_unrelated_changes(name: str, saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    UNRELATED[name](saved_project)
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert list_sent(saved_project, before) == EXPECTED_WRITES
    assert saved_project.apply().exit == 4
