"""Validate the `timeouts` block of a project file: the seconds that calls to Fivetran may take."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from reconciler.spec.schema import StrictModel

MAX_TIMEOUT = 3600

_Seconds: TypeAlias = Annotated[int, Field(ge=1, le=MAX_TIMEOUT)]


class TimeoutRules(StrictModel):
    """Hold timeouts in whole seconds.

    A timeout that is longer than the call that it is part of is an error: it would never have an effect. The default of
    a part is no such error, so `call: 30` alone shortens all parts.
    """

    call: _Seconds = Field(
        120,
        description="Seconds that one call may take in total, with all its repeats and the waits between.",
    )
    setup_tests: _Seconds = Field(
        900,
        description="Seconds that a call with setup tests may take in total, in place of `call` and `read`.",
    )
    connect: _Seconds = Field(10, description="Seconds to connect to one address.")
    read: _Seconds = Field(60, description="Seconds of silence after which an answer counts as lost.")

    @field_validator("connect", "read")
    @classmethod
    def _check_part(cls, seconds: int, info: ValidationInfo) -> int:
        for whole in ("call", "setup_tests") if info.field_name == "connect" else ("call",):
            longest = info.data.get(whole, MAX_TIMEOUT)  # a whole that is invalid has an error of its own
            if seconds > longest:
                raise PydanticCustomError(
                    "wrong-shape",
                    "`{part}` is longer than `{whole}`, which is {longest} seconds",
                    {
                        "part": info.field_name,
                        "whole": whole,
                        "longest": longest,
                        "help": f"write at most `{info.field_name}: {longest}`, or raise `{whole}`",
                    },
                )
        return seconds
