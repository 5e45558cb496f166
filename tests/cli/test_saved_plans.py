"""What was reviewed is what is applied, or nothing is: saved plans, and everything that makes one void (S-51, R44)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from canaries import visible
from harness import Fivetran, HastyClock, Project, Result, fivetran

from reconciler.emulator.store import Kind

PROJECT = """\
version: 1
account_id: fjord_zephyr
specs: [profiles.yaml, 'groups/*.yaml']
defaults:
  destination: {time_zone_offset: "0"}
"""
PROFILES = """\
version: 1
profiles:
  postgres:
    service: postgres_rds_warehouse
    region: AWS_US_EAST_1
    config: {port: 5432, database: warehouse}
"""
OTHER = """\
version: 1
groups:
  other:
    destination:
      profile: postgres
      config: {host: other.example, password: {secret: "env:OTHER_PASSWORD"}}
"""
BEFORE = """\
version: 1
groups:
  half: {}
  old:
    destination: {service: big_query, region: GCP_US_EAST4, config: {project_id: old, data_set_location: US}}
  orders:
    destination:
      profile: postgres
      config:
        host: orders.example
        user: {value: "env:ORDERS_USER"}
        password: {secret: "env:ORDERS_PASSWORD"}
  sales:
    destination:
      profile: postgres
      config: {host: sales.example, password: {secret: "env:SALES_PASSWORD"}}
"""
AFTER = """\
version: 1
groups:
  fresh:
    destination:
      profile: postgres
      config: {host: fresh.example, password: {secret: "env:FRESH_PASSWORD"}}
  half:
    destination:
      profile: postgres
      config: {host: half.example}
  orders:
    destination:
      profile: postgres
      region: AWS_US_WEST_2
      config:
        host: orders.example
        user: {value: "env:ORDERS_USER"}
        password: {secret: "env:ORDERS_PASSWORD"}
  sales:
    destination:
      profile: postgres
      config: {host: sales.example, password: {secret: "env:SALES_PASSWORD"}}
removed:
  - {group: old, id: OLD, with_platform_connection: true}
