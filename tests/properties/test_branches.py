"""Check that a run limited to the changes of a branch never undoes a change of `main` (S-57).

The branches differ from each other in any way, and `main` is applied in any part. A model without any code of the
product has the versions, their resolved entries and the expected results: a version is a dictionary of entries,
profiles, defaults and overrides, and both versions are compared with their common base.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from faulty_account import ApplyRun, FaultyAccount, FaultyConnection, FaultyProject, check_run
from git_repo import run_git
from long_runs import small_and_large
from secret_leak_detector import check_findings, get_detector

from reconciler.emulator.fault_text import parse_fault
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action
from reconciler.model.record import Record

KEYS = ("alpha", "beta", "delta", "gamma", "omega")
NEW_KEYS = ("new_a", "new_b", "new_c")
MOVED_KEYS = ("moved_a", "moved_b", "moved_c")
NAMES = ("Claims", "Cases", "Trade")
EXTENTS: Mapping[str, Mapping[str, Any]] = {
    "pair": {},
    "destination": {"only": "destination"},
    "forget": {"forget": True},
}


@dataclass
class Version:
    """Specs of one commit: entries and removals by key, and the shared profiles, defaults and overrides."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    recreated: set[str] = field(default_factory=set)
    """Keys whose groups may have a new id."""

    def render_files(self) -> dict[str, str]:
        """Render the files of the version. JSON is YAML too."""
        removed = [{"group": key, "id": f"id_{key}", **EXTENTS[how]} for key, how in self.removed.items()]
        project = {
            "version": 1,
            "specs": ["main.yaml"],
            "overrides": ["prod.yaml"],
            "defaults": {"destination": self.defaults},
        }
        main = {"version": 1, "groups": self.entries, "profiles": self.profiles, "removed": removed}
        groups = {
            key: {"destination": each}
            for key, each in self.overrides.items()
            if self.resolve_destination(key)
        }
        return {
            "reconciler.yaml": json.dumps(project),
            "main.yaml": json.dumps(main),
            "prod.yaml": json.dumps({"version": 1, "groups": {"anchor": {}, **groups}}),
        }

    def get_name(self, key: str) -> str:
        """Return the name of the group of a key."""
        entry = self.entries[key]
        return str(entry.get("name") or entry.get("was") or key)

    def resolve_destination(self, key: str) -> dict[str, Any] | None:
        """Resolve the destination of a key with defaults, profile and override."""
        written = self.entries.get(key, {}).get("destination")
        if written is None:
            return None
        own = {name: value for name, value in written.items() if name != "profile"}
        profile = self.profiles[written["profile"]] if "profile" in written else {}
        return merge(merge(merge(self.defaults, profile), own), self.overrides.get(key, {}))

    def fingerprint(self, key: str) -> str:
        """Return a text of all resolved values of a key, to compare versions."""
        entry = self.entries.get(key)
        about = (
            None if entry is None else [self.get_name(key), entry.get("was"), self.resolve_destination(key)]
        )
        return json.dumps([about, self.removed.get(key)], sort_keys=True)

    def differs_from(self, key: str, before: Version) -> bool:
        """Return whether this version changes a key. A dropped removal is no change."""
        without = deepcopy(before)
        if key not in self.removed:
            without.removed.pop(key, None)
        return self.fingerprint(key) != without.fingerprint(key)

    def list_exclusive_values(self, key: str) -> set[str]:
        """List the keys and the name that no other entry may use."""
        entry = self.entries.get(key)
        if entry is None:
            return {f"key {key}"}
        return {f"key {key}", f"key {entry.get('was', key)}", f"name {self.get_name(key)}"}


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **under,
        **{
            name: merge(under[name], value) if isinstance(value, dict) and name in under else value
            for name, value in over.items()
        },
    }


# Edits of specs


def draw_first_version(random: Random) -> Version:
    version = Version(
        profiles={"eu": {"region": "GCP_EUROPE_WEST3"}, "us": {"time_zone_offset": "-5"}},
        defaults={
            "service": "big_query",
            "region": "GCP_US_EAST4",
            "time_zone_offset": "0",
            "config": {"data_set_location": "US", "project_id": "acme"},
        },
    )
    version.entries["anchor"] = {}
    for key in KEYS:
        version.entries[key] = draw_entry(random, key)
    if random.random() < 0.5:
        remove(version, random, random.choice(KEYS))
    if random.random() < 0.3:
        override(version, random)
    return version


