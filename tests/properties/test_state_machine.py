"""Check that any sequence of edits, live changes, faults and runs of two projects agrees with a model (S-12).

The model is `reference_model`. After each apply the account is compared with it. A plan after a successful apply is
empty, a plan never writes, and groups of other projects stay as they are. The long run has 10,000 steps and more:

    pytest -m long tests/properties/test_state_machine.py
"""

from __future__ import annotations

import atexit
import itertools
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from faulty_account import ApplyRun, FaultyAccount, FaultyConnection, FaultyProject, check_run
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from long_runs import small_and_large
from reference_model import ExpectedMatches, ModelEntry, ModelRemoval, ReferenceModel, find_group_creates
from secret_leak_detector import detect_leaks

from reconciler.cli.exit import ExitCode
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.store import Kind
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import Change

KEYS = ("orders", "sales", "ops")
NAMES = ("Orders", "orders", "Order s", "Sales", "Ops & more", "žluťoučký", "ORDERS", "7")
FAULTS = (
    "{call} before-effect reset", "{call} after-effect reset", "{call} mid-headers close", "{call} mid-body truncate",
    "{call} after-effect garbage", "{call} after-effect hang 600", "{call} mid-body drip 0.1 seconds=600",
    "{call} before-effect status 500", "{call} after-effect status 500", "{call} after-effect status 524",
    "{call} before-effect status 429 retry-after=7", "{call} before-effect status 429 retry-after=1000000000",
    "{call} before-effect status 400", "{call} before-effect status 401", "{call} before-effect status 409",
    "{call} before-effect redirect 302", "{call} error-code", "{call} not-json", "{call} empty-body",
    "{call} duplicate-keys", "{call} wrong-types", "{call} other-id", "{call} gzip-bomb 1",
    "{call} before-effect status 403", "{call} after-effect close", "{call} item-twice", "{call} cursor-loop",
    "{call} empty-page",
)  # fmt: skip
CALLS = (
    "GET *",
    "POST /v1/groups",
    "POST /v1/destinations",
    "POST /v1/destinations/*/test",
    "PATCH *",
    "DELETE *",
    "* *",
)
WRITES = ("POST /v1/groups", "POST /v1/destinations", "POST *", "PATCH *", "DELETE *")
LOST = (
    "after-effect reset",
    "times 1 mid-body truncate",
    "times 2 after-effect status 524",
    "not-json",
    "before-effect close",
)
REMOVAL_ERRORS = {
    "removal-needs-name", "removal-of-another", "removal-other-id", "removal-other-name", "removal-unknown-id",
    "removed-and-declared",
}  # fmt: skip
numbers = st.integers(0, 7)
actors = st.sampled_from([0, 0, 0, 1])
worker_counts = st.sampled_from([1, 4])
Edit = tuple[str, int, int]
EDITS = (
    "add", "add", "add a bare group", "another database", "another database", "another password", "another password",
    "another name", "another key", "a destination", "its id", "pair", "destination", "forget",
)  # fmt: skip
edits = st.tuples(st.sampled_from(EDITS), numbers, numbers)
LIVE_CHANGES = ("another name", "another database", "new group", "deleted destination", "deleted group")
JUMPS = (-86_400.0, -1.0, 60.0, 1e7)
WRITING = ("POST", "PATCH", "DELETE")
troubles = st.one_of(
    st.builds(dict, dies_at=st.integers(1, 20), arrives=st.booleans()),
    st.builds(dict, dies_at=st.integers(1, 6), arrives=st.booleans(), counts=st.just(WRITING)),
    st.builds(dict, jump_at=st.integers(1, 20), jump=st.sampled_from([1.0, 3_600.0, 864_000.0])),
    st.builds("{} {}".format, st.sampled_from(WRITES), st.sampled_from(LOST)),
    st.builds(
        lambda fault, call, often: fault.format(call=f"{call} {often}"),
        st.sampled_from(FAULTS),
        st.sampled_from(CALLS),
        st.sampled_from(["#1 times 1", "#1.. times 2", "", "#2.. times 1", "#3.."]),
    ),
)
"""Death or sleep of a process, as options of its `FaultyConnection`; or a fault."""
STEPS = itertools.count()
"""Counter of the executed rules of this process."""


