"""Test the document store on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.emulator.store import Kind, Store, UnusableDatabaseError


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(":memory:")
    yield made
    made.close()


def test_documents_are_listed_in_insertion_order(store: Store) -> None:
    for name in ("zebra", "ant", "mule"):
        store.add(Kind.GROUP, name, {"id": name})
    store.replace(Kind.GROUP, "zebra", {"id": "zebra", "new": True})
    assert [body["id"] for body in store.list_documents(Kind.GROUP)] == ["zebra", "ant", "mule"]
    assert [body["id"] for body in store.list_documents(Kind.GROUP, skip=1, limit=1)] == ["ant"]


def test_kinds_are_stored_separately(store: Store) -> None:
    store.add(Kind.GROUP, "same", {"is": "group"})
    store.add(Kind.DESTINATION, "same", {"is": "destination"})
    assert store.find(Kind.GROUP, "same") == {"is": "group"}
    assert store.remove(Kind.GROUP, "same")
    assert not store.remove(Kind.GROUP, "same")
    assert store.find(Kind.DESTINATION, "same") == {"is": "destination"}


def test_documents_are_found_by_parent_and_label(store: Store) -> None:
    store.add(Kind.CONNECTION, "a", {"id": "a"}, parent="g", label="crm")
    store.add(Kind.CONNECTION, "b", {"id": "b"}, parent="g", label="shop")
    assert [body["id"] for body in store.list_documents(Kind.CONNECTION, parent="g", label="shop")] == ["b"]
    assert store.has(Kind.CONNECTION, parent="g")
    assert not store.has(Kind.CONNECTION, parent="other")


def test_a_failed_transaction_is_rolled_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.add(Kind.GROUP, "a", {})
        assert store.increment("n") == 1
        raise ZeroDivisionError
    assert store.find(Kind.GROUP, "a") is None
    assert store.increment("n") == 1


def test_a_part_of_a_transaction_can_fail_alone(store: Store) -> None:
    with store.transaction():
        store.add(Kind.GROUP, "kept", {})
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.add(Kind.GROUP, "undone", {})
            raise ZeroDivisionError
    assert store.find(Kind.GROUP, "kept") == {}
    assert store.find(Kind.GROUP, "undone") is None


def test_a_file_keeps_the_account(tmp_path: Path) -> None:
    file = tmp_path / "account.db"
    first = Store(file)
    first.add(Kind.GROUP, "a", {"name": "ä\0"})
    first.close()
    second = Store(file)
    assert second.find(Kind.GROUP, "a") == {"name": "ä\0"}
    second.close()


def test_transactions_of_two_stores_on_one_file_are_isolated(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "account.db"), Store(tmp_path / "account.db")
    with first.transaction():
        first.add(Kind.GROUP, "a", {})
        assert second.find(Kind.GROUP, "a") is None
    assert second.find(Kind.GROUP, "a") == {}
    first.close()
    second.close()


def test_several_threads_may_open_the_same_new_file(tmp_path: Path) -> None:
    file = tmp_path / "account.db"
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store(file), range(8)))
    stores[0].add(Kind.GROUP, "a", {})
    assert all(store.find(Kind.GROUP, "a") == {} for store in stores)
    for store in stores:
        store.close()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("not a database, and long enough to be sure of it")
    for file, statement in ((other, "CREATE TABLE mine (x)"), (newer, "PRAGMA user_version = 99")):
        database = sqlite3.connect(file)
        database.execute(statement)
        database.commit()
        database.close()
    for file in (text, other, newer):
        with pytest.raises(UnusableDatabaseError, match=file.name):
            Store(file)


def test_a_database_of_the_first_release_is_upgraded(tmp_path: Path) -> None:
    """The first release kept neither the group and time of a membership nor the target of a script in the document."""
    file = tmp_path / "account.sqlite"
    old = Store(file)
    old.add(Kind.GROUP, "sales", {"id": "sales", "created_at": "2024-05-01"}, label="Sales")
    old.add(Kind.MEMBERSHIP, "sales/ada", {"user": "ada", "role": "Analyst"}, parent="sales")
    old.add(Kind.SETUP_SCRIPT, "name:Sales", {"runs": [], "always": None})
    old.close()
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 1")
    database.close()
    for _ in range(2):
        store = Store(file)
        membership = {"user": "ada", "role": "Analyst", "group": "sales", "created_at": "2024-05-01"}
        assert store.list_documents(Kind.MEMBERSHIP, parent="sales", label="ada") == [membership]
        assert store.find(Kind.SETUP_SCRIPT, "name:Sales") == {
            "runs": [],
            "always": None,
            "target": "name:Sales",
        }
        store.close()


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabaseError):
        Store(tmp_path / "nowhere" / "account.db")
