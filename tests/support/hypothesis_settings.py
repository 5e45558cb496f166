"""Settings of the laws: always the same examples, without a time limit for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings


def fixed_examples(count: int) -> Callable[[Any], Any]:
    """A law with so many examples. A failure is not made smaller, which could take minutes: the examples are small."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