class ProjectMachine(RuleBasedStateMachine):
    """Account with two independent projects. Each project has an `anchor`, since no project may be empty."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(detect_leaks())
        self.account = get_shared_account()
        self.account.reset()
        self.folder = Path(mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.stack.callback(shutil.rmtree, self.folder)
        self.projects = [FaultyProject(self.folder / name, self.account) for name in ("ours", "theirs")]
        self.models = [ReferenceModel(), ReferenceModel()]
        self.counter = itertools.count()
        self.counts: dict[str, int] = {}
        for actor in (0, 1):
            self.models[actor].entries["anchor"] = ModelEntry(
                f"Anchor {actor}", "ANCHOR", has_destination=False
            )
            self.models[actor].entries[KEYS[actor]] = ModelEntry(NAMES[actor], "FIRST_PASSWORD")
            for variable in ("ANCHOR", "FIRST_PASSWORD"):
                self._rotate_password(actor, variable)
            self._declare(actor)

    def teardown(self) -> None:
        self.stack.close()

    # Rules

    @rule(actor=actors, edits=st.lists(edits, min_size=1, max_size=3))
    def edit(self, actor: int, edits: list[Edit]) -> None:
        """Edit specs and rotate secrets as users."""
        next(STEPS)
        self._edit(actor, edits)

    @rule(what=st.sampled_from(LIVE_CHANGES), number=numbers, other=numbers)
    def change_live(self, what: str, number: int, other: int) -> None:
        """Change the account as users and other programs."""
        next(STEPS)
        dashboard, contents = self.account.app.dashboard, self.account.contents
        if what == "new group" and len(contents) < 8:
            dashboard.add_group(NAMES[other % len(NAMES)])
        for id in _pick(contents, number):
            if what == "another name":
                dashboard.rename_group(id, NAMES[other % len(NAMES)])
            if what == "deleted group":
                dashboard.remove(Kind.DESTINATION, id)
                dashboard.remove(Kind.GROUP, id)
        for id in _pick([id for id, group in contents.items() if "destination" in group], number):
            if what == "another database":
                dashboard.change_destination(
                    id, config={"database": f"OUTSIDE_{other}", "role": f"ROLE_{other}"}
                )
            if what == "deleted destination":
                dashboard.remove(Kind.DESTINATION, id)

    @rule(actor=actors)
    def plan(self, actor: int) -> None:
        next(STEPS)
        self._plan(actor)

    @rule(actor=actors, workers=worker_counts, edits=st.lists(edits, max_size=2), twice=st.booleans())
    def apply(self, actor: int, workers: int, edits: list[Edit], twice: bool) -> None:
        """Edit and apply. A second apply sends no write."""
        next(STEPS)
        self._edit(actor, edits)
        if self._apply(actor, workers).exit is ExitCode.OK and twice:
            assert self._apply(actor, workers).writes == []

    @rule(
        actor=actors, workers=worker_counts, edits=st.lists(edits, min_size=1, max_size=3), trouble=troubles
    )
    def apply_with_trouble(
        self, actor: int, workers: int, edits: list[Edit], trouble: dict[str, Any] | str
    ) -> None:
        """Apply while the process is killed, the computer sleeps, or HTTP fails."""
        next(STEPS)
        self._edit(actor, edits)
        if isinstance(trouble, str):
            self.account.app.faults.add(parse_fault(trouble))
            self._apply(actor, workers, has_trouble=True)
            self.account.app.faults.clear()
        else:
            self._apply(
                actor,
                workers,
                FaultyConnection(self.account.app, self.account.clock, **trouble),
                has_trouble=True,
            )

    @rule(actor=actors, workers=worker_counts, number=numbers, lost=st.sampled_from(LOST))
    def rotate_password_and_revert(self, actor: int, workers: int, number: int, lost: str) -> None:
        """Rotate a password without an answer, and revert: the old password is sent again."""
        next(STEPS)
        for entry in _pick(list(self.models[actor].entries.values()), number):
            self._rotate_password(actor, entry.variable)
            self.account.app.faults.add(parse_fault(f"PATCH * {lost}"))
            self._apply(actor, workers, has_trouble=True)
            self.account.app.faults.clear()
            self._rotate_password(actor, entry.variable, back=True)
            self._apply(actor, workers)

    @rule(actor=actors, number=numbers)
    def lose_entry_lines(self, actor: int, number: int) -> None:
        """Delete the lines of an entry, plan, and restore the lines."""
        next(STEPS)
        model = self.models[actor]
        entries = dict(model.entries)
        for key in _pick([key for key in entries if key != "anchor"], number):
            del model.entries[key]
        self._declare(actor)
        self._plan(actor)
        model.entries = entries
        self._declare(actor)

    @rule(
        actor=actors,
        what=st.sampled_from(["state", "clock", "clock", "clock"]),
        seconds=st.sampled_from(JUMPS),
    )
    def lose_state_or_move_clock(self, actor: int, what: str, seconds: float) -> None:
        next(STEPS)
        if what == "state":
            self.projects[actor].lose_state()
            self.models[actor].lose_state()
        self.account.clock.advance(seconds)

    # Edits

    def _edit(self, actor: int, edits: list[Edit]) -> None:
        model = self.models[actor]
        for what, number, other in edits:
            match what:
                case "add" | "add a bare group":
                    self._add(actor, number, other, bare=what != "add")
                case "another database":
                    for entry in _pick(list(model.entries.values()), number):
                        entry.database = f"EDIT_{other}"
                case "another password":
                    for entry in _pick(list(model.entries.values()), number):
                        self._rotate_password(actor, entry.variable, back=other == 0)
                case "another name":
                    names = self._free_names(model)
                    for entry in _pick(list(model.entries.values()), number):
                        entry.name = names[other % len(names)]
                case "another key":
                    self._move_key(model, number)
                case "a destination":
                    self._add_destination(model, number)
                case "its id":
                    expected = model.expect_matches(self.account.contents)
                    for key in _pick([key for key in model.entries if key in expected.matched], number):
                        if not expected.problems:
                            model.entries[key].id = expected.matched[key]
                case _:
                    self._remove(model, number, what)
        self._declare(actor)

    def _free_names(self, model: ReferenceModel) -> list[str]:
        return [each for each in NAMES if each not in {entry.name for entry in model.entries.values()}]

    def _add(self, actor: int, number: int, name: int, *, bare: bool) -> None:
        model, names = self.models[actor], self._free_names(self.models[actor])
        used = {each.was for each in model.entries.values()} | model.entries.keys()
        free = [key for key in KEYS if key not in used and self._is_completed_removal(model, key)]
        for key in _pick(free, number):
            model.removals.pop(key, None)
            variable = f"PASSWORD_{next(self.counter)}"
            model.entries[key] = ModelEntry(names[name % len(names)], variable, has_destination=not bare)
            self._rotate_password(actor, variable)

    def _remove(self, model: ReferenceModel, number: int, extent: str) -> None:
        """Remove an entry, with a removal that names the live group."""
        expected = model.expect_matches(self.account.contents)
        removed_ids = {each.id for each in model.removals.values()}
        bound = [
            key
            for key in model.entries
            if key != "anchor" and expected.matched.get(key, "") not in {"", *removed_ids}
        ]
        for key in _pick(bound, number):
            entry = model.entries[key]
            if expected.problems or entry.was or (extent == "destination" and not entry.has_destination):
                continue
            if extent == "destination":
                entry.has_destination = False
            else:
                del model.entries[key]
            model.removals[key] = ModelRemoval(expected.matched[key], extent)

    def _move_key(self, model: ReferenceModel, number: int) -> None:
        """Move an entry to another key by `was:`."""
        used = {each.was for each in model.entries.values()} | model.entries.keys() | model.removals.keys()
        free = [key for key in (*KEYS, "moved", "again") if key not in {*used, *model.records}]
        fixed = {"anchor", *model.removals}
        movable = [key for key, entry in model.entries.items() if entry.was is None and key not in fixed]
        for key in _pick(movable if free else [], number):
            entry = model.entries.pop(key)
            entry.was = key
            model.entries[free[0]] = entry

    def _add_destination(self, model: ReferenceModel, number: int) -> None:
        bare = [key for key, entry in model.entries.items() if not entry.has_destination and key != "anchor"]
        for key in _pick([key for key in bare if self._is_completed_removal(model, key)], number):
            model.entries[key].has_destination = True
            model.removals.pop(key, None)

    # Checks

    def _plan(self, actor: int) -> None:
        """Check that a plan writes nothing and has the errors that the model expects."""
        before = self.account.contents
        expected = self.models[actor].expect_matches(before)
        try:
            refused = {each.code for each in self.projects[actor].plan().plan.blockers}
        except ReconcilerError as error:
            refused = {each.code for each in error.diagnostics}
        assert refused == expected.problems
        assert self.account.contents == before

    def _apply(
        self,
        actor: int,
        workers: int,
        connection: FaultyConnection | None = None,
        *,
        has_trouble: bool = False,
        recreate: tuple[str, ...] = (),
    ) -> ApplyRun:
        model, project = self.models[actor], self.projects[actor]
        before = self.account.contents
        expected = model.expect_matches(before, recreate)
        sent = {key: model.must_send_password(key) for key in model.entries}
        project.workers, project.recreate = workers, recreate
        run = project.apply(connection)
        project.recreate = ()
        check_run(run)
        assert project.state is None or project.state.lineage  # O8: the state can be read
        after = self.account.contents
        self._check_safe(model, run, expected, before, after)
        if run.has_held and not has_trouble:
            model.record_run(run, expected, before)
            self._wait_for_settle_time(run)
            return self._apply(actor, workers)
        if not has_trouble and not expected.problems:
            assert run.exit is ExitCode.OK, self._describe_run(actor, run)
        if not has_trouble and expected.problems:
            assert {each.code for each in run.refused} == expected.problems
            assert run.writes == []
        model.record_run(run, expected, before)
        if run.exit is ExitCode.OK and not run.killed and not run.refused and run.planned is not None:
            self._check_settled(actor, expected, sent, before, after)
        elif not has_trouble:
            self._correct_specs(actor, expected)
        return run

    def _wait_for_settle_time(self, run: ApplyRun) -> None:
        """Advance the clock until all held creates may be sent (S-05)."""
        assert run.applied is not None
        times = [each.held_until for each in run.applied.outcomes if each.held_until is not None]
        clock = self.account.clock
        clock.advance((max(times) - clock.now()).total_seconds())

    def _describe_run(self, actor: int, run: ApplyRun) -> str:
        """Describe a failed run."""
        left = run.applied.remaining if run.applied else None
        planned = [
            (str(each.address), each.action, each.reasons, each.fields)
            for each in _list_effective_changes(run)
        ]
        again = self.projects[actor].plan().plan.effective
        return f"{run.refused} {run.statuses} left {left} planned {planned} again {again}"

    def _check_safe(
        self,
        model: ReferenceModel,
        run: ApplyRun,
        expected: ExpectedMatches,
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        """Check after any run that nothing is duplicated or lost, and that other groups are unchanged."""
        new_ids = after.keys() - before.keys()
        deleted = before.keys() - after.keys()
        names = {entry.name: key for key, entry in model.entries.items()}
        created = [names[each.body["name"]] for each in find_group_creates(run)]
        assert len(created) == len(set(created)) == len(new_ids), "O1"
        assert set(created) <= expected.new, "O1: the group existed before"
        removed_ids = {each.id for each in model.removals.values() if each.scope == "pair"}
        assert deleted <= removed_ids, "O3"
        managed = {*expected.matched.values(), *(each.id for each in model.removals.values())}
        for id in before.keys() - deleted - managed:
            assert before[id] == after[id], "O2: an unmanaged group"
        for id in before.keys() & after.keys():
            lost = "destination" in before[id] and "destination" not in after[id]
            removed_ids = {each.id for each in model.removals.values() if each.scope != "forget"}
            assert not lost or id in removed_ids, "O3"

    def _check_settled(
        self,
        actor: int,
        expected: ExpectedMatches,
        sent: dict[str, bool],
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        """Check after a successful run that the account agrees with the specs."""
        model = self.models[actor]
        expected_now = model.expect_matches(after)
        assert expected_now.problems == set()
        assert expected_now.new == set()
        for key, entry in model.entries.items():
            id = expected_now.matched[key]
            assert id == expected.matched.get(key, id), "the id is stable"
            assert after[id]["name"] == entry.name
            if not entry.has_destination:
                continue
            destination = after[id]["destination"]
            config = dict(destination["config"])
            former = before.get(id, {}).get("destination")
            password = model.passwords[entry.variable]
            if former is not None and not sent[key]:
                password = former["config"]["password"]
            assert config.pop("password") == password
            role = config.pop("role", None)
            assert role == (former or {"config": {}})["config"].get("role"), (
                "undeclared fields stay as they are"
            )
            assert config == entry.to_config()
            if id in model.must_be_healthy:
                assert destination.get("setup_status") == "connected"
        for each in model.removals.values():
            assert each.scope == "forget" or "destination" not in after.get(each.id, {})
            assert each.scope != "pair" or each.id not in after
        assert self.projects[actor].plan().plan.effective == ()
        self._delete_completed_lines(model)
        self._declare(actor)

    def _delete_completed_lines(self, model: ReferenceModel) -> None:
        """Delete completed removals and `was:` lines."""
        for key, entry in model.entries.items():
            if entry.was is not None and (key in model.records or entry.was not in model.records):
                entry.was = None
        model.removals = {
            key: each for key, each in model.removals.items() if not self._is_completed_removal(model, key)
        }

    def _is_completed_removal(self, model: ReferenceModel, key: str) -> bool:
        if key not in model.removals:
            return True
        each, contents = model.removals[key], self.account.contents
        if each.scope == "destination":
            return "destination" not in contents.get(each.id, {})
        return key not in model.records if each.scope == "forget" else each.id not in contents

    def _correct_specs(self, actor: int, expected: ExpectedMatches) -> None:
        """Correct the specs as a user who reads the errors."""
        model, contents = self.models[actor], self.account.contents
        for key, entry in model.entries.items():
            if entry.id is not None and entry.id not in contents:
                entry.id = None
            if entry.id is None and key not in expected.matched:
                used = {*expected.matched.values(), *(each.id for each in model.entries.values())}
                namesakes = [
                    id for id, group in contents.items() if group["name"] == entry.name and id not in used
                ]
                if len(namesakes) > 1 or (namesakes and f"group.{key}" in expected.missing):
                    entry.id = namesakes[0]
        if "name-taken" in expected.problems:
            self._choose_free_names(model)
        if expected.problems & REMOVAL_ERRORS:
            model.removals = dict(self._list_valid_removals(model, expected))
        if "vanished" in expected.problems:
            for key, each in model.get_records().items():
                if key not in model.entries and key not in model.removals and each.group in contents:
                    model.removals[key] = ModelRemoval(each.group or "", "forget")
                elif key in model.entries and not model.entries[key].has_destination:
                    model.entries[key].has_destination = True
        self._declare(actor)
        expected_now = model.expect_matches(contents)
        if expected.problems == {"gone-or-hidden"} and expected_now.problems <= expected.problems:
            self._apply(actor, 1, recreate=tuple(sorted(expected_now.missing)))

    def _choose_free_names(self, model: ReferenceModel) -> None:
        """Give each entry whose group has another name, and each new entry, a name that no group has."""
        contents = self.account.contents
        matched = model.expect_matches(contents).matched
        for key, entry in model.entries.items():
            if key not in matched or contents[matched[key]]["name"] != entry.name:
                entry.name = f"Free name {next(self.counter)} of {key}"

    def _list_valid_removals(
        self, model: ReferenceModel, expected: ExpectedMatches
    ) -> Iterator[tuple[str, ModelRemoval]]:
        """List the removals of existing objects that belong to no other key."""
        records = model.get_records()
        for key, each in model.removals.items():
            others = {id for other, id in expected.matched.items() if other != key}
            others |= {model.find_group_id(other, records) or "" for other in records if other != key}
            own = {expected.matched.get(key), model.find_group_id(key, records)} - {None}
            if each.id in self.account.contents and each.id not in others and own <= {each.id}:
                yield key, each

    def _rotate_password(self, actor: int, variable: str, *, back: bool = False) -> None:
        model = self.models[actor]
        version = self.counts.get(f"{actor}{variable}", 0)
        number = max(0, version - 1) if back else version + 1
        self.counts[f"{actor}{variable}"] = number
        model.passwords[variable] = f"canary-{actor}-{variable.lower()}-{number:04}"
        self.projects[actor].secrets[variable] = model.passwords[variable]

    def _declare(self, actor: int) -> None:
        groups, removed = self.models[actor].build_specs(self.account.contents)
        self.projects[actor].declare(groups, **({"removed": removed} if removed else {}))


def _list_effective_changes(run: ApplyRun) -> tuple[Change, ...]:
    return run.planned.plan.effective if run.planned else ()


def _pick(items: Collection[Any], number: int) -> list[Any]:
    """Pick one item, or no item of an empty collection."""
    return [list(items)[number % len(items)]] if items else []


@cache
def get_shared_account() -> FaultyAccount:
    """Return the account of all examples, since a new account costs more than an apply."""
    account = FaultyAccount()
    atexit.register(account.app.close)
    return account


def run_machine(examples: int, steps: int) -> int:
    """Run the machine. Returns the number of executed rules."""
    before = next(STEPS)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ProjectMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return next(STEPS) - before - 1


@small_and_large(("examples", "steps"), (4, 100), (125, 5_000))
def test_any_sequence_of_actions_agrees_with_the_reference_model(examples: int, steps: int) -> None:
    assert run_machine(examples, 50) >= steps
