"""Accounts for the tests of pipelines. One process each serves all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pipelines.account_process import AccountProcess, run_account
from pipelines.github_team import ACCOUNTS


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountProcess]:
    """The production account."""
    with run_account(tmp_path_factory.mktemp("production"), ACCOUNTS["prod"]) as account:
        yield account
