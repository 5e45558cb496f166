"""Threads that ask, in the middle of their work, whether they may go on."""

from __future__ import annotations

import threading

import pytest

from reconciler.model.address import Address
from reconciler.runtime.workers import WorkerPool

ORDERS = Address("group", "orders")
PATIENCE = 20.0


@pytest.mark.parametrize("answer", [True, False])
def test_the_thread_that_asks_gets_the_answer_of_the_one_that_leads(answer: bool) -> None:
    asked: list[tuple[Address, int]] = []

    def may_go_on(address: Address) -> bool:
        asked.append((address, threading.get_ident()))
        return answer

    with WorkerPool(1, may_go_on) as crew:
        crew.start(ORDERS, lambda: crew.request_permission(ORDERS))
        assert crew.next_result(PATIENCE) is None, "a question is no piece of work that is done"
        assert not crew.has_capacity
        finished = crew.next_result(PATIENCE)
    assert finished is not None
    assert finished.result is answer
    assert asked == [(ORDERS, threading.get_ident())]


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_asks_when_the_crew_is_left_may_not_go_on(when: str) -> None:
    asks, left, answers = threading.Event(), threading.Event(), []

    def work() -> None:
        if when == "after":
            assert left.wait(PATIENCE)
        asks.set()
        answers.append(crew.request_permission(ORDERS))
        done.set()

    done = threading.Event()
    with WorkerPool(1) as crew:
        crew.start(ORDERS, work)
        assert when == "after" or asks.wait(PATIENCE)
    left.set()
    assert done.wait(PATIENCE)
    assert answers == [False]


def test_who_asks_somebody_that_dies_of_it_may_not_go_on() -> None:
    answers: list[bool] = []
    done = threading.Event()

    def dies(address: Address) -> bool:
        raise KeyboardInterrupt

    def work() -> None:
        answers.append(crew.request_permission(ORDERS))
        done.set()

    with WorkerPool(1, dies) as crew:
        crew.start(ORDERS, work)
        with pytest.raises(KeyboardInterrupt):
            crew.next_result(PATIENCE)
        assert done.wait(PATIENCE)
    assert answers == [False]
