"""S-57: whatever two branches of the specs make of a project, and however far `main` was applied, a run that is
narrowed to what a branch changed never undoes what `main` has.

The two branches, what their entries come to and what must follow from it are modelled here without any code of the
product: a version is a dictionary of entries, profiles, defaults and overrides, and two versions are compared with the
one that both come from.
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
from secret_leak_detector import check_findings as check_for_leaks
from secret_leak_detector import get_detector

from reconciler.emulator.fault_text import parse_fault
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
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
    """The specs of one commit: entries and removals by key, and what entries share."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    made_again: set[str] = field(default_factory=set)
    """Keys whose groups may have another id by now."""

    def files(self) -> dict[str, str]:
        """As they are written. JSON is YAML too."""
        removed = [{"group": key, "id": f"id_{key}", **EXTENTS[how]} for key, how in self.removed.items()]
        project = {
            "version": 1,
            "specs": ["main.yaml"],
            "overrides": ["prod.yaml"],
            "defaults": {"destination": self.defaults},
        }
        main = {"version": 1, "groups": self.entries, "profiles": self.profiles, "removed": removed}
        groups = {key: {"destination": each} for key, each in self.overrides.items() if self.destination(key)}
        return {
            "reconciler.yaml": json.dumps(project),
            "main.yaml": json.dumps(main),
            "prod.yaml": json.dumps({"version": 1, "groups": {"anchor": {}, **groups}}),
        }

    def name(self, key: str) -> str:
        """What Fivetran shows."""
        entry = self.entries[key]
        return str(entry.get("name") or entry.get("was") or key)

    def destination(self, key: str) -> dict[str, Any] | None:
        """What a destination comes to."""
        written = self.entries.get(key, {}).get("destination")
        if written is None:
            return None
        own = {name: value for name, value in written.items() if name != "profile"}
        profile = self.profiles[written["profile"]] if "profile" in written else {}
        return merge(merge(merge(self.defaults, profile), own), self.overrides.get(key, {}))

    def says(self, key: str) -> str:
        """All that is text about a key; versions that say the same are equal."""
        entry = self.entries.get(key)
        about = None if entry is None else [self.name(key), entry.get("was"), self.destination(key)]
        return json.dumps([about, self.removed.get(key)], sort_keys=True)

    def wants_another(self, key: str, before: Version) -> bool:
        """Whether it wants something else of a key. Dropping a removal wants nothing."""
        without = deepcopy(before)
        if key not in self.removed:
            without.removed.pop(key, None)
        return self.says(key) != without.says(key)

    def taken(self, key: str) -> set[str]:
        """What no other entry can have beside this one."""
        entry = self.entries.get(key)
        if entry is None:
            return {f"key {key}"}
        return {f"key {key}", f"key {entry.get('was', key)}", f"name {self.name(key)}"}


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **under,
        **{
            name: merge(under[name], value) if isinstance(value, dict) and name in under else value
            for name, value in over.items()
        },
    }


# What people do to specs


def first_version(random: Random) -> Version:
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
        version.entries[key] = new_entry(random, key)
    if random.random() < 0.5:
        remove(version, random, random.choice(KEYS))
    if random.random() < 0.3:
        override(version, random)
    return version


def new_entry(random: Random, key: str) -> dict[str, Any]:
    destination: dict[str, Any] = {"config": {"project_id": key}}
    if random.random() < 0.5:
        destination["profile"] = random.choice(["eu", "us"])
    if random.random() < 0.3:
        destination["config"]["secret_key"] = {"secret": f"env:KEY_{random.randint(1, 2)}"}
    return {"destination": destination} if random.random() < 0.9 else {}


def with_destination(version: Version) -> list[str]:
    return [key for key in version.entries if "destination" in version.entries[key]]


def change(version: Version, random: Random) -> None:
    for key in sample(random, with_destination(version)):
        config = version.entries[key]["destination"].setdefault("config", {})
        config["project_id"] = f"{key}-{random.randint(1, 3)}"


def change_another_field(version: Version, random: Random) -> None:
    for key in sample(random, with_destination(version)):
        version.entries[key]["destination"]["time_zone_offset"] = random.choice(["-1", "+1", "+2"])


def refer_to_another_secret(version: Version, random: Random) -> None:
    for key in sample(random, with_destination(version)):
        config = version.entries[key]["destination"].setdefault("config", {})
        config["secret_key"] = {"secret": f"env:KEY_{random.randint(1, 3)}"}


def rename(version: Version, random: Random) -> None:
    used = {version.name(key) for key in version.entries}
    for key in sample(random, [key for key in version.entries if key != "anchor"]):
        version.entries[key]["name"] = random.choice([name for name in NAMES if name not in used])


