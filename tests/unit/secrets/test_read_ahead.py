"""Test that documents are read at the same time, once in a run, and from silent stores no more than twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.model.value import Reference, Secret, UnresolvedSecret
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreTimeout

LIMIT = 10.0
"""Seconds after which a test gives up waiting for another thread."""


class SlowStore:
    """Store whose look-ups end only after `together` of them run at the same time."""

    def __init__(self, together: int = 1) -> None:
        self.read_locators: list[str] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(together)

    def read(self, reference: Reference) -> str:
        with self._lock:
            self.read_locators.append(reference.locator)
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            self._barrier.wait(LIMIT)
        finally:
            with self._lock:
                self._running -= 1
        return '{"user": "loader", "password": "canary"}'


def refer(*locators: str, part: str = "password", scheme: str = "slow") -> list[Reference]:
    return [Reference(scheme, locator, part) for locator in locators]


def make_registry(read: Callable[[Reference], str], *, skip_secrets: bool = False) -> Registry:
    return Registry({"slow": CachedDocuments(read)}, skip_secrets=skip_secrets)


def reveal(registry: Registry, reference: Reference) -> object:
    secret = registry.resolve(reference)
    assert isinstance(secret, Secret)
    return secret.reveal()


def test_documents_are_read_at_the_same_time_by_so_many_workers() -> None:
    store = SlowStore(together=3)
    registry = make_registry(store.read)
    references = refer(*"abcdef")
    registry.prefetch(references, 3)
    assert store.most == 3
    assert [reveal(registry, each) for each in references] == ["canary"] * 6
    assert sorted(store.read_locators) == list("abcdef")


def test_members_of_one_document_need_one_look_up() -> None:
    store = SlowStore()
    registry = make_registry(store.read)
    registry.prefetch([*refer("a", "b"), *refer("a", "b", part="user"), *refer("a")], 4)
    assert sorted(store.read_locators) == ["a", "b"]
    assert reveal(registry, Reference("slow", "a", "user")) == "loader"
    assert len(store.read_locators) == 2


def test_threads_that_ask_at_the_same_moment_get_one_look_up() -> None:
    store = SlowStore()
    registry = make_registry(store.read)
    start = threading.Barrier(8)

    def ask(number: int) -> object:
        start.wait(LIMIT)
        return reveal(registry, Reference("slow", "a", ("user", "password")[number % 2]))

    with ThreadPoolExecutor(8) as threads:
        values = list(threads.map(ask, range(8)))
    assert values == ["loader", "canary"] * 4
    assert store.read_locators == ["a"]


def test_secrets_that_are_skipped_are_not_read_ahead() -> None:
    store = SlowStore()
    registry = make_registry(store.read, skip_secrets=True)
    visible = Reference("slow", "b", "user", confidential=False)
    registry.prefetch([*refer("a"), visible, *refer("c", scheme="unknown")], 2)
    assert store.read_locators == ["b"]
    assert isinstance(registry.resolve(refer("a")[0]), UnresolvedSecret)


def test_a_failure_is_raised_where_the_value_is_needed() -> None:
    asked = []

    def read(reference: Reference) -> str:
        asked.append(reference.locator)
        if reference.locator == "b":
            raise SecretUnavailable(reference, "it is Sunday")
        return "canary"

    registry = make_registry(read)
    references = refer("a", "b", part="")
    registry.prefetch(references, 2)
    assert reveal(registry, references[0]) == "canary"
    with pytest.raises(SecretUnavailable, match="slow:b: it is Sunday"):
        registry.resolve(references[1])
    assert sorted(asked) == ["a", "b"]


def test_a_silent_store_is_asked_twice_and_other_stores_go_on() -> None:
    asked = []

    def stay_silent(reference: Reference) -> str:
        asked.append(reference.locator)
        raise StoreTimeout(reference, "there was no answer within 30 s")

    registry = Registry(
        {"silent": CachedDocuments(stay_silent), "other": CachedDocuments(lambda _: "canary")}
    )
    for reference in (*refer("a", "a", part="user", scheme="silent"), *refer(*"abcd", scheme="silent")):
        with pytest.raises(SecretUnavailable, match="no answer within 30 s"):
            registry.resolve(reference)
    assert asked == ["a", "b"]
    assert reveal(registry, Reference("other", "a")) == "canary"
