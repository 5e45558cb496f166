"""Set the number of examples of property tests, without a time limit for an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from long_runs import small_and_large


def disable_deadlines() -> None:
    """Disable the deadline of all examples, which a busy machine would exceed."""
    settings.register_profile("without deadlines", deadline=None)
    settings.load_profile("without deadlines")


def fixed_examples(count: int) -> settings:
    """Return settings with `count` examples, the same in every run.

    Failures are not shrunk, which could take minutes: the examples are small.
    """
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def check_examples(
    *strategies: SearchStrategy[Any], few: int, many: int, **named: SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Decorate a property test: `few` fixed examples in a usual run, `many` by `-m long`.

    `strategies` and `named` are those of `given`.
    """

    def decorate(check: Callable[..., None]) -> Callable[[int], None]:
        @small_and_large("examples", few, many)
        def test(examples: int) -> None:
            fixed_examples(examples)(given(*strategies, **named)(check))()

        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(test, name, getattr(check, name))
        return test

    return decorate
