"""S-12: whatever people, two projects, Fivetran and bad luck do in whatever order, everything stays in its place.

The model is `imagined_project`. After each apply the account is compared with it; a plan after an apply that went well
is empty; a plan never writes; nobody else's groups are touched. The long run, of 10,000 steps and more:

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
WRONG = {
    "removal-needs-name", "removal-of-another", "removal-other-id", "removal-other-name", "removal-unknown-id",
    "removed-and-declared",
}  # fmt: skip
numbers = st.integers(0, 7)
actors = st.sampled_from([0, 0, 0, 1])
hands = st.sampled_from([1, 4])
Edit = tuple[str, int, int]
EDITS = (
    "add", "add", "add a bare group", "another database", "another database", "another password", "another password",
    "another name", "another key", "a destination", "its id", "pair", "destination", "forget",
)  # fmt: skip
edits = st.tuples(st.sampled_from(EDITS), numbers, numbers)
OUTSIDE = ("another name", "another database", "new group", "no destination any more", "no group any more")
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
"""How a process dies or sleeps, as options of its `Line`; or a fault."""
STEPS = itertools.count()
"""How many rules have been carried out in this process."""


class Machine(RuleBasedStateMachine):
    """An account, and two projects that know nothing of each other. Each has an `anchor`, since no project is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(detect_leaks())
        self.account = the_account()
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
                self._new_password(actor, variable)
            self._declare(actor)

    def teardown(self) -> None:
        self.stack.close()

    # What happens

    @rule(actor=actors, edits=st.lists(edits, min_size=1, max_size=3))
    def edit(self, actor: int, edits: list[Edit]) -> None:
        """People edit specs and rotate secrets."""
        next(STEPS)
        self._edit(actor, edits)

    @rule(what=st.sampled_from(OUTSIDE), number=numbers, other=numbers)
    def change_at_fivetran(self, what: str, number: int, other: int) -> None:
        """People, and others, at the account."""
        next(STEPS)
        dashboard, contents = self.account.app.dashboard, self.account.contents
        if what == "new group" and len(contents) < 8:
            dashboard.add_group(NAMES[other % len(NAMES)])
        for id in _pick(contents, number):
            if what == "another name":
                dashboard.rename_group(id, NAMES[other % len(NAMES)])
            if what == "no group any more":
                dashboard.remove(Kind.DESTINATION, id)
                dashboard.remove(Kind.GROUP, id)
        for id in _pick([id for id, group in contents.items() if "destination" in group], number):
            if what == "another database":
                dashboard.change_destination(
                    id, config={"database": f"OUTSIDE_{other}", "role": f"ROLE_{other}"}
                )
            if what == "no destination any more":
                dashboard.remove(Kind.DESTINATION, id)

    @rule(actor=actors)
    def plan(self, actor: int) -> None:
        next(STEPS)
        self._plan(actor)

    @rule(actor=actors, workers=hands, edits=st.lists(edits, max_size=2), twice=st.booleans())
    def apply(self, actor: int, workers: int, edits: list[Edit], twice: bool) -> None:
        """A second apply sends nothing that could change anything."""
        next(STEPS)
        self._edit(actor, edits)
        if self._apply(actor, workers).exit is ExitCode.OK and twice:
            assert self._apply(actor, workers).writes == []

    @rule(actor=actors, workers=hands, edits=st.lists(edits, min_size=1, max_size=3), trouble=troubles)
    def apply_in_trouble(
        self, actor: int, workers: int, edits: list[Edit], trouble: dict[str, Any] | str
    ) -> None:
        """The process is killed, the computer sleeps, or HTTP goes wrong."""
        next(STEPS)
        self._edit(actor, edits)
        if isinstance(trouble, str):
            self.account.app.faults.add(parse_fault(trouble))
            self._apply(actor, workers, troubled=True)
            self.account.app.faults.clear()
        else:
            self._apply(
                actor,
                workers,
                FaultyConnection(self.account.app, self.account.clock, **trouble),
                troubled=True,
            )

    @rule(actor=actors, workers=hands, number=numbers, lost=st.sampled_from(LOST))
    def rotate_in_vain_and_go_back(self, actor: int, workers: int, number: int, lost: str) -> None:
        """Nobody knows whether the new password arrived, so the old one is sent again."""
        next(STEPS)
        for entry in _pick(list(self.models[actor].entries.values()), number):
            self._new_password(actor, entry.variable)
            self.account.app.faults.add(parse_fault(f"PATCH * {lost}"))
            self._apply(actor, workers, troubled=True)
            self.account.app.faults.clear()
            self._new_password(actor, entry.variable, back=True)
            self._apply(actor, workers)

    @rule(actor=actors, number=numbers)
    def lose_lines(self, actor: int, number: int) -> None:
        """An entry that merely vanishes is noticed, and comes back."""
        next(STEPS)
        model = self.models[actor]
        kept = dict(model.entries)
        for key in _pick([key for key in kept if key != "anchor"], number):
            del model.entries[key]
        self._declare(actor)
        self._plan(actor)
        model.entries = kept
        self._declare(actor)

    @rule(
        actor=actors,
        what=st.sampled_from(["memory", "clock", "clock", "clock"]),
        seconds=st.sampled_from(JUMPS),
    )
    def lose_the_memory_or_the_time(self, actor: int, what: str, seconds: float) -> None:
        next(STEPS)
        if what == "memory":
            self.projects[actor].lose_state()
            self.models[actor].lose_state()
        self.account.clock.advance(seconds)

    # How specs are edited

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
                        self._new_password(actor, entry.variable, back=other == 0)
                case "another name":
                    names = self._free_names(model)
                    for entry in _pick(list(model.entries.values()), number):
                        entry.name = names[other % len(names)]
                case "another key":
                    self._move_key(model, number)
                case "a destination":
                    self._give_a_destination(model, number)
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
        free = [key for key in KEYS if key not in used and self._is_settled_tombstone(model, key)]
        for key in _pick(free, number):
            model.removals.pop(key, None)
            variable = f"PASSWORD_{next(self.counter)}"
            model.entries[key] = ModelEntry(names[name % len(names)], variable, has_destination=not bare)
            self._new_password(actor, variable)

    def _remove(self, model: ReferenceModel, number: int, extent: str) -> None:
        """With a tombstone that names the live group."""
        expected = model.expect_matches(self.account.contents)
        given_up = {each.id for each in model.removals.values()}
        bound = [
            key
            for key in model.entries
            if key != "anchor" and expected.matched.get(key, "") not in {"", *given_up}
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
        """`was:`."""
        used = {each.was for each in model.entries.values()} | model.entries.keys() | model.removals.keys()
        free = [key for key in (*KEYS, "moved", "again") if key not in {*used, *model.records}]
        fixed = {"anchor", *model.removals}
        movable = [key for key, entry in model.entries.items() if entry.was is None and key not in fixed]
        for key in _pick(movable if free else [], number):
            entry = model.entries.pop(key)
            entry.was = key
            model.entries[free[0]] = entry

    def _give_a_destination(self, model: ReferenceModel, number: int) -> None:
        bare = [key for key, entry in model.entries.items() if not entry.has_destination and key != "anchor"]
        for key in _pick([key for key in bare if self._is_settled_tombstone(model, key)], number):
            model.entries[key].has_destination = True
            model.removals.pop(key, None)

    # What is looked at

    def _plan(self, actor: int) -> None:
        """It writes nothing, and refuses what the model says that it must."""
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
        line: FaultyConnection | None = None,
        *,
        troubled: bool = False,
        recreate: tuple[str, ...] = (),
    ) -> ApplyRun:
        model, project = self.models[actor], self.projects[actor]
        before = self.account.contents
        expected = model.expect_matches(before, recreate)
        sent = {key: model.must_send_password(key) for key in model.entries}
        project.workers, project.recreate = workers, recreate
        run = project.apply(line)
        project.recreate = ()
        check_run(run)
        assert project.state is None or project.state.lineage  # O8: it can be read
        after = self.account.contents
        self._check_safe(model, run, expected, before, after)
        if run.has_held and not troubled:
            model.record_run(run, expected, before)
            self._let_it_settle(run)
            return self._apply(actor, workers)
        if not troubled and not expected.problems:
            assert run.exit is ExitCode.OK, self._story(actor, run)
        if not troubled and expected.problems:
            assert {each.code for each in run.refused} == expected.problems
            assert run.writes == []
        model.record_run(run, expected, before)
        if run.exit is ExitCode.OK and not run.killed and not run.refused and run.planned is not None:
            self._check_settled(actor, expected, sent, before, after)
        elif not troubled:
            self._correct(actor, expected)
        return run

    def _let_it_settle(self, run: ApplyRun) -> None:
        """S-05: what had to wait for a request of an earlier run has not been sent. Time passes until it may be."""
        assert run.applied is not None
        times = [each.held_until for each in run.applied.outcomes if each.held_until is not None]
        clock = self.account.clock
        clock.advance((max(times) - clock.now()).total_seconds())

    def _story(self, actor: int, run: ApplyRun) -> str:
        """What to know where a run did not go well."""
        left = run.applied.remaining if run.applied else None
        planned = [(str(each.address), each.action, each.reasons, each.fields) for each in _effective(run)]
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
        """Of any run, however it ends: nothing twice, nothing lost, nobody else's touched."""
        new = after.keys() - before.keys()
        gone = before.keys() - after.keys()
        names = {entry.name: key for key, entry in model.entries.items()}
        made = [names[each.body["name"]] for each in find_group_creates(run)]
        assert len(made) == len(set(made)) == len(new), "O1"
        assert set(made) <= expected.new, "O1: it was there already"
        given_up = {each.id for each in model.removals.values() if each.scope == "pair"}
        assert gone <= given_up, "O3"
        ours = {*expected.matched.values(), *(each.id for each in model.removals.values())}
        for id in before.keys() - gone - ours:
            assert before[id] == after[id], "O2: not ours"
        for id in before.keys() & after.keys():
            lost = "destination" in before[id] and "destination" not in after[id]
            given_up = {each.id for each in model.removals.values() if each.scope != "forget"}
            assert not lost or id in given_up, "O3"

    def _check_settled(
        self,
        actor: int,
        expected: ExpectedMatches,
        sent: dict[str, bool],
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        """Of a run that says that all is well: it is."""
        model = self.models[actor]
        now = model.expect_matches(after)
        assert now.problems == set()
        assert now.new == set()
        for key, entry in model.entries.items():
            id = now.matched[key]
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
                "what is not declared is left alone"
            )
            assert config == entry.to_config()
            if id in model.must_be_healthy:
                assert destination.get("setup_status") == "connected"
        for each in model.removals.values():
            assert each.scope == "forget" or "destination" not in after.get(each.id, {})
            assert each.scope != "pair" or each.id not in after
        assert self.projects[actor].plan().plan.effective == ()
        self._tidy(model)
        self._declare(actor)

    def _tidy(self, model: ReferenceModel) -> None:
        """Lines that have done their work are deleted now and then."""
        for key, entry in model.entries.items():
            if entry.was is not None and (key in model.records or entry.was not in model.records):
                entry.was = None
        model.removals = {
            key: each for key, each in model.removals.items() if not self._is_settled_tombstone(model, key)
        }

    def _is_settled_tombstone(self, model: ReferenceModel, key: str) -> bool:
        if key not in model.removals:
            return True
        each, contents = model.removals[key], self.account.contents
        if each.scope == "destination":
            return "destination" not in contents.get(each.id, {})
        return key not in model.records if each.scope == "forget" else each.id not in contents

    def _correct(self, actor: int, expected: ExpectedMatches) -> None:
        """What a person does who reads the errors."""
        model, contents = self.models[actor], self.account.contents
        for key, entry in model.entries.items():
            if entry.id is not None and entry.id not in contents:
                entry.id = None
            if entry.id is None and key not in expected.matched:
                taken = {*expected.matched.values(), *(each.id for each in model.entries.values())}
                namesakes = [
                    id for id, group in contents.items() if group["name"] == entry.name and id not in taken
                ]
                if len(namesakes) > 1 or (namesakes and f"group.{key}" in expected.missing):
                    entry.id = namesakes[0]
        if expected.problems & WRONG:
            model.removals = dict(self._meant(model, expected))
        if "vanished" in expected.problems:
            for key, each in model.get_records().items():
                if key not in model.entries and key not in model.removals and each.group in contents:
                    model.removals[key] = ModelRemoval(each.group or "", "forget")
                elif key in model.entries and not model.entries[key].has_destination:
                    model.entries[key].has_destination = True
        self._declare(actor)
        now = model.expect_matches(contents)
        if expected.problems == {"gone-or-hidden"} and now.problems <= expected.problems:
            self._apply(actor, 1, recreate=tuple(sorted(now.missing)))

    def _meant(self, model: ReferenceModel, expected: ExpectedMatches) -> Iterator[tuple[str, ModelRemoval]]:
        """The tombstones of what is there, and of no other key than theirs."""
        known = model.get_records()
        for key, each in model.removals.items():
            others = {id for other, id in expected.matched.items() if other != key}
            others |= {model.find_group_id(other, known) or "" for other in known if other != key}
            own = {expected.matched.get(key), model.find_group_id(key, known)} - {None}
            if each.id in self.account.contents and each.id not in others and own <= {each.id}:
                yield key, each

    def _new_password(self, actor: int, variable: str, *, back: bool = False) -> None:
        model = self.models[actor]
        known = self.counts.get(f"{actor}{variable}", 0)
        number = max(0, known - 1) if back else known + 1
        self.counts[f"{actor}{variable}"] = number
        model.passwords[variable] = f"canary-{actor}-{variable.lower()}-{number:04}"
        self.projects[actor].secrets[variable] = model.passwords[variable]

    def _declare(self, actor: int) -> None:
        groups, removed = self.models[actor].build_specs(self.account.contents)
        self.projects[actor].declare(groups, **({"removed": removed} if removed else {}))


def _effective(run: ApplyRun) -> tuple[Change, ...]:
    return run.planned.plan.effective if run.planned else ()


def _pick(items: Collection[Any], number: int) -> list[Any]:
    """One of them, or none where there is none."""
    return [list(items)[number % len(items)]] if items else []


@cache
def the_account() -> FaultyAccount:
    """One for all examples, since a new one costs more than an apply."""
    account = FaultyAccount()
    atexit.register(account.app.close)
    return account


def run_machine(examples: int, steps: int) -> int:
    """Run the machine; how many rules were carried out."""
    before = next(STEPS)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
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


@small_and_large(("examples", "steps"), (8, 200), (220, 10_000))
def test_everything_stays_in_its_place(examples: int, steps: int) -> None:
    assert run_machine(examples, 50) >= steps
