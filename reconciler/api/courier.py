"""Calls that keep to the budgets and are repeated where that is safe: the sender of real runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from reconciler.api.errors import ApiError, Exchange, RateLimited, Withdrawn
from reconciler.api.limiter import PAID, Admission, Budget, Limiter
from reconciler.api.retry import PATIENT, Persistence, Trial, reason
from reconciler.api.transport import Answer, Patience, Request, Transport
from reconciler.model.clock import Clock
from reconciler.model.event import CallRepeated, Listener, ignore


class Courier:
    """A `Sender` over a transport. One for all threads of a run, and safe to share between them.

    Once `cancelled` is set, nothing is sent any more: a call that waits, for its turn or for another attempt,
    ends at once. One that is on its way is waited for. `told` is called from whichever thread sends, so it
    must be safe for that.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        *,
        cancelled: threading.Event,
        told: Listener = ignore,
        budget: Budget = PAID,
        persistence: Persistence = PATIENT,
    ) -> None:
        self.limiter = Limiter(clock, cancelled=cancelled, budget=budget, told=told)
        self._transport = transport
        self._clock = clock
        self._cancelled = cancelled
        self._told = told
        self._persistence = persistence
        self._lock = threading.Lock()
        self._repeated = 0

    @property
    def requests_sent(self) -> int:
        """How many requests left, whatever became of them."""
        return self._transport.requests_sent

    @property
    def repeated(self) -> int:
        """How many of them were repeats."""
        with self._lock:
            return self._repeated

    def server_now(self) -> datetime | None:
        """The time at the server; None where no answer has told it."""
        return self._transport.server_clock.now()

    def send(self, request: Request) -> Answer:
        """Send a request, again and again where the retry matrix allows it, and return its answer.

        Raises the `ApiError` of the last attempt; it may have taken effect if any attempt may. Raises
        `Withdrawn` where the run ended before the first attempt, and `RateLimited` where Fivetran has asked
        for a pause that is too long to sit out.
        """
        trial = Trial(request, self._persistence, self._clock)
        return trial.run(lambda: self._attempt(trial), before_wait=self._announce, wait=self._rest)

    def _attempt(self, trial: Trial) -> Answer:
        """Send once, when it is this call's turn."""
        self._await_turn(trial)
        trial.begin_attempt()
        if trial.last is not None:
            with self._lock:
                self._repeated += 1
        try:
            answer = self._transport.send(trial.request)
        except ApiError as error:
            self.limiter.hear(error.exchange.remaining)
            if isinstance(error, RateLimited):
                self.limiter.pause(error.retry_after or 0.0)
            trial.note(error)
            if self._cancelled.is_set():
                trial.end()
            raise
        self.limiter.hear(answer.exchange.remaining)
        return answer

    def _await_turn(self, trial: Trial) -> None:
        """Return when the call may leave. Raises what it ends in where that will not be."""
        is_test = trial.request.patience is Patience.SETUP_TESTS
        admission = self.limiter.admit(is_test=is_test, patience=trial.left)
        if admission is Admission.GRANTED:
            return
        trial.end()
        if trial.last is not None:
            raise trial.last
        raise self._unsent(trial.request, admission)

    def _unsent(self, request: Request, admission: Admission) -> ApiError:
        exchange = Exchange(request.method, request.path)
        if admission is Admission.CANCELLED:
            return Withdrawn(replace(exchange, message="the run is ending"))
        seconds = self.limiter.pause_left
        message = f"it asked for a pause that goes on for {seconds:.0f} s"
        return RateLimited(replace(exchange, message=message, retry_after=seconds))

    def _announce(self, error: ApiError, number: int, seconds: float) -> None:
        if isinstance(error, RateLimited):
            self.limiter.pause(seconds)  # also where Fivetran did not say for how long
        self._told(CallRepeated(error.method, error.path, reason(error), number, seconds))

    def _rest(self, seconds: float) -> None:
        self._clock.wait(self._cancelled, seconds)
