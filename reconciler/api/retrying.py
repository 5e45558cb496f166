"""Send the requests of real runs: within the budgets, and repeated if a repeat is safe."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from reconciler.api.errors import ApiError, BudgetSpent, Cancelled, Exchange, RateLimited
from reconciler.api.in_flight import InFlightLimit
from reconciler.api.limiter import PAID_ACCOUNT, AcquireResult, Limiter
from reconciler.api.retry import DEFAULT, RetryPolicy, RetryState, get_diagnostic_code
from reconciler.api.transport import Request, Response, TimeoutClass, Transport
from reconciler.model.budget import Budget
from reconciler.model.clock import Clock
from reconciler.model.event import Listener, RequestRetried, ignore_event


class RetryingSender:
    """`Sender` over a transport. One sender serves all threads of a run, and is safe to share.

    Once `cancelled` is set, nothing is sent any more: a call that waits, for its turn or for another attempt,
    ends at once. A request on its way is waited for. `listener` is called from any thread that sends. `max_requests`
    is the number of requests of the whole run, retries included; None for any number.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        *,
        cancelled: threading.Event,
        listener: Listener = ignore_event,
        budget: Budget = PAID_ACCOUNT,
        retry_policy: RetryPolicy = DEFAULT,
        max_requests: int | None = None,
    ) -> None:
        self.limiter = Limiter(
            clock, cancelled=cancelled, budget=budget, listener=listener, max_requests=max_requests
        )
        self.reads = InFlightLimit(cancelled)
        self._transport = transport
        self._clock = clock
        self._cancelled = cancelled
        self._listener = listener
        self._retry_policy = retry_policy
        self._lock = threading.Lock()
        self._retry_count = 0

    @property
    def requests_sent(self) -> int:
        """Number of requests that left, with any outcome."""
        return self._transport.requests_sent

    @property
    def retry_count(self) -> int:
        """Number of repeated requests among the sent requests."""
        with self._lock:
            return self._retry_count

    def get_server_time(self) -> datetime | None:
        """Get the time at the server; None before the first answer with a date."""
        return self._transport.server_clock.now()

    def report_slow_calls(self) -> None:
        """Report the calls that have waited long for their answers. To be called often, by any thread."""
        for report in self._transport.call_watch.take_reports():
            self._listener(report)

    def send(self, request: Request) -> Response:
        """Send a request, as often as the retry matrix allows, and return its answer.

        Raises the `ApiError` of the last attempt; it is ambiguous if any attempt was. Raises `Cancelled` if the run
        ended before the first attempt, `RateLimited` if Fivetran has asked for a pause that is too long to sit out, and
        `BudgetSpent` if the run may send no more requests.
        """
        budget = self._transport.get_budget(request)
        retry_state = RetryState(request, self._retry_policy, self._clock, budget)
        while True:
            try:
                return self._attempt_in_turn(retry_state)
            except ApiError as error:
                seconds = retry_state.compute_wait(error)
                if seconds is None or self.limiter.is_spent:
                    raise
                self._announce_retry(error, retry_state.attempts + 1, seconds)
            self._clock.wait(self._cancelled, seconds)

    def _attempt_in_turn(self, retry_state: RetryState) -> Response:
        """Send a request once; a read only while not too many others are in flight."""
        if retry_state.request.method != "GET":
            return self._attempt(retry_state)
        # The slot comes first: a pause that begins while this read waits for a slot holds for it too.
        with self.reads.hold_slot() as token:
            try:
                response = self._attempt(retry_state)
            except RateLimited:
                self.reads.halve(token)
                raise
            self.reads.count_success()
            return response

    def _attempt(self, retry_state: RetryState) -> Response:
        """Send a request once, at the turn of its call."""
        self._await_turn(retry_state)
        retry_state.begin_attempt()
        if retry_state.last_error is not None:
            with self._lock:
                self._retry_count += 1
        try:
            response = self._transport.send(retry_state.request, retry_state.remaining_budget)
        except ApiError as error:
            self.limiter.observe_remaining(error.exchange.remaining)
            if isinstance(error, RateLimited):
                self.limiter.pause(error.retry_after or 0.0)
            retry_state.record_failure(error)
            if self._cancelled.is_set():
                retry_state.stop()
            raise
        self.limiter.observe_remaining(response.exchange.remaining)
        return response

    def _await_turn(self, retry_state: RetryState) -> None:
        """Wait until the request may leave. Raises the final error of the call if it may not leave any more."""
        is_test = retry_state.request.timeout_class is TimeoutClass.SETUP_TESTS
        result = self.limiter.acquire(is_test=is_test, max_pause=retry_state.remaining_seconds)
        if result is AcquireResult.GRANTED:
            return
        retry_state.stop()
        if retry_state.last_error is not None:
            raise retry_state.last_error
        raise self._build_unsent_error(retry_state.request, result)

    def _build_unsent_error(self, request: Request, result: AcquireResult) -> ApiError:
        exchange = Exchange(request.method, request.path)
        if result is AcquireResult.CANCELLED:
            return Cancelled(replace(exchange, message="the run is ending"))
        if result is AcquireResult.SPENT:
            return BudgetSpent(replace(exchange, message="the run has sent all requests that it may send"))
        seconds = self.limiter.pause_remaining
        message = f"it asked for a pause, which lasts {seconds:.0f} s more"
        return RateLimited(replace(exchange, message=message, retry_after=seconds))

    def _announce_retry(self, error: ApiError, attempt: int, seconds: float) -> None:
        if isinstance(error, RateLimited):
            self.limiter.pause(seconds)  # even if Fivetran named no time
        self._listener(RequestRetried(error.method, error.path, get_diagnostic_code(error), attempt, seconds))
