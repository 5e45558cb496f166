"""Follow what a run has done, does and waits for, and describe it in a few words."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from reconciler.model.address import Address
from reconciler.model.event import (
    AnswerArrived,
    AwaitingAnswer,
    AwaitingObjects,
    ChangeFinished,
    ChangeStarted,
    ConvergenceCheck,
    Event,
    ReadingAccount,
    RecoveringCreate,
    RequestRetried,
    SetupTestsStarted,
    Throttled,
)
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action
from reconciler.model.sanitize import to_one_line
from reconciler.report.style import format_clock, format_count
from reconciler.report.time_estimate import TimeEstimate

PROGRESS_WORDS = {
    Action.CREATE: "creating",
    Action.UPDATE: "updating",
    Action.VERIFY: "testing",
    Action.APPROVE: "approving",
    Action.REVOKE: "revoking",
    Action.REPLACE: "replacing",
    Action.DELETE: "deleting",
    Action.ADOPT: "adopting",
    Action.FORGET: "forgetting",
    Action.NO_OP: "reading",
}


@dataclass(frozen=True, slots=True)
class WaitWords:
    """Words for a wait, which ends `until` then, in seconds of a monotonic clock."""

    words: str
    until: float = math.inf

    def describe(self, now: float) -> str:
        """Describe the wait, with the time left of a wait that has an end."""
        left = "" if math.isinf(self.until) else f" {format_clock(math.ceil(self.until - now))}"
        return self.words + left


class RunProgress:
    """Progress of a run from `now` on. All times are seconds of a monotonic clock.

    Changes are counted once they are expected; before that, and in runs without changes, read destinations are. Setup
    tests are a part of their change.
    """

    def __init__(self, now: float) -> None:
        self._started = now
        self._done, self._total = 0, 0
        self._estimate: TimeEstimate | None = None
        self._stage = "reading specs and account"
        self._has_changes = False
        self._is_stopping = False
        self._in_progress: dict[Address, str] = {}
        self._pause: WaitWords | None = None
        self._waits: dict[object, WaitWords] = {}

    def expect(self, changes: int, now: float) -> None:
        """Begin to count this number of changes."""
        self._started, self._has_changes, self._stage = now, True, "starting"
        self._count_from(0, changes, now)

    def stop(self) -> None:
        """Note that the run is to stop: nothing is started any more, so there is no time to estimate."""
        self._is_stopping = True

    def update(self, event: Event, now: float) -> None:
        """Take over what an event says."""
        match event:
            case Throttled(quota=quota, seconds=seconds):
                self._pause = WaitWords(f"no {quota} left for now: continuing in", now + seconds)
                if self._estimate is not None:
                    self._estimate.add_pause(seconds, now)
            case RequestRetried(reason=reason, seconds=seconds):
                self._waits[RequestRetried] = WaitWords(f"{reason}: trying again in", now + seconds)
            case AwaitingAnswer(method=method, path=path):
                self._waits[method, path] = WaitWords(describe_waiting(event))
            case AnswerArrived(method=method, path=path):
                self._waits.pop((method, path), None)
            case _:
                self._waits.clear()
                self._update_work(event, now)

    def describe(self, now: float) -> list[str]:
        """Describe the run in parts, the most important first: done and total, time, time left, what is going on."""
        estimate = None if self._is_stopping or self._estimate is None else self._estimate.estimate(now)
        parts = [
            f"{self._done:,}/{self._total:,}" if self._total else "",
            format_clock(now - self._started),
            "" if estimate is None else f"about {format_clock(_round(estimate))} left",
            to_one_line(self._describe_activity(now)),
        ]
        return [part for part in parts if part]

    def _update_work(self, event: Event, now: float) -> None:
        match event:
            case ReadingAccount(done=done, total=total):
                self._update_reading(done, total, now)
            case ChangeStarted(address=address, action=action):
                self._stage = ""
                self._in_progress[address] = f"{PROGRESS_WORDS[action]} {address.key}"
            case SetupTestsStarted(address=address):
                self._in_progress[address] = f"{PROGRESS_WORDS[Action.VERIFY]} {address.key}"
            case RecoveringCreate(address=address):
                self._in_progress[address] = f"looking for {address.key} after a lost response"
            case ChangeFinished(outcome=outcome):
                self._count_end(outcome, now)
            case AwaitingObjects(names=names, seconds=seconds):
                text = f"waiting for {names[0]}{_count_others(names)}, at most"
                self._waits[AwaitingObjects] = WaitWords(text, now + seconds)
            case ConvergenceCheck(total=total):
                self._stage = f"planning {format_count(total, 'change')} again"

    def _update_reading(self, done: int, total: int, now: float) -> None:
        if self._has_changes:  # the check at the end reads destinations too, and the changes remain the count
            return
        self._stage = "reading destinations" if done < total else "destinations read"
        if done == 0 or self._estimate is None:
            self._count_from(done, total, now)
        else:
            self._estimate.add_ends(max(0, done - self._done), now)
            self._done = done

    def _count_from(self, done: int, total: int, now: float) -> None:
        self._done, self._total = done, total
        self._estimate = TimeEstimate(total - done, now)

    def _count_end(self, outcome: Outcome, now: float) -> None:
        self._in_progress.pop(outcome.address, None)
        if outcome.status.is_untried:
            if self._estimate is not None:
                self._estimate.remove_items(1)
            return
        self._done += 1
        if self._estimate is not None:
            self._estimate.add_ends(1, now)

    def _describe_activity(self, now: float) -> str:
        waits = [
            wait for wait in (*self._waits.values(), self._pause) if wait is not None and wait.until > now
        ]
        activities = tuple(self._in_progress.values())
        if waits:
            activity = waits[0].describe(now)
        elif activities:
            activity = activities[0] + _count_others(activities)
        else:
            activity = "" if self._is_stopping else self._stage
        if self._is_stopping:
            return f"stopping: {activity}" if activity else "stopping"
        return activity


def describe_waiting(call: AwaitingAnswer) -> str:
    """Describe the call that a run waits for."""
    return f"waiting for the answer to {call.method} {call.path} since {call.since:%H:%M:%S} UTC"


def _count_others(items: Collection[str]) -> str:
    return f" and {len(items) - 1:,} more" if len(items) > 1 else ""


def _round(seconds: float) -> int:
    """Round an estimate to what it can promise: to 5 s, from a minute on to 10 s, from ten minutes on to a minute."""
    step = 5 if seconds < 60 else 10 if seconds < 600 else 60
    return max(step, round(seconds / step) * step)