def draw_entry(random: Random, key: str) -> dict[str, Any]:
    destination: dict[str, Any] = {"config": {"project_id": key}}
    if random.random() < 0.5:
        destination["profile"] = random.choice(["eu", "us"])
    if random.random() < 0.3:
        destination["config"]["secret_key"] = {"secret": f"env:KEY_{random.randint(1, 2)}"}
    return {"destination": destination} if random.random() < 0.9 else {}


def list_keys_with_destination(version: Version) -> list[str]:
    return [key for key in version.entries if "destination" in version.entries[key]]


def change(version: Version, random: Random) -> None:
    for key in sample_one(random, list_keys_with_destination(version)):
        config = version.entries[key]["destination"].setdefault("config", {})
        config["project_id"] = f"{key}-{random.randint(1, 3)}"


def change_another_field(version: Version, random: Random) -> None:
    for key in sample_one(random, list_keys_with_destination(version)):
        version.entries[key]["destination"]["time_zone_offset"] = random.choice(["-1", "+1", "+2"])


def change_secret_reference(version: Version, random: Random) -> None:
    for key in sample_one(random, list_keys_with_destination(version)):
        config = version.entries[key]["destination"].setdefault("config", {})
        config["secret_key"] = {"secret": f"env:KEY_{random.randint(1, 3)}"}


def rename(version: Version, random: Random) -> None:
    used = {version.get_name(key) for key in version.entries}
    for key in sample_one(random, [key for key in version.entries if key != "anchor"]):
        version.entries[key]["name"] = random.choice([name for name in NAMES if name not in used])


def add(version: Version, random: Random) -> None:
    used = {version.get_name(key) for key in version.entries}
    for key in sample_one(random, [key for key in NEW_KEYS if key not in version.entries]):
        version.entries[key] = draw_entry(random, key)
        names = [name for name in NAMES if name not in used]
        if names and random.random() < 0.4:
            version.entries[key]["name"] = random.choice(names)


def remove(version: Version, random: Random, key: str | None = None) -> None:
    removable = [
        each
        for each in KEYS
        if each in version.entries and "was" not in version.entries[each] and each not in version.recreated
    ]
    for each in [key] if key else sample_one(random, removable):
        extent = random.choice([*EXTENTS])
        version.removed[each] = extent
        if extent == "destination":
            version.entries[each].pop("destination", None)
        else:
            del version.entries[each]


def move(version: Version, random: Random) -> None:
    used = {entry.get("was") for entry in version.entries.values()} | version.entries.keys()
    free = [key for key in MOVED_KEYS if key not in used]
    movable = [
        key
        for key, entry in version.entries.items()
        if "was" not in entry and key not in {"anchor", *version.removed}
    ]
    for key in sample_one(random, movable if free else []):
        entry = version.entries.pop(key)
        version.entries[random.choice(free)] = {**entry, "was": key}


def move_back(version: Version, random: Random) -> None:
    for key in sample_one(
        random, [key for key in version.entries if version.entries[key].get("was") in KEYS]
    ):
        entry = version.entries.pop(key)
        former = entry.pop("was")
        version.entries[former] = {"name": former, **entry, "was": key}


def drop_was(version: Version, random: Random) -> None:
    for key in sample_one(random, [key for key in version.entries if "was" in version.entries[key]]):
        entry = version.entries[key]
        entry.setdefault("name", entry["was"])
        del entry["was"]


def change_profile(version: Version, random: Random) -> None:
    version.profiles[random.choice(["eu", "us"])]["config"] = {"bucket": f"b{random.randint(1, 3)}"}


def change_defaults(version: Version, random: Random) -> None:
    version.defaults["config"]["bucket"] = f"d{random.randint(1, 3)}"


def override(version: Version, random: Random) -> None:
    for key in sample_one(random, list_keys_with_destination(version)):
        version.overrides[key] = {"config": {"project_id": f"prod-{random.randint(1, 3)}"}}


def drop_removal(version: Version, random: Random) -> None:
    for key in sample_one(random, version.removed):
        del version.removed[key]


def declare_again(version: Version, random: Random) -> None:
    former = {entry.get("was") for entry in version.entries.values()}
    names = {version.get_name(key) for key in version.entries}
    for key in sample_one(random, {*version.removed} - former - names - version.entries.keys()):
        del version.removed[key]
        version.entries[key] = draw_entry(random, key)
        version.recreated.add(key)


