"""Parametrise a test for both runs: small in the usual run, large by `-m long`."""

from __future__ import annotations

from typing import Any

import pytest


def small_and_large(names: str, small: Any, large: Any) -> pytest.MarkDecorator:
    """Parametrise a test by a small amount in the usual run and a large amount in the long run.

    `names` are those of `parametrize`; for several names, an amount is a tuple.
    """
    values = large if isinstance(large, tuple) else (large,)
    return pytest.mark.parametrize(names, [small, pytest.param(*values, marks=pytest.mark.long)])
