"""Check that a second plan is empty for fields outside the catalogue, whatever the API shows of them."""

from __future__ import annotations

from typing import Any

import pytest
from client_switches import SETTINGS
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Change, Visibility
from reconciler.model.record import HIDDEN_LITERAL

CANARY = "canary"
PAIR = "destination.pair"


def build_lake(label: str) -> dict[str, Any]:
    return {
        "service": "managed_data_lake",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": {
            "storage_provider": "AWS",
            "bucket": "lake",
            "region": "us-east-1",
            "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
            **build_unknown_fields(label),
        },
        "extra_config": {"zz_extra": f"{CANARY} {label}", "port": 443, "http_path": f"{CANARY} {label}"},
        "setup_tests": {"run": False},
    }


def build_clickhouse(label: str) -> dict[str, Any]:
    config = {
        "host": f"{CANARY} {label}",
        "some_token": {"value": f"env:{label.upper()}"},
        **build_unknown_fields(label),
    }
    return {
        "service": "clickhouse",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": config,
        "setup_tests": {"run": False},
    }


def build_unknown_fields(label: str) -> dict[str, Any]:
    return {
        "zz_plain": f"{CANARY} {label}",
        "zz_number": len(label),
        "zz_truth": label == "first",
        "zz_empty": "",
        "zz_none": None,
        "zz_nested": {"zz_inner": [f"{CANARY} {label}", {"zz_deep": label}]},
        "zz_list": [],
    }


BLOCKS = pytest.mark.parametrize("block", [build_lake, build_clickhouse])
DROPPED = {"unknown_config": "dropped"}


def declare(account: InProcessProject, block: Any, label: str) -> None:
    account.secrets |= {"FIRST": f"{CANARY} of first", "SECOND": f"{CANARY} of second"}
    account.declare({"pair": {"destination": block(label)}})


def is_converged(account: InProcessProject) -> bool:
    return set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def get_change(account: InProcessProject) -> Change:
    return next(each for each in account.plan().plan.changes if str(each.address) == PAIR)


@pytest.mark.sampled(every=9)
@BLOCKS
@pytest.mark.parametrize(
    ("switch", "value"),
    [(name, value) for name, values in SETTINGS.items() for value in values] + [*DROPPED.items()],
)
def test_an_apply_with_unknown_fields_converges_under_any_switch(block: Any, switch: str, value: str) -> None:
    with open_project(**{switch: value}) as account:
        for label in ("first", "second"):
            declare(account, block, label)
            assert account.apply() != []
            assert is_converged(account)
            assert account.apply() == []
        assert CANARY not in account.state_text
        account.lose_state()
        assert account.apply() == [] or switch in DROPPED
        assert is_converged(account)
        assert CANARY not in account.state_text


@pytest.mark.parametrize("has_key", [True, False])
def test_an_unanswered_field_is_compared_by_its_fingerprint(has_key: bool) -> None:
    with open_project(**DROPPED) as account:
        declare(account, build_lake, "first")
        account.apply()
        if not has_key:
            account.lose_key()
        declare(account, build_lake, "second")
        edited = get_change(account)
        changed = {each.path[1] for each in edited.fields}
        assert ("zz_plain" in changed, "zz_nested" in changed) == (has_key, has_key)
        assert (("config", "zz_plain") in edited.uncomparable) is not has_key
        assert {each.shown for each in edited.fields if each.path[1].startswith("zz")} <= {Visibility.HIDDEN}
        account.apply()
        assert is_converged(account)
        assert has_key or HIDDEN_LITERAL in account.state_text


def test_a_masked_field_is_compared_by_its_fingerprint() -> None:
    """The service of a partner masks fields with secret names, even if the specs declare them by `value:`."""
    with open_project() as account:
        declare(account, build_clickhouse, "first")
        account.apply()
        account.secrets["FIRST"] = f"{CANARY} of another day"
        assert [each.path for each in get_change(account).fields] == [("config", "some_token")]
        assert len(account.apply()) == 1
        assert is_converged(account)
        account.lose_state()
        account.secrets["FIRST"] = f"{CANARY} of a third day"
        assert ("config", "some_token") in get_change(account).uncomparable, "an adoption has no fingerprint"
        assert account.apply() == []
        assert ("config", "some_token") in get_change(account).uncomparable