def add(version: Version, random: Random) -> None:
    used = {version.name(key) for key in version.entries}
    for key in sample(random, [key for key in NEW_KEYS if key not in version.entries]):
        version.entries[key] = new_entry(random, key)
        names = [name for name in NAMES if name not in used]
        if names and random.random() < 0.4:
            version.entries[key]["name"] = random.choice(names)


def remove(version: Version, random: Random, key: str | None = None) -> None:
    removable = [
        each
        for each in KEYS
        if each in version.entries and "was" not in version.entries[each] and each not in version.made_again
    ]
    for each in [key] if key else sample(random, removable):
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
    for key in sample(random, movable if free else []):
        entry = version.entries.pop(key)
        version.entries[random.choice(free)] = {**entry, "was": key}


def move_back(version: Version, random: Random) -> None:
    for key in sample(random, [key for key in version.entries if version.entries[key].get("was") in KEYS]):
        entry = version.entries.pop(key)
        former = entry.pop("was")
        version.entries[former] = {"name": former, **entry, "was": key}


def forget_the_move(version: Version, random: Random) -> None:
    for key in sample(random, [key for key in version.entries if "was" in version.entries[key]]):
        entry = version.entries[key]
        entry.setdefault("name", entry["was"])
        del entry["was"]


def change_a_profile(version: Version, random: Random) -> None:
    version.profiles[random.choice(["eu", "us"])]["config"] = {"bucket": f"b{random.randint(1, 3)}"}


def change_the_defaults(version: Version, random: Random) -> None:
    version.defaults["config"]["bucket"] = f"d{random.randint(1, 3)}"


def override(version: Version, random: Random) -> None:
    for key in sample(random, with_destination(version)):
        version.overrides[key] = {"config": {"project_id": f"prod-{random.randint(1, 3)}"}}


def drop_a_removal(version: Version, random: Random) -> None:
    for key in sample(random, version.removed):
        del version.removed[key]


def declare_again(version: Version, random: Random) -> None:
    former = {entry.get("was") for entry in version.entries.values()}
    names = {version.name(key) for key in version.entries}
    for key in sample(random, {*version.removed} - former - names - version.entries.keys()):
        del version.removed[key]
        version.entries[key] = new_entry(random, key)
        version.made_again.add(key)


def lose(version: Version, random: Random) -> None:
    for key in sample(random, [key for key in KEYS if key in version.entries and key not in version.removed]):
        del version.entries[key]


def sample(random: Random, choices: Collection[str]) -> list[str]:
    """One of them, or none where there is none."""
    return random.sample(sorted(choices), min(1, len(choices)))


EDITS = (
    change, change, change, change_another_field, refer_to_another_secret, rename, add, add, remove, remove, move, move,
    move_back, forget_the_move, change_a_profile, change_the_defaults, override, drop_a_removal,
    drop_a_removal, declare_again, lose,
)  # fmt: skip


def edited(version: Version, random: Random, number: int) -> Version:
    after = deepcopy(version)
    for edit in random.choices(EDITS, k=number):
        if edit is not rename or len({after.name(key) for key in after.entries} & {*NAMES}) < len(NAMES):
            edit(after, random)
    return after


# The three versions of one history, and what follows from them


@dataclass
class History:
    """`base` is what both come from; `main` is where others are by now, `work` the branch that is planned."""

    base: Version
    main: Version
    work: Version

    @property
    def keys(self) -> set[str]:
        return {key for each in (self.base, self.main, self.work) for key in (*each.entries, *each.removed)}

    def same(self, key: str) -> bool:
        return self.work.says(key) == self.main.says(key)

    @property
    def ours(self) -> set[str]:
        """What the branch wants otherwise than `main` and than before."""
        return {key for key in self.keys if self.work.wants_another(key, self.base) and not self.same(key)}

    @property
    def theirs(self) -> set[str]:
        """What `main` wants otherwise than the branch and than before."""
        return {key for key in self.keys if self.main.wants_another(key, self.base) and not self.same(key)}

    @property
    def undone_by_a_plan(self) -> set[str]:
        """What a plan of the branch as it stands would undo."""
        return {key for key in self.keys - self.ours if self.main.says(key) != self.base.says(key)} - {
            key for key in self.keys if self.same(key)
        }

    @property
    def contested(self) -> set[str]:
        """What both sides want otherwise, or what only one of them can have."""
        theirs = {each: self.main.taken(each) for each in self.theirs}
        return {
            key
            for key in self.ours
            if key in theirs or any(self.work.taken(key) & taken for taken in theirs.values())
        }

    @property
    def merged(self) -> Version:
        """What a merge of both is, as far as entries go."""
        result = deepcopy(self.work)
        for key in self.undone_by_a_plan:
            for here, there in (
                (result.entries, self.main.entries),
                (result.removed, self.main.removed),
            ):
                here.pop(key, None)
                if key in there:
                    here[key] = there[key]
        return result


