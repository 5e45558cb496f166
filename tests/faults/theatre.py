"""Setting up situations, letting runs die in them, and letting others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from faults.canonical_plans import Scene, Situation
from faults.mortal import Killed, Life, Moment, Names, living
from faults.oracles import Run, check_history, check_memory, check_run, picture
from harness import SETTLED
from reconciliation import Reconciliation, reconciliation

from reconciler.emulator.history import Exchange
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import Action

PAUSES = (0.0, 5.0, SETTLED.total_seconds())
"""Seconds before a run is repeated."""
MOST_APPLIES = 2
"""O5: so many are enough after any accident."""


@dataclass
class Play:
    """A situation that is being played."""

    situation: Situation
    scene: Scene
    account: Reconciliation
    names: Names
    lives: list[Life] = field(default_factory=list)

    @property
    def history(self) -> list[Exchange]:
        """What was asked since the situation was set up."""
        return self.account.app.history(self.names.before)

    def run(
        self,
        moment: Moment | None = None,
        *,
        step: int | None = None,
        workers: int = 1,
        may_survive: bool = False,
    ) -> Life:
        """One apply. It must die where it is told to, unless it `may_survive`, and must not end in an error."""
        account, before = self.account, len(self.history)
        account.parallelism = workers
        life = Life(account, self.names, moment, step)
        with living(life), suppress(Killed):
            self._attempt()
        meant = moment is not None or step is not None
        assert life.dead == meant or may_survive, f"it did not die: {moment or step}, it sent {life.calls}"
        assert life.afterlife == [], life.afterlife
        assert life.unannounced == [], life.unannounced
        if account.planned is not None:
            assert account.planned.plan.blockers == ()
            own = tuple(each for each in self.history[before:] if not each.effect_of)
            run = Run(account.planned, own)
            check_run(run, self.names, recovering=bool(self.lives))
        check_memory(life.folder / "state.json", account.app, settled=False)
        self.lives.append(life)
        return life

    def _attempt(self) -> None:
        """Without a memory nobody can tell a removal that was carried out from a slip in an id: a person can."""
        try:
            self.account.attempt()
        except ReconcilerError as error:
            assert {each.code for each in error.diagnostics} == {"removal-unknown-id"}
            assert self.account.state is None
            self.scene.delete_lines()
            self.account.attempt()

    def go_on(self, *, workers: int = 1) -> None:
        """O5: after at most two applies a plan is empty, and to apply it writes nothing. Where a create has to wait it
        does so at once and 5 s later, and no longer once the request before it is settled."""
        for pause in PAUSES:
            self.account.clock.sleep(pause)
            for _ in range(MOST_APPLIES + 1):
                life = self.run(workers=workers)
                if self.is_done:
                    assert life.calls == []
                    return
                if self.waits:
                    break
            else:
                raise AssertionError("two applies were not enough")
        raise AssertionError("it waits for ever")

    @property
    def waits(self) -> bool:
        """Whether the plan of the last run has a create that has to wait."""
        assert self.account.planned is not None
        return bool(self.account.planned.plan.held)

    @property
    def is_done(self) -> bool:
        """Whether the plan of the last run was empty."""
        assert self.account.planned is not None
        return {change.action for change in self.account.planned.plan.changes} <= {Action.NO_OP}

    def judge(self, *, lost: bool) -> None:
        """All oracles over all runs together. `lost` says that the memory was lost on the way."""
        check_history(self.situation, self.history, self.names)
        check_memory(self.lives[-1].folder / "state.json", self.account.app, settled=True)
        if not (lost and self.situation.memory_counts):
            seen = picture(self.account.app, health=not lost)
            assert seen == undisturbed(self.situation, health=not lost)


@contextmanager
def played(situation: Situation, **behaviour: Any) -> Iterator[Play]:
    """A situation right before its apply."""
    with reconciliation(**{**situation.behaviour, **behaviour}) as account:
        scene = Scene(account)
        situation.prepare(scene)
        yield Play(situation, scene, account, Names(scene))


@cache
def _undisturbed(situation: Situation) -> tuple[Any, Any]:
    with played(situation) as play:
        life = play.run()
        assert life.calls == list(situation.calls)
        play.go_on()
        app = play.account.app
        return picture(app, health=True), picture(app, health=False)


@cache
def steps_in_files(situation: Situation) -> tuple[str, ...]:
    """What one worker does to the files of the memory where nothing goes wrong."""
    with played(situation) as play:
        return tuple(play.run().steps)


def undisturbed(situation: Situation, *, health: bool) -> Any:
    """How the account is where nothing goes wrong."""
    return _undisturbed(situation)[0 if health else 1]
