"""Order the lines of ended changes: as in the plan, whichever ends first."""

from __future__ import annotations

from collections import deque

from reconciler.model.address import Address
from reconciler.model.outcome import Outcome
from reconciler.report.apply import measure_addresses, render_outcome, render_untried
from reconciler.report.style import StyledText


class ResultLines:
    """Lines of the changes of a plan with these addresses, in columns. An early result waits for those before it.

    Changes that were not started come last, since a line may stand for many of them; with `names_all` each has a line
    in its place.
    """

    def __init__(self, addresses: tuple[Address, ...] = (), *, names_all: bool = False) -> None:
        self._width = measure_addresses(addresses)
        self._names_all = names_all
        self._expected = set(addresses)
        self._pending = deque(addresses)
        self._ended: dict[Address, Outcome] = {}
        self._untried: list[Outcome] = []

    def add(self, outcome: Outcome) -> list[StyledText]:
        """Add the end of a change. Returns the lines whose turn it is now; a change outside the plan comes at once."""
        if outcome.address not in self._expected:
            return [render_outcome(outcome, self._width)]
        self._ended[outcome.address] = outcome
        lines: list[StyledText] = []
        while self._pending and self._pending[0] in self._ended:
            ready = self._ended[self._pending.popleft()]
            if ready.status.is_untried and not self._names_all:
                self._untried.append(ready)
            else:
                lines.append(render_outcome(ready, self._width))
        return lines if self._pending else [*lines, *self._take_untried()]

    def _take_untried(self) -> list[StyledText]:
        untried, self._untried = self._untried, []
        return render_untried(untried, self._width)