def history(number: int) -> History:
    random = Random(number)
    base = first_version(random)
    if random.random() < 0.2:
        move(base, random)
    main = edited(base, random, random.randint(1, 3))
    start = main if random.random() < 0.1 else base
    work = edited(start, random, random.randint(0, 3))
    return History(base, main, work)


# One repository for all of them


class Repository(FaultyProject):
    """A clone in which any of the histories can be checked out, and the memory that its runs share."""

    def __init__(self, folder: Path, account: FaultyAccount, histories: Collection[History]) -> None:
        super().__init__(folder, account)
        self.secrets = {f"KEY_{number}": f"canary-of-the-key-{number}" for number in (1, 2, 3)}
        run_git(folder, "init", "-q")
        stream = b"".join(_commits(number, each) for number, each in enumerate(histories))
        subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)

    def check_out(self, branch: str, version: Version) -> None:
        (self.folder / ".git" / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        for name, text in version.files().items():
            self._write(name, text)
        self._specs = None


def _commits(number: int, case: History) -> bytes:
    """The history as three commits: `base`, and `main` and `work` on top of it."""
    lines = []
    for name, version, parent in (
        ("base", case.base, ""),
        ("main", case.main, f"from refs/heads/base-{number}\n"),
        ("work", case.work, f"from refs/heads/base-{number}\n"),
    ):
        lines.append(
            f"commit refs/heads/{name}-{number}\ncommitter t <t@example.invalid> 0 +0000\ndata 0\n{parent}"
        )
        for file, text in version.files().items():
            lines.append(f"M 644 inline {file}\ndata {len(text.encode())}\n{text}\n")
    return "".join(lines).encode()


def seed(version: Version, random: Random) -> dict[str, Any]:
    """An account in which the first version is in effect but for a field, with what it removes."""
    drifted = random.choice(KEYS)
    groups = []
    for key in ("anchor", *KEYS):
        names = [each for each, entry in version.entries.items() if key in {each, entry.get("was")}]
        group: dict[str, Any] = {"id": f"id_{key}", "name": version.name(names[0]) if names else key}
        declared = version.destination(names[0]) if names else None
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


def trouble(random: Random, project: Repository, likely: float) -> FaultyConnection | None:
    """A process that dies, or calls that fail for as long as it runs; or nothing."""
    if random.random() > likely:
        return None
    fault = random.choice(["", "POST /v1/destinations/*/test status 500", "DELETE * status 500"])
    if fault:
        project.account.app.faults.add(parse_fault(fault))
        return None
    return FaultyConnection(project.account.app, project.account.clock, dies_at=random.randint(4, 14))


def run(project: Repository, branch: str, version: Version, line: FaultyConnection | None = None) -> ApplyRun:
    project.check_out(branch, version)
    done = project.apply(line)
    project.account.app.faults.clear()
    check_run(done)
    return done


# What must hold


def unfinished(records: Mapping[Any, Record]) -> set[str]:
    return {address.key for address, record in records.items() if record.intent or record.unverified}


@dataclass(frozen=True)
class Moment:
    """The account, groups by id, and what is remembered."""

    account: Mapping[str, Any]
    records: Mapping[Any, Record]


def now(project: Repository) -> Moment:
    return Moment(project.account.contents, project.state.records if project.state is not None else {})


def all_diagnostics(done: ApplyRun) -> Iterator[Diagnostic]:
    yield from done.refused
    if done.planned is not None:
        yield from (*done.planned.plan.warnings, *done.planned.plan.blockers)
    if done.applied is not None:
        yield from (
            *done.applied.problems,
            *(each for one in done.applied.outcomes for each in one.diagnostics),
        )


REFUSALS_OF_ITS_OWN = {"vanished", "removal-needs-name", "removal-unknown-id"}
"""What is wrong with a version itself: an entry that lost its lines, a removal of what no run has made for certain."""


def check_refusal(case: History, done: ApplyRun) -> None:
    """What both sides made something else of, and nothing else, is refused before any request."""
    codes = {each.code for each in done.refused}
    if case.contested:
        assert codes == {"both-changed"}
        keys = {each.address.key for each in done.refused if each.address is not None}
        moved = {entry.get("was") for entry in case.work.entries.values()}
        assert keys <= case.contested
        assert case.contested - keys <= moved
        assert done.exchanges == ()
    elif codes:
        assert codes <= REFUSALS_OF_ITS_OWN
        keys = {(each.code, each.address.key) for each in done.refused if each.address}
        assert {key for code, key in keys if code == "vanished"} <= case.ours - case.work.entries.keys()
        assert not {key for _, key in keys} & case.theirs


def check_nothing_undone(case: History, done: ApplyRun, before: Moment, after: Moment) -> None:
    """What only `main` changed is neither planned nor touched, nor remembered otherwise, nor advised about."""
    left = case.undone_by_a_plan
    if done.planned is not None:
        planned = {change.address.key for change in done.planned.plan.changes}
        assert planned <= case.ours | unfinished(before.records) - left
        assert {key for key in case.ours if key in case.work.entries} <= planned
    theirs = {address: record for address, record in before.records.items() if address.key in left}
    assert {address: each for address, each in after.records.items() if address.key in left} == theirs
    for id in {f"id_{key}" for key in left} | {record.id for record in theirs.values()}:
        assert before.account.get(id) == after.account.get(id)
    made = {after.account[id]["name"] for id in after.account.keys() - before.account.keys()}
    assert made <= {case.work.name(key) for key in case.work.entries.keys() - left}
    for each in all_diagnostics(done):
        assert each.address is None or each.address.key not in left
        if each.code not in {"branch-behind", "both-changed"}:
            text = " ".join((each.message, each.help, *each.notes))
            assert not [key for key in left if f"`{key}`" in text or f"group: {key}," in text]


def check_warning(case: History, done: ApplyRun, known: Mapping[Any, Record]) -> None:
    """The plan of a branch says that it is behind where that is of interest."""
    if done.planned is None:
        return
    warnings = [each for each in done.planned.plan.warnings if each.code == "branch-behind"]
    left = sorted(case.theirs | case.undone_by_a_plan & unfinished(known))
    assert len(warnings) == bool(left)
    for each in warnings:
        assert each.message.partition("left alone: ")[2].startswith(", ".join(f"`{key}`" for key in left[:5]))
    declared = {f"group.{key}" for key in case.undone_by_a_plan & case.main.entries.keys()}
    managed = {record.id for address, record in known.items() if str(address) in declared}
    assert not managed & {group.id for group in done.planned.plan.unmanaged}


def check_merge(project: Repository, branch: str, case: History, done: ApplyRun) -> bool:
    """What was applied of the branch is what its merge wants."""
    if done.refused or done.killed or done.exit != 0:
        return False
    project.check_out(branch, case.merged)
    try:
        planned = project.plan()
    except ReconcilerError as error:
        # What `main` lost, and removals of what its interrupted runs never made.
        assert {each.code for each in error.diagnostics} <= {
            "vanished",
            "removal-needs-name",
            "removal-unknown-id",
        }
        return False
    actions = {change.action for change in planned.plan.changes if change.address.key in case.ours}
    assert actions <= {Action.NO_OP}
    return True


@pytest.fixture
def account() -> Iterator[FaultyAccount]:
    account = FaultyAccount()
    yield account
    account.app.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which there is nothing to sync, where there is such a place."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)
        check_for_leaks(get_detector().collect_findings())


@small_and_large(("count", "unfinished_cases"), (25, 0), (200, 8))
def test_no_branch_undoes_what_its_base_has(
    folder: Path, account: FaultyAccount, count: int, unfinished_cases: int
) -> None:
    histories = [history(number) for number in range(count)]
    project = Repository(folder, account, histories)
    met: Counter[str] = Counter()
    for number, case in enumerate(histories):
        random = Random(200 + number)
        project.account.reset(seed(case.base, random))
        project.lose_state()
        project.changed_since = None
        run(project, f"base-{number}", case.base, trouble(random, project, 0.6))
        if random.random() < 0.6:
            run(project, f"main-{number}", case.main, trouble(random, project, 0.3))
        before = now(project)
        project.changed_since = f"main-{number}"
        done = run(project, f"work-{number}", case.work, trouble(random, project, 0.1))
        project.changed_since = None
        check_refusal(case, done)
        check_nothing_undone(case, done, before, now(project))
        check_warning(case, done, before.records)
        met["merged"] += check_merge(project, f"main-{number}", case, done)
        met["contested"] += bool(case.contested)
        met["left alone"] += bool(not case.contested and case.theirs)
        met["left unfinished"] += bool(
            not case.contested and case.undone_by_a_plan & unfinished(before.records)
        )
        met["written"] += bool(done.writes)
    assert met.pop("left unfinished") >= unfinished_cases
    assert min(met.values()) >= count // 5, met