"""
ENVIRON = {
    "ORDERS_USER": "loader_of_orders",
    "ORDERS_PASSWORD": "nobody-sees-orders",
    "SALES_PASSWORD": "nobody-sees-sales",
    "FRESH_PASSWORD": "nobody-sees-fresh",
    "OTHER_PASSWORD": "nobody-sees-other",
    "PLAN_KEY": "a-key-that-signs-plans",
    "ANOTHER_KEY": "a-key-of-somebody-else",
}
MAIN, OTHERS, PROFILE, SETTINGS = (
    "specs/groups/main.yaml",
    "specs/groups/other.yaml",
    "specs/profiles.yaml",
    "specs/reconciler.yaml",
)
REVIEWED = [
    "create group.fresh",
    "create destination.fresh",
    "create destination.half",
    "update destination.orders",
    "update destination.sales",
    "delete destination.old",
    "delete group.old",
]


@dataclass
class World:
    """A project with what its first apply has made, and specs that want something of every kind since: `fresh` is
    new, `half` gets its destination, `orders` another region, `sales` a rotated secret, `old` goes. Nothing is wanted
    of `other`."""

    project: Project
    server: Fivetran
    stack: ExitStack
    environ: dict[str, str] = field(default_factory=lambda: dict(ENVIRON))

    def run(self, *arguments: str) -> Result:
        return self.project.against(self.server, *arguments, environ=self.environ)

    def plan(self, *options: str) -> Result:
        """Save a plan as `plan.json`."""
        return self.run("plan", "--out", "plan.json", *options)

    def apply(self, *options: str) -> Result:
        return self.run("apply", "plan.json", *options)

    def edit(self, file: str, old: str, new: str) -> None:
        """Edit a spec: one text for another, which is there."""
        text = (self.project.folder / file).read_text()
        assert old in text
        self.project.write(file, text.replace(old, new))

    def id(self, name: str) -> str:
        [id] = self.server.app.dashboard.group_ids(name)
        return id

    @property
    def file(self) -> Path:
        return self.project.folder / "plan.json"

    @property
    def content(self) -> Any:
        return json.loads(self.file.read_bytes())["content"]

    def forge(self, change: Callable[[Any], None]) -> None:
        """Somebody edits the plan, and seals it again as if it were fresh."""
        content = self.content
        change(content)
        self.file.write_bytes(sealed(content))


def sealed(content: Any) -> bytes:
    """A plan file, written by somebody who has read how that is done."""
    text = json.dumps(content, sort_keys=True, indent=1)
    behind = f' "signature": null,\n "content": {text}}}\n'.encode()
    return b'{"seal": "%s",\n%s' % (hashlib.sha256(behind).hexdigest().encode(), behind)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("template")


@pytest.fixture
def world(project: Project, template: Path) -> Iterator[World]:
    """The first apply is made once and copied: specs, memory and account."""
    visible(ENVIRON["ORDERS_USER"], "another_loader")  # by `{value: …}`
    account = template / "account.sqlite"
    if not account.exists():
        project.write(SETTINGS, PROJECT)
        project.write(PROFILE, PROFILES)
        project.write(OTHERS, OTHER)
        project.write(MAIN, BEFORE)
        with fivetran(database=account) as server:
            environ = {**ENVIRON, "SALES_PASSWORD": "nobody-sees-older-sales"}
            assert project.against(server, "apply", "--auto-approve", environ=environ).exit == 0
        shutil.copytree(project.folder, template / "project")
    shutil.copytree(template / "project", project.folder, dirs_exist_ok=True)
    copy = project.folder / "account.sqlite"
    shutil.copy(account, copy)
    with ExitStack() as stack:
        world = World(project, stack.enter_context(fivetran(database=copy)), stack)
        project.write(MAIN, AFTER.replace("OLD", world.id("old")))
        yield world


@dataclass(frozen=True)
class Row:
    """One thing that makes a saved plan void: how it comes about, the code that names it, and what is said of it.
    `options` are those of the plan and of the apply."""

    comes: Callable[[World, pytest.MonkeyPatch], object]
    code: str
    says: tuple[str, ...]
    plan: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()
    is_shown: bool = True


ROWS: dict[str, Row] = {}


def row(name: str, code: str, *says: str, **more: Any) -> Callable[[Callable[..., object]], None]:
    """Tells how the function below makes a plan void."""

    def enter(comes: Callable[..., object]) -> None:
        assert name not in ROWS
        ROWS[name] = Row(comes, code, says, **more)

    return enter


def edit(name: str, file: str, old: str, new: str, *says: str) -> None:
    """A row for one edit of the specs."""
    ROWS[name] = Row(lambda world, _: world.edit(file, old, new), "plan-spec-changed", says)


# The file


@row("altered", "plan-altered", "its content does not match its seal", is_shown=False)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.file.write_bytes(world.file.read_bytes().replace(b"AWS_US_WEST_2", b"AWS_US_WEST_1"))


@row("no plan at all", "plan-altered", "it is not a plan that `reconciler plan --out` wrote", is_shown=False)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.file.write_text("[]\n")


@row(
    "signed with another key",
    "plan-signature",
    "it was signed with another key",
    plan=("--signature-key", "env:ANOTHER_KEY"),
    apply=("--signature-key", "env:PLAN_KEY", "--require-signature"),
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    pass


@row(
    "signature taken from another plan",
    "plan-signature",
    "it was signed with another key",
    plan=("--signature-key", "env:PLAN_KEY"),
    apply=("--signature-key", "env:PLAN_KEY"),
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    _, signature, *rest = world.file.read_bytes().split(b"\n", 2)
    rest = [rest[0].replace(b"AWS_US_WEST_2", b"AWS_US_WEST_1")]
    behind = b"\n".join([signature, *rest])
    world.file.write_bytes(b'{"seal": "%s",\n%s' % (hashlib.sha256(behind).hexdigest().encode(), behind))


@row(
    "not signed where it must be",
    "plan-signature",
    "it is not signed",
    apply=("--signature-key", "env:PLAN_KEY", "--require-signature"),
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    pass


@row("expired", "plan-expired", "this plan was valid until", plan=("--expires", "1m"))
def _(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HastyClock, "ahead", timedelta(seconds=61))


@row("already applied", "plan-applied", "everything in this plan is in effect already")
def _(world: World, _: pytest.MonkeyPatch) -> None:
    assert world.apply().exit == 0


@row("incomplete", "plan-incomplete", "not everything that this plan is about could be read")
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.forge(lambda content: content.update(complete=False))


@row("other format", "plan-format", "it has format `2`, and this version reads 1", is_shown=False)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.forge(lambda content: content.update(format=2, plan={"all": "new"}))


@row(
    "other account",
    "plan-other-account",
    "this plan is for account `fjord_zephyr`, these credentials are for `umber_quarry`",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.server = world.stack.enter_context(fivetran(seed=1))


# The specs

edit(
    "a field that is to change was edited",
    MAIN,
    "AWS_US_WEST_2",
    "AWS_EU_WEST_1",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now "AWS_US_EAST_1" -> "AWS_EU_WEST_1"',
)
edit(
    "a field that was to stay was edited",
    MAIN,
    "orders.example",
    "orders-2.example",
    '`config.host`: reviewed no change, now "orders.example" -> "orders-2.example"',
)
edit(
    "a field of something new was edited",
    MAIN,
    "fresh.example",
    "fresh-2.example",
    '`config.host`: reviewed "fresh.example", now "fresh-2.example"',
)
edit(
    "a field was added",
    MAIN,
    "host: half.example",
    "host: half.example, user: loader",
    '`config.user`: reviewed no change, now "loader"',
)
edit(
    "a field was taken out",
    MAIN,
    "      region: AWS_US_WEST_2\n      config:\n        host: orders.example\n",
    "      region: AWS_US_WEST_2\n      config:\n",
    "`config.host`: edited since this was reviewed",
)
edit(
    "a change was taken back",
    MAIN,
    "      region: AWS_US_WEST_2\n",
    "",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now no change',
)
edit(
    "a name was given",
    MAIN,
    "  orders:\n",
    "  orders:\n    name: Orders of today\n",
    "destination.orders is not as it was reviewed",
    "`name`: edited since this was reviewed",
)
edit(
    "a name of something new was edited",
    MAIN,
    "  fresh:\n",
    "  fresh:\n    name: Fresh\n",
    '`name`: reviewed "fresh", now "Fresh"',
)
edit(
    "the trust was edited",
    MAIN,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      trust: {certificates: any}\n",
    "`trust`: edited since this was reviewed",
)
edit(
    "the setup tests were edited",
    MAIN,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      setup_tests: {run: false}\n",
    "`setup_tests`: edited since this was reviewed",
)
edit(
    "the lifecycle was edited",
    MAIN,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      lifecycle: {protected: true}\n",
    "`lifecycle`: edited since this was reviewed",
)
edit(
    "a profile was edited",
    PROFILE,
    "port: 5432",
    "port: 5433",
    "`config.port`: reviewed no change, now 5432 -> 5433",
    "`config.port`: reviewed 5432, now 5433",
)
edit(
    "the defaults were edited",
    SETTINGS,
    'time_zone_offset: "0"',
    'time_zone_offset: "+1"',
    '`time_zone_offset`: reviewed no change, now "0" -> "+1"',
)
edit(
    "defaults of tests were edited",
    SETTINGS,
    'time_zone_offset: "0"',
    'time_zone_offset: "0", setup_tests: {on_failure: warn}',
    "`setup_tests`: edited since this was reviewed",
)
edit(
    "a reference was edited",
    MAIN,
    "env:SALES_PASSWORD",
    "env:OTHER_PASSWORD",
    "`config.password`: reviewed the secret `env:SALES_PASSWORD`, now the secret `env:OTHER_PASSWORD`",
)
edit(
    "the service was edited",
    MAIN,
    "      region: AWS_US_WEST_2\n",
    "      region: AWS_US_WEST_2\n      service: snowflake\n",
    "destination.orders is not as it was reviewed: its spec was edited",
    "`service`: edited since this was reviewed",
)
edit(
    "an entry went",
    MAIN,
    "  half:\n    destination:\n      profile: postgres\n      config:\n        host: half.example\n".replace(
        "config:\n        host: half.example", "config: {host: half.example}"
    ),
    "  half: {}\n",
    "destination.half is not as it was reviewed: the specs do not declare it any more",
)
edit(
    "an entry was given another key",
    MAIN,
    "  sales:\n",
    "  sales_of_today:\n    was: sales\n",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)


@row(
    "an entry vanished",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    text = (world.project.folder / MAIN).read_text()
    entry = text[text.index("  sales:\n") : text.index("removed:\n")]
    world.edit(MAIN, entry, "")


def _give_up(world: World, more: str) -> None:
    text = (world.project.folder / MAIN).read_text()
    entry = text[text.index("  sales:\n") : text.index("removed:\n")]
    world.edit(MAIN, entry, "")
    id = world.id("sales")
    world.edit(MAIN, "removed:\n", f"removed:\n  - {{group: sales, id: {id}{more}}}\n")


@row(
    "an entry was given up",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs delete it now",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    _give_up(world, "")


@row(
    "an entry was let go",
    "plan-spec-changed",
    "destination.sales is not as it was reviewed: the specs do not declare it any more",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    _give_up(world, ", forget: true")


edit(
    "a removal lets go instead",
    MAIN,
    "with_platform_connection: true",
    "forget: true",
    "destination.old is not as it was reviewed: the specs do not delete it any more",
    "group.old is not as it was reviewed: the specs do not delete it any more",
)
edit(
    "a removal keeps the group",
    MAIN,
    "with_platform_connection: true",
    "with_platform_connection: true, only: destination",
    "group.old is not as it was reviewed: the specs do not delete it any more",
)


@row(
    "a removal was taken back",
    "plan-spec-changed",
    "destination.old is not as it was reviewed: the specs do not delete it any more",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    text = (world.project.folder / MAIN).read_text()
    world.edit(MAIN, text[text.index("removed:\n") :], "")
    old = BEFORE[BEFORE.index("  old:\n") : BEFORE.index("  orders:\n")]
    world.edit(MAIN, "  orders:\n", f"{old}  orders:\n")


@row(
    "a visible value behind a reference changed",
    "plan-spec-changed",
    "its spec refers to a value that is another one",
    '`config.user`: reviewed no change, now "loader_of_orders" -> "another_loader"',
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.environ["ORDERS_USER"] = "another_loader"


# Secrets


@row(
    "a secret that is to be sent changed",
    "plan-secret-changed",
    "destination.sales is not as it was reviewed: its secret is another one",
    "`config.password`: behind `env:SALES_PASSWORD` is another value than when this was reviewed",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.environ["SALES_PASSWORD"] = "nobody-sees-newest-sales"


@row(
    "a secret of something new changed",
    "plan-secret-changed",
    "destination.fresh is not as it was reviewed: its secret is another one",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.environ["FRESH_PASSWORD"] = "nobody-sees-fresher"


@row(
    "a secret that was unchanged when reviewed changed",
    "plan-secret-changed",
    "destination.orders is not as it was reviewed: its secret is another one",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.environ["ORDERS_PASSWORD"] = "nobody-sees-newer-orders"


@row(
    "a secret was put back",
    "plan-secret-changed",
    "destination.sales is not as it was reviewed: its secret is another one",
)
def _(world: World, _: pytest.MonkeyPatch) -> None:
    world.environ["SALES_PASSWORD"] = "nobody-sees-older-sales"


# The account


def drift(name: str, comes: Callable[[World], object], *says: str) -> None:
    """A row for something that happens at Fivetran."""
    ROWS[name] = Row(lambda world, _: comes(world), "plan-stale", says)


def postgres(world: World, id: str, host: str, **config: Any) -> None:
    """Somebody makes a destination as the profile says."""
    config = {"port": 5432, "database": "warehouse", "host": host, **config}
    world.server.app.dashboard.add_destination(
        id, "postgres_rds_warehouse", region="AWS_US_EAST_1", config=config
    )


def gone(world: World, name: str, *kinds: Kind) -> None:
    id = world.id(name)
    for kind in kinds:
        world.server.app.dashboard.remove(kind, id)


def again(world: World, region: str) -> None:
    """Somebody deletes `orders` and makes it again, under another id."""
    gone(world, "orders", Kind.DESTINATION, Kind.GROUP)
    id = world.server.app.dashboard.add_group("orders")
    postgres(world, id, "orders.example", user="loader_of_orders")
    world.server.app.dashboard.change_destination(id, region=region)


def changed(world: World, name: str, **fields: Any) -> None:
    world.server.app.dashboard.change_destination(world.id(name), **fields)


drift(
    "a field that is to change has changed",
    lambda world: changed(world, "orders", region="GCP_US_EAST4"),
    "destination.orders is not as it was reviewed: it was changed at Fivetran",
    '`region`: reviewed "AWS_US_EAST_1" -> "AWS_US_WEST_2", now "GCP_US_EAST4" -> "AWS_US_WEST_2"',
)
drift(
    "a field that was to stay has changed",
    lambda world: changed(world, "sales", config={"port": 6000}),
    "destination.sales is not as it was reviewed: it was changed at Fivetran",
    "`config.port`: reviewed no change, now 6000 -> 5432",
)
drift(
    "somebody made a group of that name",
    lambda world: world.server.app.dashboard.add_group("fresh"),
    "group.fresh is not as it was reviewed: somebody else has made one since",
    "destination.fresh is not as it was reviewed: somebody has made group.fresh since",
)
drift(
    "somebody made two groups of that name",
    lambda world: [world.server.app.dashboard.add_group("fresh") for _ in "12"],
    "group.fresh is not as it was reviewed: several groups have its name now",
)
drift(
    "somebody made a destination in that group",
    lambda world: postgres(world, world.id("half"), "theirs.example"),
    "destination.half is not as it was reviewed: it exists meanwhile, and not as planned",
    '`config.host`: reviewed "half.example", now "theirs.example" -> "half.example"',
)
drift(
    "somebody made that destination as it was planned",
    lambda world: postgres(world, world.id("half"), "half.example"),
    "destination.half is not as it was reviewed: somebody else has made one since",
)
drift(
    "somebody made a destination of another service in that group",
    lambda world: world.server.app.dashboard.add_destination(world.id("half"), "snowflake"),
    "destination.half is not as it was reviewed: something else is in its place now",
)
drift(
    "a destination vanished",
    lambda world: gone(world, "orders", Kind.DESTINATION),
    "destination.orders is not as it was reviewed: it is gone from Fivetran",
)
drift(
    "a group vanished",
    lambda world: gone(world, "orders", Kind.DESTINATION, Kind.GROUP),
    "destination.orders is not as it was reviewed: it is gone from Fivetran",
)
drift(
    "the group of something new vanished",
    lambda world: gone(world, "half", Kind.GROUP),
    "destination.half is not as it was reviewed: group.half is gone from Fivetran",
)
drift(
    "a pair was recreated",
    lambda world: again(world, "AWS_US_EAST_1"),
    "destination.orders is not as it was reviewed: it is another object now",
)
drift(
    "a pair was recreated as it was planned",
    lambda world: again(world, "AWS_US_WEST_2"),
    "destination.orders is not as it was reviewed: it is another object now",
)
drift(
    "a destination was recreated as another service",
    lambda world: [
        gone(world, "orders", Kind.DESTINATION),
        world.server.app.dashboard.add_destination(world.id("orders"), "snowflake"),
    ],
    "destination.orders is not as it was reviewed: something else is in its place now",
    "changing `service` would destroy and recreate destination.orders",
)
drift(
    "a connection would go with it",
    lambda world: world.server.app.dashboard.add_connection(world.id("old"), "fivetran_log", "fivetran_log"),
    "destination.old is not as it was reviewed: other connections would be deleted with it",
)


@pytest.mark.parametrize("name", ROWS)
def test_a_plan_is_void(name: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-51: exit 4, a reason of its own, nothing is changed; R44: it can still be looked at."""
    row = ROWS[name]
    planned = world.plan(*row.plan)
    assert planned.exit == 0, planned.stderr
    shown = world.run("show", "plan.json").stdout
    row.comes(world, monkeypatch)
    before = len(world.server.writes)
    state = (world.project.folder / "specs/.reconciler/state.json").read_bytes()
    result = world.apply(*row.apply)
    assert (result.exit, result.stdout) == (4, ""), result.stderr
    told = {line.partition("]")[0] for line in result.stderr.splitlines() if line.startswith("error[")}
    assert told == {f"error[{row.code}"}
    for each in row.says:
        assert each in result.stderr
    document = world.apply("--format", "json", *row.apply)
    assert (document.exit, document.stderr) == (4, "")
    assert document.document["exit"] == {"code": 4, "reason": "plan-refused"}
    assert {each["code"] for each in document.document["diagnostics"]} == {row.code}
    for each in row.says:
        assert each in json.dumps(document.document, ensure_ascii=False).replace('\\"', '"')
    assert world.server.writes[before:] == []
    assert (world.project.folder / "specs/.reconciler/state.json").read_bytes() == state
    if row.is_shown:
        again = world.run("show", "plan.json")
        assert again.exit == 0
        assert again.stdout.partition("\n")[2] == shown.partition("\n")[2]


def test_a_saved_plan_is_carried_out_as_it_was_reviewed(world: World) -> None:
    assert world.plan().exit == 0
    assert [f"{each['action']} {each['address']}" for each in world.content["expected"]] == REVIEWED
    before = len(world.server.writes)
    result = world.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert "still current (7 changes planned again)" in result.stdout
    assert len(world.server.writes[before:]) > 7
    assert world.run("plan", "--detailed-exitcode").exit == 0