def lose_entry(version: Version, random: Random) -> None:
    for key in sample_one(
        random, [key for key in KEYS if key in version.entries and key not in version.removed]
    ):
        del version.entries[key]


def sample_one(random: Random, choices: Collection[str]) -> list[str]:
    """Draw one choice, or no choice of an empty collection."""
    return random.sample(sorted(choices), min(1, len(choices)))


EDITS = (
    change, change, change, change_another_field, change_secret_reference, rename, add, add, remove, remove, move, move,
    move_back, drop_was, change_profile, change_defaults, override, drop_removal,
    drop_removal, declare_again, lose_entry,
)  # fmt: skip


def apply_edits(version: Version, random: Random, number: int) -> Version:
    after = deepcopy(version)
    for edit in random.choices(EDITS, k=number):
        if edit is not rename or len({after.get_name(key) for key in after.entries} & {*NAMES}) < len(NAMES):
            edit(after, random)
    return after


# The three versions of one history, and the expected results


@dataclass
class History:
    """History of specs: `base` is the common base, `main` has the changes of others, `work` is the planned branch."""

    base: Version
    main: Version
    work: Version

    @property
    def keys(self) -> set[str]:
        return {key for each in (self.base, self.main, self.work) for key in (*each.entries, *each.removed)}

    def is_same(self, key: str) -> bool:
        return self.work.fingerprint(key) == self.main.fingerprint(key)

    @property
    def changed_by_work(self) -> set[str]:
        """List the keys that the branch changed, unless `main` is equal."""
        return {key for key in self.keys if self.work.differs_from(key, self.base) and not self.is_same(key)}

    @property
    def changed_by_main(self) -> set[str]:
        """List the keys that `main` changed, unless the branch is equal."""
        return {key for key in self.keys if self.main.differs_from(key, self.base) and not self.is_same(key)}

    @property
    def undone_by_plain_plan(self) -> set[str]:
        """List the keys whose changes on `main` a plan without `--changed-since` would undo."""
        return {
            key
            for key in self.keys - self.changed_by_work
            if self.main.fingerprint(key) != self.base.fingerprint(key)
        } - {key for key in self.keys if self.is_same(key)}

    @property
    def contested(self) -> set[str]:
        """List the keys that both sides changed, or whose exclusive values collide."""
        main_values = {each: self.main.list_exclusive_values(each) for each in self.changed_by_main}
        return {
            key
            for key in self.changed_by_work
            if key in main_values
            or any(self.work.list_exclusive_values(key) & taken for taken in main_values.values())
        }

    @property
    def merged(self) -> Version:
        """Merge the entries and removals of both sides."""
        result = deepcopy(self.work)
        for key in self.undone_by_plain_plan:
            for here, there in (
                (result.entries, self.main.entries),
                (result.removed, self.main.removed),
            ):
                here.pop(key, None)
                if key in there:
                    here[key] = there[key]
        return result


def draw_history(number: int) -> History:
    random = Random(number)
    base = draw_first_version(random)
    if random.random() < 0.2:
        move(base, random)
    main = apply_edits(base, random, random.randint(1, 3))
    start = main if random.random() < 0.1 else base
    work = apply_edits(start, random, random.randint(0, 3))
    return History(base, main, work)


# One repository for all histories


