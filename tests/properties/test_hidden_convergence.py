"""Promise 1 for fields that the catalogue does not describe: a second plan is empty, whatever the API shows of them."""

from __future__ import annotations

from typing import Any

import pytest
from client_switches import SETTINGS
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Change, Visibility
from reconciler.model.record import HIDDEN_LITERAL

CANARY = "canary"
PAIR = "destination.pair"


def lake(words: str) -> dict[str, Any]:
    return {
        "service": "managed_data_lake",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": {
            "storage_provider": "AWS",
            "bucket": "lake",
            "region": "us-east-1",
            "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
            **unknown(words),
        },
        "extra_config": {"zz_extra": f"{CANARY} {words}", "port": 443, "http_path": f"{CANARY} {words}"},
        "setup_tests": {"run": False},
    }


def click(words: str) -> dict[str, Any]:
    config = {"host": f"{CANARY} {words}", "some_token": {"value": f"env:{words.upper()}"}, **unknown(words)}
    return {
        "service": "clickhouse",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": config,
        "setup_tests": {"run": False},
    }


def unknown(words: str) -> dict[str, Any]:
    return {
        "zz_plain": f"{CANARY} {words}",
        "zz_number": len(words),
        "zz_truth": words == "first",
        "zz_empty": "",
        "zz_none": None,
        "zz_nested": {"zz_inner": [f"{CANARY} {words}", {"zz_deep": words}]},
        "zz_list": [],
    }


BLOCKS = pytest.mark.parametrize("block", [lake, click])
DROPPED = {"unknown_config": "dropped"}


def declare(account: InProcessProject, block: Any, words: str) -> None:
    account.secrets |= {"FIRST": f"{CANARY} of first", "SECOND": f"{CANARY} of second"}
    account.declare({"pair": {"destination": block(words)}})


def is_settled(account: InProcessProject) -> bool:
    return set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def change(account: InProcessProject) -> Change:
    return next(each for each in account.plan().plan.changes if str(each.address) == PAIR)


@pytest.mark.sampled(every=9)
@BLOCKS
@pytest.mark.parametrize(
    ("switch", "value"),
    [(name, value) for name, values in SETTINGS.items() for value in values] + [*DROPPED.items()],
)
def test_an_apply_leaves_nothing_to_do_under_any_switch(block: Any, switch: str, value: str) -> None:
    with open_project(**{switch: value}) as account:
        for words in ("first", "second"):
            declare(account, block, words)
            assert account.apply() != []
            assert is_settled(account)
            assert account.apply() == []
        assert CANARY not in account.state_text
        account.lose_state()
        assert account.apply() == [] or switch in DROPPED
        assert is_settled(account)
        assert CANARY not in account.state_text


@pytest.mark.parametrize("has_key", [True, False])
def test_what_no_answer_shows_is_compared_by_its_fingerprint(has_key: bool) -> None:
    with open_project(**DROPPED) as account:
        declare(account, lake, "first")
        account.apply()
        if not has_key:
            account.lose_key()
        declare(account, lake, "second")
        edited = change(account)
        changed = {each.path[1] for each in edited.fields}
        assert ("zz_plain" in changed, "zz_nested" in changed) == (has_key, has_key)
        assert (("config", "zz_plain") in edited.uncomparable) is not has_key
        assert {each.shown for each in edited.fields if each.path[1].startswith("zz")} <= {Visibility.HIDDEN}
        account.apply()
        assert is_settled(account)
        assert has_key or HIDDEN_LITERAL in account.state_text


def test_a_mask_is_compared_by_the_fingerprint_of_the_value_behind_it() -> None:
    """A partner's service hides what sounds secret, also where the specs let plans show it."""
    with open_project() as account:
        declare(account, click, "first")
        account.apply()
        account.secrets["FIRST"] = f"{CANARY} of another day"
        assert [each.path for each in change(account).fields] == [("config", "some_token")]
        assert len(account.apply()) == 1
        assert is_settled(account)
        account.lose_state()
        account.secrets["FIRST"] = f"{CANARY} of a third day"
        assert ("config", "some_token") in change(account).uncomparable, "nothing is known after an adoption"
        assert account.apply() == []
        assert ("config", "some_token") in change(account).uncomparable
