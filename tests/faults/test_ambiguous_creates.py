"""Check that a create without an answer leads to a search and never to a second create (S-04 to S-06)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from cli_harness import SETTLE_TIME
from in_process_harness import InProcessProject, list_actions, open_project
from scenarios import BIG_QUERY

from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.emulator.app import Emulator
from reconciler.emulator.fault_text import parse_fault
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action

pytestmark = pytest.mark.sampled(every=6)

NO_ANSWER = (
    "reset",
    "close",
    "hang 1",
    "garbage",
    "tls-garbage",
    "status 500",
    "status 502",
    "status 502 body=text",
    "status 503",
    "status 503 retry-after=1",
    "status 504",
    "status 520",
    "status 524",
)
"""Faults in place of an answer, before or after the effect of the request."""
SPOILED = (
    "mid-headers reset",
    "mid-headers close",
    "mid-body reset",
    "mid-body close",
    "mid-body truncate",
    "mid-body drip 1000 seconds=0.01",
    "error-code",
    "error-code NotFound_Group",
    "not-json",
    "empty-body",
    "wrong-types",
    "duplicate-keys",
)
"""Faults that spoil an answer after the effect of the request."""
LOST = (*(f"after-effect {kind}" for kind in NO_ANSWER), *SPOILED)
NEVER_DONE = tuple(f"before-effect {kind}" for kind in NO_ANSWER)

PATHS = {"group": "/v1/groups", "destination": "/v1/destinations"}
READ_BY = {"group": "/v1/groups", "destination": "/v1/destinations/*"}
"""Paths of the reads that find a created object."""
STALE_READS = (0, 1, 5)

KEYS = ("finance", "sales")
"""Keys of the entries to create."""
ENTRIES: Mapping[str, Any] = {
    "finance": {"name": "Finance", "destination": BIG_QUERY},
    "sales": {"name": "Sales", "destination": BIG_QUERY},
}
OTHER_NAMES = ("finance", "FINANCE", " Finance", "Finance ", "Fin ance", "sales", "SALES", "Sales\u00a0")


@contextmanager
def open_account_with_namesakes(*faults: str) -> Iterator[InProcessProject]:
    """Open an account with namesakes, and declare two pairs to create.

    One namesake has exactly the name `Finance`; another entry owns that group by `id:` and renames it. The names of the
    other namesakes differ in case and spaces only.
    """
    with open_project() as account:
        dashboard = account.app.dashboard
        namesake = dashboard.add_group("Finance")
        for name in OTHER_NAMES:
            dashboard.add_group(name)
        account.declare({**ENTRIES, "ledger": {"id": namesake, "name": "Ledger"}})
        account.app.faults.add(*map(parse_fault, faults))
        yield account


def count_created(account: InProcessProject) -> Counter[str]:
    """Count created objects by label: `group Finance`, `destination of Finance`."""
    count: Counter[str] = Counter()
    names: dict[str, str] = {}
    for exchange in account.history:
        for effect in exchange.effects:
            if (effect.verb, effect.kind) == ("created", "group"):
                names[effect.id] = exchange.body["name"]
                count[f"group {names[effect.id]}"] += 1
            elif (effect.verb, effect.kind) == ("created", "destination"):
                count[f"destination of {names.get(effect.id, 'another group')}"] += 1
    return count


ALL_ONCE = Counter(
    {f"{what} {name}": 1 for what in ("group", "destination of") for name in ("Finance", "Sales")}
)


def count_create_requests(account: InProcessProject, path: str) -> int:
    """Count the create requests to this path."""
    own = (each for each in account.history if not each.effect_of)
    return sum((each.method, each.path) == ("POST", path) for each in own)


def list_create_outcomes(outcomes: tuple[Outcome, ...], *kinds: str) -> list[Outcome]:
    """List the outcomes of the creates of these kinds."""
    return [
        each for each in outcomes if each.action is Action.CREATE and each.address.kind in (kinds or PATHS)
    ]


def check_settled(account: InProcessProject) -> None:
    """Check that each object exists once and that a plan is empty."""
    account.app.faults.clear()
    assert count_created(account) == ALL_ONCE
    assert account.apply() == []
    assert set(list_actions(account.plan()).values()) == {Action.NO_OP}
    assert count_created(account) == ALL_ONCE


def test_the_matrix_covers_at_least_200_creates() -> None:
    assert len(LOST) * len(PATHS) * len(STALE_READS) * len(KEYS) >= 200


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("lost", LOST)
def test_a_create_with_a_lost_answer_is_recovered_and_not_repeated(lost: str, kind: str) -> None:
    for reads in STALE_READS:
        stale = [f"GET {READ_BY[kind]} stale {reads}"] if reads else []
        with open_account_with_namesakes(f"POST {PATHS[kind]} {lost}", *stale) as account:
            applied = account.attempt()
            assert applied is not None
            assert {each.status for each in applied.outcomes} == {Status.DONE}
            faulty_entries = [
                each for each in account.history if each.fault.startswith(f"POST {PATHS[kind]}")
            ]
            assert len(faulty_entries) == len(KEYS)
            assert count_create_requests(account, PATHS[kind]) == len(KEYS), "sent again without need"
            assert all(
                each.recovered == (each.address.kind == kind)
                for each in list_create_outcomes(applied.outcomes)
            )
            assert count_created(account) == ALL_ONCE
            check_settled(account)


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("never", NEVER_DONE)
def test_a_create_without_effect_is_repeated_after_the_settle_time(never: str, kind: str) -> None:
    """Neither the same run nor any run before the settle time repeats the create."""
    with open_account_with_namesakes(f"POST {PATHS[kind]} #1 {never}") as account:
        applied = account.attempt()
        assert applied is not None
        statuses = Counter(each.status for each in list_create_outcomes(applied.outcomes, kind))
        assert statuses == {Status.UNKNOWN: 1, Status.DONE: 1}
        account.app.faults.clear()
        for pause in (0.0, 5.0, 840.0):
            account.clock.sleep(pause)
            applied = account.attempt()
            assert applied is not None
            [held] = [each for each in applied.outcomes if each.status is Status.HELD]
            assert (held.address.kind, held.action) == (kind, Action.CREATE)
            assert [each.code for each in held.diagnostics] == ["create-unsettled"]
            assert count_create_requests(account, PATHS[kind]) == len(KEYS)
        account.clock.sleep(SETTLE_TIME.total_seconds())
        account.apply()
        assert count_create_requests(account, PATHS[kind]) == len(KEYS) + 1
        check_settled(account)


@pytest.mark.parametrize("lost", ("after-effect reset", "after-effect status 502", "mid-body truncate"))
def test_a_repeated_create_with_a_lost_answer_is_recovered(lost: str) -> None:
    for kind, path in PATHS.items():
        with open_account_with_namesakes(
            f"POST {path} #1 before-effect reset", f"POST {path} #2.. {lost}"
        ) as account:
            account.attempt()
            account.clock.sleep(SETTLE_TIME.total_seconds())
            applied = account.attempt()
            assert applied is not None
            assert {each.status for each in applied.outcomes} == {Status.DONE}, kind
            assert count_create_requests(account, path) == len(KEYS) + 1
            check_settled(account)


def test_a_create_answer_with_the_id_of_another_group_duplicates_nothing() -> None:
    """Refuse the next plan with the ids of the groups that have the names (S-13).

    Nothing in the answer to the create shows that its id is wrong.
    """
    with open_account_with_namesakes("POST /v1/groups other-id") as account:
        applied = account.attempt()
        assert applied is not None
        account.app.faults.clear()
        assert account.attempt() is None
        assert account.planned is not None
        findings = account.planned.plan.blockers
        assert {each.code for each in findings} == {"gone-or-hidden"}
        entries = {**ENTRIES, "ledger": {"name": "Ledger"}}
        for each in findings:
            assert each.address is not None
            [_, taking, *_] = each.notes
            entries[each.address.key] = {**entries[each.address.key], "id": taking.split("`")[1]}
        account.declare(entries)
        account.attempt()
        check_settled(account)


def test_a_create_answer_with_the_id_of_another_destination_is_ignored() -> None:
    with open_account_with_namesakes("POST /v1/destinations other-id") as account:
        applied = account.attempt()
        assert applied is not None
        assert all(each.recovered for each in list_create_outcomes(applied.outcomes, "destination"))
        check_settled(account)


class RivalAdapter(WsgiAdapter):
    """Adapter that loses the answer to a create of a group while another client creates a group of that name."""

    def __init__(self, app: Emulator) -> None:
        super().__init__(app)
        self._emulator = app

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer = super().send(request, **options)
        if (
            request.method == "POST"
            and request.path_url == "/v1/groups"
            and b"Finance" in (request.body or b"")
        ):
            self._emulator.dashboard.add_group("Finance")
            raise requests.ConnectionError
        return answer


def test_several_candidates_for_a_lost_create_are_refused_as_ambiguous() -> None:
    with open_account_with_namesakes() as account:
        account.adapter_factory = RivalAdapter
        applied = account.attempt()
        assert applied is not None
        ended = {str(each.address): each for each in applied.outcomes}
        assert {address: each.status for address, each in ended.items()} == {
            "group.finance": Status.UNKNOWN,
            "destination.finance": Status.SKIPPED,
            "group.ledger": Status.DONE,
            "group.sales": Status.DONE,
            "destination.sales": Status.DONE,
        }
        candidates = account.app.dashboard.find_group_ids("Finance")
        assert len(candidates) == 2
        [diagnostic] = ended["group.finance"].diagnostics
        assert diagnostic.code == "ambiguous-name"
        assert all(id in diagnostic.notes[0] for id in candidates)
        assert count_create_requests(account, "/v1/groups") == len(KEYS)

        account.adapter_factory = WsgiAdapter
        before = len(account.history)
        assert account.attempt() is None  # the next run does not guess between the candidates either
        assert account.planned is not None
        assert [each.code for each in account.planned.plan.blockers] == ["ambiguous-name"]
        assert {each.method for each in account.history[before:]} == {"GET"}

        account.declare(
            {**ENTRIES, "finance": {**ENTRIES["finance"], "id": candidates[1]}, "ledger": {"name": "Ledger"}}
        )
        account.apply()
        assert count_create_requests(account, "/v1/groups") == len(KEYS)
        assert account.apply() == []


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("reads", range(6))
@pytest.mark.parametrize(
    "path", ("/v1/groups", "/v1/groups/*", "/v1/destinations", "/v1/destinations/*", "*")
)
def test_stale_reads_cause_no_second_create(path: str, reads: int) -> None:
    with open_account_with_namesakes(*([f"GET {path} stale {reads}"] if reads else [])) as account:
        account.attempt()
        assert count_created(account) == ALL_ONCE
        account.attempt()  # the reads are still stale, because nothing was written in between
        assert count_created(account) == ALL_ONCE
        check_settled(account)


@pytest.mark.parametrize("reads", range(1, 6))
def test_stale_reads_after_lost_answers_cause_no_second_create(reads: int) -> None:
    """Every read is stale, and every create is without an answer."""
    with open_account_with_namesakes(
        "POST /v1/groups after-effect reset", "POST /v1/destinations after-effect reset"
    ) as account:
        account.parallelism = 1  # other workers would consume the stale reads
        account.app.faults.add(parse_fault(f"GET * stale {reads}"))
        for _ in range(2):
            account.attempt()
            assert all(count == 1 for count in count_created(account).values())
        check_settled(account)