class Repository(FaultyProject):
    """Clone with the commits of all histories, and the state that its runs share."""

    def __init__(self, folder: Path, account: FaultyAccount, histories: Collection[History]) -> None:
        super().__init__(folder, account)
        self.secrets = {f"KEY_{number}": f"canary-of-the-key-{number}" for number in (1, 2, 3)}
        run_git(folder, "init", "-q")
        stream = b"".join(_render_commits(number, each) for number, each in enumerate(histories))
        subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)

    def check_out(self, branch: str, version: Version) -> None:
        (self.folder / ".git" / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        for name, text in version.render_files().items():
            self._write(name, text)
        self._specs = None


def _render_commits(number: int, history: History) -> bytes:
    """Render the history as three commits: `base`, and its children `main` and `work`."""
    lines = []
    for name, version, parent in (
        ("base", history.base, ""),
        ("main", history.main, f"from refs/heads/base-{number}\n"),
        ("work", history.work, f"from refs/heads/base-{number}\n"),
    ):
        lines.append(
            f"commit refs/heads/{name}-{number}\ncommitter t <t@example.invalid> 0 +0000\ndata 0\n{parent}"
        )
        for file, text in version.render_files().items():
            lines.append(f"M 644 inline {file}\ndata {len(text.encode())}\n{text}\n")
    return "".join(lines).encode()


def build_seed(version: Version, random: Random) -> dict[str, Any]:
    """Build an account in which the first version is applied except for one field, with the removed objects."""
    drifted = random.choice(KEYS)
    groups = []
    for key in ("anchor", *KEYS):
        names = [each for each, entry in version.entries.items() if key in {each, entry.get("was")}]
        group: dict[str, Any] = {"id": f"id_{key}", "name": version.get_name(names[0]) if names else key}
        declared = version.resolve_destination(names[0]) if names else None
        if key in version.removed or declared is not None:
            texts = {name: each for name, each in (declared or {}).items() if isinstance(each, str)}
            config = {
                name: each
                for name, each in (declared or {"config": {}})["config"].items()
                if isinstance(each, str)
            }
            config |= {"project_id": "by-hand"} if key == drifted else {}
            group["destination"] = {
                "service": "big_query",
                "setup_status": "connected",
                **texts,
                "config": {"data_set_location": "US", "secret_key": "an-old-key", **config},
            }
        groups.append(group)
    return {"version": 1, "groups": groups}


def draw_trouble(random: Random, project: Repository, probability: float) -> FaultyConnection | None:
    """Draw a connection whose process dies, or add a fault, or do nothing."""
    if random.random() > probability:
        return None
    fault = random.choice(["", "POST /v1/destinations/*/test status 500", "DELETE * status 500"])
    if fault:
        project.account.app.faults.add(parse_fault(fault))
        return None
    return FaultyConnection(project.account.app, project.account.clock, dies_at=random.randint(4, 14))


def run_apply(
    project: Repository, branch: str, version: Version, connection: FaultyConnection | None = None
) -> ApplyRun:
    project.check_out(branch, version)
    applied_run = project.apply(connection)
    project.account.app.faults.clear()
    check_run(applied_run)
    return applied_run


# Checks


def list_unfinished(records: Mapping[Any, Record]) -> set[str]:
    return {address.key for address, record in records.items() if record.intent or record.unverified}


@dataclass(frozen=True)
class Snapshot:
    """Groups of the account by id, and records of the state."""

    account: Mapping[str, Any]
    records: Mapping[Any, Record]


def take_snapshot(project: Repository) -> Snapshot:
    return Snapshot(project.account.contents, project.state.records if project.state is not None else {})


def list_diagnostics(applied_run: ApplyRun) -> Iterator[Diagnostic]:
    yield from applied_run.refused
    if applied_run.planned is not None:
        yield from (*applied_run.planned.plan.warnings, *applied_run.planned.plan.blockers)
    if applied_run.applied is not None:
        yield from (
            *applied_run.applied.problems,
            *(each for one in applied_run.applied.outcomes for each in one.diagnostics),
        )


OWN_REFUSALS = {"vanished", "removal-needs-name", "removal-unknown-id"}
"""Errors of a version itself: an undeclared recorded entry, or a removal of an object that may not exist."""


def check_refusal(history: History, applied_run: ApplyRun) -> None:
    """Check that keys with conflicting changes, and no other keys, are refused before any request."""
    codes = {each.code for each in applied_run.refused}
    if history.contested:
        assert codes == {"both-changed"}
        keys = {each.address.key for each in applied_run.refused if each.address is not None}
        moved = {entry.get("was") for entry in history.work.entries.values()}
        assert keys <= history.contested
        assert history.contested - keys <= moved
        assert applied_run.exchanges == ()
    elif codes:
        assert codes <= OWN_REFUSALS
        keys = {(each.code, each.address.key) for each in applied_run.refused if each.address}
        assert {
            key for code, key in keys if code == "vanished"
        } <= history.changed_by_work - history.work.entries.keys()
        assert not {key for _, key in keys} & history.changed_by_main


def check_nothing_undone(history: History, applied_run: ApplyRun, before: Snapshot, after: Snapshot) -> None:
    """Check that keys changed by `main` only have no plan, no write, no other record and no diagnostic."""
    untouched = history.undone_by_plain_plan
    if applied_run.planned is not None:
        planned = {change.address.key for change in applied_run.planned.plan.changes}
        assert planned <= history.changed_by_work | list_unfinished(before.records) - untouched
        assert {key for key in history.changed_by_work if key in history.work.entries} <= planned
    main_records = {address: record for address, record in before.records.items() if address.key in untouched}
    assert {
        address: each for address, each in after.records.items() if address.key in untouched
    } == main_records
    for id in {f"id_{key}" for key in untouched} | {record.id for record in main_records.values()}:
        assert before.account.get(id) == after.account.get(id)
    made = {after.account[id]["name"] for id in after.account.keys() - before.account.keys()}
    assert made <= {history.work.get_name(key) for key in history.work.entries.keys() - untouched}
    for each in list_diagnostics(applied_run):
        assert each.address is None or each.address.key not in untouched
        if each.code not in {"branch-behind", "both-changed"}:
            text = " ".join((each.message, each.help, *each.notes))
            assert not [key for key in untouched if f"`{key}`" in text or f"group: {key}," in text]


def check_warning(history: History, applied_run: ApplyRun, known: Mapping[Any, Record]) -> None:
    """Check that the plan of a branch warns if the branch is behind its base."""
    if applied_run.planned is None:
        return
    warnings = [each for each in applied_run.planned.plan.warnings if each.code == "branch-behind"]
    untouched = sorted(history.changed_by_main | history.undone_by_plain_plan & list_unfinished(known))
    assert len(warnings) == bool(untouched)
    for each in warnings:
        assert each.message.partition("left alone: ")[2].startswith(
            ", ".join(f"`{key}`" for key in untouched[:5])
        )
    declared = {f"group.{key}" for key in history.undone_by_plain_plan & history.main.entries.keys()}
    managed = {record.id for address, record in known.items() if str(address) in declared}
    assert not managed & {group.id for group in applied_run.planned.plan.unmanaged}


def check_merge(project: Repository, branch: str, history: History, applied_run: ApplyRun) -> bool:
    """Check that the applied branch agrees with the merged version."""
    if applied_run.refused or applied_run.killed or applied_run.exit != 0:
        return False
    project.check_out(branch, history.merged)
    planned = project.plan()
    refusals = {each.code for each in planned.plan.omissions}
    if refusals:
        # `main` may have lost entries, and may remove objects that its interrupted runs never created.
        assert refusals <= OWN_REFUSALS
        return False
    actions = {
        change.action for change in planned.plan.changes if change.address.key in history.changed_by_work
    }
    assert actions <= {Action.NO_OP}
    return True


@pytest.fixture
def account() -> Iterator[FaultyAccount]:
    account = FaultyAccount()
    yield account
    account.app.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Create a folder in memory if possible, since such a folder needs no sync."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)
        check_findings(get_detector().collect_findings())


@small_and_large(("count", "unfinished_cases"), (12, 0), (200, 8))
def test_a_branch_undoes_no_change_of_its_base(
    folder: Path, account: FaultyAccount, count: int, unfinished_cases: int
) -> None:
    histories = [draw_history(number) for number in range(count)]
    project = Repository(folder, account, histories)
    counts: Counter[str] = Counter()
    for number, history in enumerate(histories):
        random = Random(200 + number)
        project.account.reset(build_seed(history.base, random))
        project.lose_state()
        project.changed_since = None
        run_apply(project, f"base-{number}", history.base, draw_trouble(random, project, 0.6))
        if random.random() < 0.6:
            run_apply(project, f"main-{number}", history.main, draw_trouble(random, project, 0.3))
        before = take_snapshot(project)
        project.changed_since = f"main-{number}"
        applied_run = run_apply(project, f"work-{number}", history.work, draw_trouble(random, project, 0.1))
        project.changed_since = None
        check_refusal(history, applied_run)
        check_nothing_undone(history, applied_run, before, take_snapshot(project))
        check_warning(history, applied_run, before.records)
        counts["merged"] += check_merge(project, f"main-{number}", history, applied_run)
        counts["contested"] += bool(history.contested)
        counts["left alone"] += bool(not history.contested and history.changed_by_main)
        counts["left unfinished"] += bool(
            not history.contested and history.undone_by_plain_plan & list_unfinished(before.records)
        )
        counts["written"] += bool(applied_run.writes)
    assert counts.pop("left unfinished") >= unfinished_cases
    assert min(counts.values()) >= count // 5, counts
