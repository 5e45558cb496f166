"""Define the values of variables that an operator gives for one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.variable_mark import NAME

NAME_ADVICE = "a name has letters, digits and `_`, a letter or `_` first"


@dataclass(frozen=True, slots=True)
class GivenVariables:
    """Values of `--var` by name, as texts.

    `code` is the diagnostic code of a value that cannot be used. With `is_lenient` variables cause no findings: a value
    may be unused, and a variable undefined.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    code: str = "bad-var-option"
    is_lenient: bool = False

    def make_lenient(self) -> GivenVariables:
        """Return the same values for specs that need not define or use them, such as specs of another revision."""
        return replace(self, is_lenient=True)


NO_VARIABLES = GivenVariables()


def is_variable_name(text: str) -> bool:
    """Return whether a variable can have this name."""
    return re.fullmatch(NAME, text) is not None
