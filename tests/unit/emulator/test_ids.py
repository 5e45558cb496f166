"""Test the generated ids of two words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from werkzeug.test import Client

from reconciler.emulator import account as account_module
from reconciler.emulator.app import create_app
from reconciler.emulator.ids import WORDS, generate_id


def get_noon() -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_words_are_plain_and_unique() -> None:
    assert len(set(WORDS)) == len(WORDS) > 300
    assert all(re.fullmatch("[a-z]+", word) for word in WORDS)


def test_an_id_depends_on_its_source_alone() -> None:
    assert generate_id(1, "a") == generate_id(1, "a")
    assert len({generate_id(seed, "a") for seed in range(1_000)}) > 950


def test_an_id_never_repeats_a_word() -> None:
    assert all(len(set(generate_id(number).split("_"))) == 2 for number in range(5_000))


def test_ten_thousand_groups_have_ten_thousand_ids() -> None:
    dashboard = create_app(clock=get_noon).dashboard
    assert len({dashboard.add_group(f"g{number}") for number in range(10_000)}) == 10_000


def test_another_seed_gives_other_ids() -> None:
    ids = {create_app(clock=get_noon, seed=seed).dashboard.add_group("a") for seed in range(20)}
    assert len(ids) == 20


def test_an_account_without_free_ids_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = create_app(clock=get_noon).dashboard
    monkeypatch.setattr(account_module, "generate_id", lambda *_: "same_pair")
    dashboard.add_group("a")
    with pytest.raises(RuntimeError, match="no id is left"):
        dashboard.add_group("b")


def test_a_file_keeps_the_account_and_continues_its_ids(tmp_path: Path) -> None:
    file = tmp_path / "account.db"
    first = create_app(file, clock=get_noon, seed=1)
    ids = [first.dashboard.add_group(name) for name in "abc"]
    identity = first.dashboard.identity
    first.close()
    second = create_app(file, clock=get_noon, seed=1)
    assert second.dashboard.identity == identity
    assert second.dashboard.add_group("d") not in ids
    items = Client(second).get("/v1/groups", headers={"Authorization": "Basic YTpi"}).json["data"]["items"]
    assert [group["name"] for group in items] == list("abcd")
    second.close()
