"""Create accounts for contract tests, and check that no account answers 500."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from emulated_account import EmulatedAccount


@pytest.fixture
def account_with() -> Iterator[Callable[..., EmulatedAccount]]:
    """Return a function that creates an account with these switches."""
    accounts: list[EmulatedAccount] = []

    def make(**behaviour: Any) -> EmulatedAccount:
        accounts.append(EmulatedAccount(**behaviour))
        return accounts[-1]

    yield make
    for account in accounts:
        assert account.list_failures() == []
        account.emulator.close()


@pytest.fixture
def account(account_with: Callable[..., EmulatedAccount]) -> EmulatedAccount:
    """Create an account with default switches."""
    return account_with()
