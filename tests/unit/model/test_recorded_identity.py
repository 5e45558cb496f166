"""Test what a record keeps of the identity of its group at each moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.address import DESTINATION
from reconciler.model.group_identity import IdentityPart
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.model.record_transitions import (
    RecordUpdate,
    adopt,
    complete_approvals,
    complete_change,
    complete_tests,
    conclude_run,
    fail_tests,
    is_adopted,
    prepare_change,
    prepare_create,
    select_identity,
)

AT, KEY, ACCOUNT = "2026-03-01T12:00:00+00:00", "ssh-rsa AAAA", "g-a-b@example.iam.gserviceaccount.com"
UPDATE = RecordUpdate()
READ_ACCOUNT = replace(UPDATE, identity={IdentityPart.SERVICE_ACCOUNT: ACCOUNT})
KNOWN = Record(id="a_b", ssh_public_key=KEY, applied_at=AT)
COMPLETIONS = [complete_change, complete_approvals, complete_tests, fail_tests]


def change(action: Action, update: RecordUpdate | None = UPDATE) -> Record:
    return prepare_change(KNOWN, "a_b", Intent(action, "orders"), update)


@pytest.mark.parametrize("complete", COMPLETIONS)
def test_a_call_keeps_what_is_known_and_adds_what_was_read(complete: Callable[..., Record]) -> None:
    kept = complete(KNOWN, "a_b", UPDATE, AT)
    assert (kept.ssh_public_key, kept.service_account) == (KEY, "")
    added = complete(KNOWN, "a_b", READ_ACCOUNT, AT)
    assert (added.ssh_public_key, added.service_account) == (KEY, ACCOUNT)
    first = complete(None, "a_b", READ_ACCOUNT, AT)
    assert (first.ssh_public_key, first.service_account) == ("", ACCOUNT)


@pytest.mark.parametrize("complete", [*COMPLETIONS, adopt])
def test_an_object_in_another_group_has_another_identity(complete: Callable[..., Record]) -> None:
    moved = complete(KNOWN, "c_d", UPDATE, AT)
    assert (moved.id, moved.identity) == ("c_d", {})


@pytest.mark.parametrize("action", [Action.UPDATE, Action.VERIFY, Action.REPLACE])
def test_the_record_before_a_change_keeps_the_identity(action: Action) -> None:
    assert change(action).identity == KNOWN.identity == {IdentityPart.SSH_PUBLIC_KEY: KEY}


def test_a_failed_deletion_keeps_the_identity() -> None:
    intended = change(Action.DELETE, None)
    assert intended.ssh_public_key == KEY


def test_a_create_drops_the_identity_since_its_group_may_be_new_too() -> None:
    intended = prepare_create(KNOWN, DESTINATION, Intent(Action.CREATE, "orders"), UPDATE)
    assert intended.identity == {}
    assert complete_change(intended, "a_b", UPDATE, AT).identity == {}


def test_an_adoption_keeps_the_identity_and_writes_no_record_for_it() -> None:
    assert adopt(KNOWN, "a_b", UPDATE, AT).identity == KNOWN.identity
    assert is_adopted(KNOWN, "a_b", UPDATE)


def test_the_identity_belongs_to_the_group_of_the_record() -> None:
    assert select_identity(KNOWN, "a_b") == KNOWN.identity
    for record, id in ((KNOWN, "c_d"), (KNOWN, None), (None, "a_b"), (Record(ssh_public_key=KEY), None)):
        assert select_identity(record, id) == {}


def test_a_failed_replacement_keeps_the_identity_of_its_group() -> None:
    ended = conclude_run(Status.FAILED, Action.REPLACE, KNOWN, change(Action.REPLACE))
    assert ended is not None and ended.ssh_public_key == KEY
