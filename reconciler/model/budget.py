"""Define the budget of requests of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Budget:
    """Numbers of calls that the account may make. The defaults are the limits of a paid account."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    requests_per_hour: Annotated[
        int, Field(strict=True, ge=1, description="Calls within any hour. A trial account has 500.")
    ] = 20_000
    setup_tests_per_minute: Annotated[
        int,
        Field(
            strict=True, ge=1, description="Runs of setup tests within any minute. A trial account has 25."
        ),
    ] = 250
    setup_tests_per_hour: Annotated[
        int,
        Field(strict=True, ge=1, description="Runs of setup tests within any hour. A trial account has 50."),
    ] = 2_500

    def __post_init__(self) -> None:
        if min(self.requests_per_hour, self.setup_tests_per_minute, self.setup_tests_per_hour) < 1:
            raise ValueError("a budget allows at least one call")
