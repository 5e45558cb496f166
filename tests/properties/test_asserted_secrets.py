"""Check assertions over random accounts: afterwards every secret is compared, and only its rotation is planned.

An account has secrets with and without a fingerprint. Some secrets rotate and some entries are edited before.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project

from reconciler.model.record import is_asserted
from reconciler.planning.pipeline import PlanResult

KEYS = ("finance", "lake", "orders", "sales")
FIELDS = ("private_key", "passphrase")
SETTINGS = {"asserts_secrets": True, "reason": "taken over"}


def name_variable(key: str, field: str) -> str:
    return f"{key}_{field}".upper()


def name_secret(variable: str) -> str:
    """Name a secret as `--resend-secret` does."""
    key, _, field = variable.lower().partition("_")
    return f"{key}:config.{field}"


def declare(account: InProcessProject, edited: frozenset[str] = frozenset()) -> None:
    """Declare a pair with three secrets for each key. `edited` keys have another host."""
    account.declare(
        {
            key: {
                "destination": {
                    "service": "snowflake",
                    "region": "AWS_US_EAST_1",
                    "time_zone_offset": "0",
                    "config": {
                        "host": "new.example" if key in edited else "old.example",
                        "database": "LOADED",
                        "user": "LOADER",
                        "auth": "KEY_PAIR",
                        **{field: {"secret": f"env:{name_variable(key, field)}"} for field in FIELDS},
                    },
                }
            }
            for key in KEYS
        }
    )


def add_live(account: InProcessProject, key: str) -> None:
    dashboard = account.app.dashboard
    config: dict[str, Any] = {
        "host": "old.example",
        "database": "LOADED",
        "user": "LOADER",
        "auth": "KEY_PAIR",
    }
    config |= {field: account.secrets[name_variable(key, field)] for field in FIELDS}
    dashboard.add_destination(dashboard.add_group(key), "snowflake", region="AWS_US_EAST_1", config=config)


def list_changed_secrets(planned: PlanResult | None) -> set[str]:
    """List the variables of the secrets that a plan sends."""
    assert planned is not None
    return {
        name_variable(change.address.key, path[-1])
        for change in planned.plan.changes
        for path in change.secrets.changed
    }


NAMES = [name_variable(key, field) for key in KEYS for field in FIELDS]
SETS_OF_SECRETS, SETS_OF_KEYS = st.frozensets(st.sampled_from(NAMES)), st.frozensets(st.sampled_from(KEYS))


def list_marked(account: InProcessProject) -> set[str]:
    """List the variables of the secrets that are marked in the state."""
    assert account.state is not None
    return {
        name_variable(address.key, path[-1])
        for address, record in account.state.records.items()
        for path, stored in record.fingerprints.items()
        if is_asserted(stored)
    }


@check_examples(
    adopted=SETS_OF_KEYS,
    sent=SETS_OF_SECRETS,
    rotated=SETS_OF_SECRETS,
    edited=SETS_OF_KEYS,
    later=st.sampled_from(NAMES),
    few=6,
    many=60,
)
def test_after_an_assertion_exactly_a_rotated_secret_is_planned(
    adopted: frozenset[str],
    sent: frozenset[str],
    rotated: frozenset[str],
    edited: frozenset[str],
    later: str,
) -> None:
    with open_project() as account:
        account.secrets = {name: f"live value of {name}" for name in NAMES}
        for key in KEYS:
            add_live(account, key)
        declare(account)
        if adopted:
            account.options = {"targets": tuple(sorted(adopted))}
            account.apply()
        if sent:
            account.options = {"resend": tuple(map(name_secret, sorted(sent)))}
            account.apply()
        # A rotation of a secret that was never sent is not noticed: the operator asserts the new value.
        for name in rotated:
            account.secrets[name] += " rotated"
        declare(account, edited)
        account.options = {"asserts_secrets": True, "reason": "taken over"}
        account.apply()
        assert list_changed_secrets(account.planned) == rotated & sent
        assert list_marked(account) == {*NAMES} - sent
        account.options = {}
        planned = account.plan().plan
        assert (planned.uncomparable_secrets, planned.effective) == ((), ())
        account.secrets[later] += " once more"
        assert list_changed_secrets(account.plan()) == {later}
        account.apply()
        assert list_marked(account) == {*NAMES} - sent - {later}
