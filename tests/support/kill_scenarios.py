"""Prepare scenarios, kill runs in them, and let later runs converge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cli_harness import SETTLE_TIME
from in_process_harness import InProcessProject, open_project
from invariants import (
    AppliedRun,
    check_approvals,
    check_history,
    check_run,
    check_state,
    take_snapshot,
)
from killable_run import CallNames, KillableRun, KillTrigger, RunKilled, run_killable
from scenarios import Scenario, ScenarioSetup

from reconciler.emulator.history import HistoryEntry
from reconciler.model.plan import Action

PAUSES = (0.0, 5.0, SETTLE_TIME.total_seconds())
"""Seconds before a run is repeated."""
MAX_APPLIES = 2
"""O5: so many are enough after any accident."""


@dataclass
class ScenarioRun:
    """Runs of a scenario."""

    scenario: Scenario
    setup: ScenarioSetup
    account: InProcessProject
    names: CallNames
    runs: list[KillableRun] = field(default_factory=list)

    @property
    def history(self) -> list[HistoryEntry]:
        """List the requests since the scenario was prepared."""
        return self.account.app.read_history(self.names.last_prepared)

    def run(
        self,
        trigger: KillTrigger | None = None,
        *,
        kill_step: int | None = None,
        workers: int = 1,
        may_survive: bool = False,
    ) -> KillableRun:
        """Run one apply, which must die at the trigger or step unless it `may_survive`, and must not fail."""
        account, before = self.account, len(self.history)
        account.parallelism = workers
        killable = KillableRun(account, self.names, trigger, kill_step)
        with run_killable(killable), suppress(RunKilled):
            self._attempt()
        should_die = trigger is not None or kill_step is not None
        assert killable.is_dead == should_die or may_survive, (
            f"it did not die: {trigger or kill_step}, it sent {killable.calls}"
        )
        assert killable.writes_after_death == [], killable.writes_after_death
        assert killable.unannounced == [], killable.unannounced
        if account.planned is not None:
            assert account.planned.plan.blockers == ()
            own_entries = tuple(entry for entry in self.history[before:] if not entry.effect_of)
            applied_run = AppliedRun(account.planned, own_entries)
            check_run(applied_run, self.names, is_recovering=bool(self.runs))
        check_state(killable.folder / "state.json", account.app, is_settled=False)
        check_approvals(self.scenario, self.history, account.app)
        self.runs.append(killable)
        return killable

    def _attempt(self) -> None:
        """Apply. Delete completed removals if the state is lost, because their ids are unknown then."""
        self.account.attempt()
        assert self.account.planned is not None
        if self.account.planned.plan.omissions:
            codes = {diagnostic.code for diagnostic in self.account.planned.plan.omissions}
            assert codes == {"removal-unknown-id"}
            assert self.account.state is None
            self.setup.delete_removals()
            self.account.attempt()

    def converge(self, *, workers: int = 1) -> None:
        """Check O5: after at most two applies a plan is empty, and a further apply writes nothing.

        A held create waits at once and 5 s later, and is sent after the settle time of the earlier request.
        """
        for pause in PAUSES:
            self.account.clock.sleep(pause)
            for _ in range(MAX_APPLIES + 1):
                killable = self.run(workers=workers)
                if self.is_done:
                    assert killable.calls == []
                    return
                if self.has_held:
                    break
            else:
                raise AssertionError("two applies were not enough")
        raise AssertionError("it waits for ever")

    @property
    def has_held(self) -> bool:
        """Return whether the plan of the last run has a held create."""
        assert self.account.planned is not None
        return bool(self.account.planned.plan.held)

    @property
    def is_done(self) -> bool:
        """Return whether the plan of the last run was empty."""
        assert self.account.planned is not None
        return {change.action for change in self.account.planned.plan.changes} <= {Action.NO_OP}

    def check_invariants(self, *, state_lost: bool) -> None:
        """Check all invariants over all runs. `state_lost`: the state was lost between two of them."""
        check_history(self.scenario, self.history, self.names)
        check_state(self.runs[-1].folder / "state.json", self.account.app, is_settled=True)
        if not (state_lost and self.scenario.needs_state):
            snapshot = take_snapshot(self.account.app, with_health=not state_lost)
            assert snapshot == get_undisturbed(self.scenario, with_health=not state_lost)


@contextmanager
def prepare_scenario(scenario: Scenario, **behaviour: Any) -> Iterator[ScenarioRun]:
    """Prepare a scenario up to its apply."""
    with open_project(**{**scenario.behaviour, **behaviour}) as account:
        setup = ScenarioSetup(account)
        scenario.prepare(setup)
        yield ScenarioRun(scenario, setup, account, CallNames(setup))


@cache
def _snapshot_undisturbed(scenario: Scenario) -> tuple[Any, Any]:
    with prepare_scenario(scenario) as scenario_run:
        killable = scenario_run.run()
        assert killable.calls == list(scenario.calls)
        scenario_run.converge()
        app = scenario_run.account.app
        return take_snapshot(app, with_health=True), take_snapshot(app, with_health=False)


@cache
def list_file_steps(scenario: Scenario) -> tuple[str, ...]:
    """List the file operations of one worker on the state, in a run without failures."""
    with prepare_scenario(scenario) as scenario_run:
        return tuple(scenario_run.run().steps)


def get_undisturbed(scenario: Scenario, *, with_health: bool) -> Any:
    """Return the account after a run without failures."""
    return _snapshot_undisturbed(scenario)[0 if with_health else 1]
