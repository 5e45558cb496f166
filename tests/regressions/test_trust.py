"""R21, R23 and R26 to R30: pinned certificates and SSH host keys, approved and revoked by an apply."""

from __future__ import annotations

import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from typing import Any

import pytest
from announced_requests import read_announcement, read_sent
from certificate_chain import MadeCertificate, make_chain, make_host_key
from in_process_harness import InProcessProject, open_project
from postgres_destination import build_postgres

from reconciler.api.client import ApprovalList
from reconciler.applying.pipeline import apply_plan
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.history import HistoryEntry
from reconciler.emulator.network import NetworkSettings
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind
from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.outcome import ApplyResult, Outcome, Status
from reconciler.model.plan import Action, Change
from reconciler.model.record import Record
from reconciler.planning.pipeline import make_plan
from reconciler.planning.saved_plans import replan
from reconciler.report.apply import render_outcome
from reconciler.report.plan_json import serialize_change
from reconciler.report.state import render_records, serialize_records
from reconciler.workspace.planfile import decode_plan

pytestmark = pytest.mark.sampled(every=2, tests=3)

FINANCE = Address(DESTINATION, "finance")
SERVER, MIDDLE, ROOT = make_chain("acme")
NEXT_SERVER, _, NEXT_ROOT = make_chain("next")
HASHES = ("sha256", "md5", "opaque")
FAILED = SetupTest("Permission Test", "FAILED", "no access")


class PinnedProject(InProcessProject):
    """Project with one PostgreSQL destination `finance`, and the server behind it."""

    def present(self, *chain: MadeCertificate) -> None:
        """Let the database show a chain."""
        self.app.dashboard.present_certificate(*(each.encoded for each in chain), group_name="finance")

    def present_trusted(self) -> None:
        """Let the database show a certificate that Fivetran trusts by itself."""
        self.app.dashboard.change_network(NetworkSettings(group="finance", certificate="trusted"))

    def pin(self, *, config: dict[str, Any] | None = None, tests: Any = None, **trust: Any) -> None:
        """Declare the destination with a `trust:` block."""
        self.secrets["PASSWORD"] = "correct-horse-battery"
        destination: dict[str, Any] = {
            **build_postgres(config or {}),
            **({"trust": trust} if trust else {}),
            **({"setup_tests": tests} if tests else {}),
        }
        self.declare({"finance": {"destination": destination}})

    def pin_pem(self, *certificates: MadeCertificate, **trust: Any) -> None:
        """Pin certificates by PEM files."""
        for number, certificate in enumerate(certificates):
            self.write_file(f"{number}.pem", certificate.pem)
        self.pin(certificates=[{"pem": f"{number}.pem"} for number in range(len(certificates))], **trust)

    def replace_pin(self) -> None:
        """Apply with the root pinned, then pin the certificate of the server in its place."""
        self.pin_pem(ROOT)
        self.apply()
        self.pin_pem(SERVER)

    @property
    def id(self) -> str:
        """Return the id of the destination."""
        [id] = self.app.dashboard.find_group_ids("finance")
        return id

    @property
    def status(self) -> str:
        """Return the status of the destination at Fivetran."""
        return str(self.app.dashboard.get_destination(self.id).setup_status)

    def list_approved(self, kind: Kind = Kind.CERTIFICATE) -> set[str]:
        """List the approved hashes."""
        return {approval["hash"] for approval in self.app.dashboard.list_approved(kind, self.id)}

    def approve_by_hand(self, *certificates: MadeCertificate) -> None:
        """Approve certificates in the dashboard, whatever the server shows."""
        for certificate in certificates:
            self.present(certificate)
            self.app.dashboard.approve(Kind.CERTIFICATE, self.id, certificate.hash)

    def must_attempt(self) -> ApplyResult:
        """Plan and apply; the plan must not be refused."""
        applied = self.attempt()
        assert applied is not None, self.planned and self.planned.plan.blockers
        return applied

    def get_outcome(self) -> Outcome:
        """Return the outcome of the destination in the last apply."""
        assert self.applied is not None
        return next(outcome for outcome in self.applied.outcomes if outcome.address == FINANCE)

    def get_change(self) -> Change:
        """Plan, and return the change of the destination."""
        return next(change for change in self.plan().plan.changes if change.address == FINANCE)

    def list_writes(self, entries: list[HistoryEntry]) -> list[str]:
        """Name the sent writes: the method and the end of the path, with the hash of an approval."""
        words = []
        for entry in entries:
            if entry.method != "GET":
                head, _, tail = entry.path.partition(self.id)
                shown_hash = f" {entry.body['hash']}" if entry.body and "hash" in entry.body else ""
                is_inside = self.id in entry.path
                words.append(f"{entry.method} {(tail or '/') if is_inside else head}{shown_hash}")
        return words

    def read_record(self) -> Record:
        """Read the record of the destination."""
        state = self.state
        assert state is not None
        return state.records[FINANCE]

    def apply_writes(self) -> list[str]:
        """Apply, which must work, leave an empty plan, and send what it announced. Returns the names of the writes."""
        writes = self.apply()
        assert self.planned is not None
        changes = [serialize_change(change) for change in self.planned.plan.effective]
        read_announcement(changes).check(read_sent(writes, changes, {"finance": "finance"}))
        return self.list_writes(writes)


@contextmanager
def open_pinned(**behaviour: Any) -> Iterator[PinnedProject]:
    """Open an empty project, and an account with these switches."""
    with open_project(PinnedProject, **behaviour) as project:
        yield project


@pytest.fixture
def project() -> Iterator[PinnedProject]:
    """A project whose server shows a chain that Fivetran does not trust."""
    with open_pinned() as pinned:
        pinned.present(SERVER, MIDDLE, ROOT)
        yield pinned


TEST = "POST /test"
CREATES = ["POST /v1/groups", "POST /v1/destinations"]


def approve(certificate: MadeCertificate) -> str:
    return f"POST /certificates {certificate.hash}"


def revoke(certificate: MadeCertificate) -> str:
    id = b64encode(certificate.hash.encode()).decode().replace("+", "-").replace("/", "_").rstrip("=")
    return f"DELETE /certificates/{id}"


# Exit 7, and the way on


def test_a_server_that_waits_is_remembered_until_it_is_pinned(project: PinnedProject) -> None:
    project.pin()
    project.must_attempt()
    assert project.get_outcome().status is Status.AWAITING_APPROVAL
    awaiting = project.read_record().awaiting
    assert [server.hash for server in awaiting] == [SERVER.hash, MIDDLE.hash, ROOT.hash]
    assert [server.subject for server in awaiting] == [
        "CN=db.acme.example",
        "CN=acme intermediate",
        "CN=acme root",
    ]
    assert {server.expires for server in awaiting} == {"2049-12-31"}
    assert [server.certificate for server in awaiting] == [SERVER.encoded, MIDDLE.encoded, ROOT.encoded]
    for _ in range(2):
        [warning] = [each for each in project.plan().plan.warnings if each.code == "approval-needed"]
        assert f"certificate {ROOT.hash}: CN=acme root, expires 2049-12-31" in warning.notes
    project.pin(certificates=[MIDDLE.hash])
    change = project.get_change()
    assert change.action is Action.APPROVE
    assert project.apply_writes() == [approve(MIDDLE), TEST]
    assert project.list_approved() == {MIDDLE.hash}
    assert project.read_record().awaiting == ()


def test_nothing_is_approved_that_no_spec_pins(project: PinnedProject) -> None:
    project.pin(certificates=[NEXT_ROOT.hash])
    project.must_attempt()
    project.must_attempt()
    assert project.get_outcome().status is Status.AWAITING_APPROVAL
    assert project.list_approved() == set()
    [pin] = project.get_change().facts.trust.unmet
    assert pin.identity.hash == NEXT_ROOT.hash


def test_a_server_that_was_approved_in_the_dashboard_waits_no_more(project: PinnedProject) -> None:
    project.pin()
    project.must_attempt()
    project.app.dashboard.approve(Kind.CERTIFICATE, project.id, SERVER.hash)
    assert project.apply_writes() == [TEST]
    assert project.plan().plan.warnings == ()


# Chains and PEM files


@pytest.mark.parametrize("pinned", [SERVER, MIDDLE, ROOT], ids=["server", "intermediate", "root"])
def test_one_pinned_member_of_a_chain_of_three_is_enough(
    project: PinnedProject, pinned: MadeCertificate
) -> None:
    project.pin(certificates=[pinned.hash])
    assert project.apply_writes() == [*CREATES, TEST, approve(pinned), TEST]
    assert project.list_approved() == {pinned.hash}


def test_a_pem_pin_is_approved_before_the_first_test(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    assert project.apply_writes() == [*CREATES, approve(ROOT), TEST]
    assert len(project.get_outcome().earlier_checks) == 0
    body = next(
        entry.body for entry in project.history if entry.path.endswith("/certificates") and entry.body
    )
    assert body == {"hash": ROOT.hash, "encoded_cert": ROOT.encoded}
    assert ssl.PEM_cert_to_DER_cert(ROOT.pem) == b64decode(body["encoded_cert"])


def test_a_pem_pin_is_approved_without_tests_if_the_spec_declines_them(project: PinnedProject) -> None:
    project.pin(tests={"run": False})
    project.apply()
    project.write_file("ca.pem", ROOT.pem)
    project.pin(certificates=[{"pem": "ca.pem"}], tests={"run": False})
    assert project.apply_writes() == [approve(ROOT)]


def test_the_next_certificate_is_pinned_before_a_rotation(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.pin_pem(ROOT, NEXT_ROOT)
    assert project.apply_writes() == [approve(NEXT_ROOT)], "a connected destination needs no test"
    project.present(NEXT_SERVER, NEXT_ROOT)
    assert project.get_change().action is Action.NO_OP
    assert project.status == "connected"


def test_a_hash_of_the_next_certificate_keeps_plans_empty(project: PinnedProject) -> None:
    project.pin(certificates=[ROOT.hash])
    project.apply()
    project.pin(certificates=[ROOT.hash, NEXT_ROOT.hash])
    change = project.get_change()
    assert change.action is Action.NO_OP
    assert [pin.identity.hash for pin in change.facts.trust.unmet] == [NEXT_ROOT.hash]
    assert project.apply_writes() == []


def test_an_expired_pem_pin_is_never_approved(project: PinnedProject) -> None:
    [*_, expired] = make_chain("old", until=datetime(2021, 1, 1, tzinfo=UTC))
    project.pin_pem(expired)
    planned = project.plan().plan
    assert [blocker.code for blocker in planned.blockers] == ["certificate-expired"]
    assert FINANCE in planned.unplanned
    assert project.attempt() is None
    assert [entry for entry in project.history if entry.method != "GET"] == []


def test_an_approved_pin_that_has_expired_is_a_warning(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.clock.sleep(timedelta(days=365 * 40).total_seconds())
    planned = project.plan().plan
    assert (planned.blockers, [warning.code for warning in planned.warnings]) == ((), ["certificate-expired"])


# Order and revocation


def test_r26_a_new_pin_is_approved_and_tested_before_the_old_one_is_revoked(project: PinnedProject) -> None:
    project.replace_pin()
    change = project.get_change()
    assert [(each.action, each.identity.hash) for each in change.trust] == [
        ("approve", SERVER.hash),
        ("revoke", ROOT.hash),
    ]
    assert project.apply_writes() == [approve(SERVER), TEST, revoke(ROOT)]
    assert project.list_approved() == {SERVER.hash}


def test_r26_the_old_pin_stays_if_the_approval_of_the_new_one_fails(project: PinnedProject) -> None:
    project.replace_pin()
    project.app.faults.add(parse_fault("POST /v1/destinations/*/certificates status 403"))
    project.must_attempt()
    assert project.get_outcome().status is Status.FAILED
    assert project.list_approved() == {ROOT.hash}
    project.app.faults.clear()
    assert project.apply_writes() == [approve(SERVER), TEST, revoke(ROOT)]


def test_r26_the_old_pin_stays_if_the_tests_fail(project: PinnedProject) -> None:
    project.replace_pin()
    project.app.dashboard.script_setup_tests([FAILED], group_name="finance")
    project.must_attempt()
    assert project.get_outcome().has_failed_tests
    assert project.list_approved() == {ROOT.hash, SERVER.hash}
    assert project.apply_writes() == [TEST, revoke(ROOT)], "the former pin is not forgotten"


def test_approvals_precede_an_update_of_the_same_destination(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.write_file("1.pem", SERVER.pem)
    project.pin(config={"user": "other"}, certificates=[{"pem": "0.pem"}, {"pem": "1.pem"}])
    assert project.apply_writes() == [approve(SERVER), "PATCH /", TEST]


def test_pins_that_all_leave_the_spec_stay_approved(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.pin()
    assert project.apply_writes() == []
    assert project.list_approved() == {ROOT.hash}


def test_a_failed_revocation_is_tried_again(project: PinnedProject) -> None:
    project.replace_pin()
    project.app.faults.add(parse_fault("DELETE /v1/destinations/*/certificates/* before-effect status 400"))
    project.must_attempt()
    assert project.get_outcome().is_unsuccessful
    assert project.list_approved() == {ROOT.hash, SERVER.hash}
    project.app.faults.clear()
    assert project.apply_writes() == [TEST, revoke(ROOT)]


def test_r29_a_revocation_of_a_missing_approval_is_a_success(project: PinnedProject) -> None:
    project.replace_pin()
    project.app.faults.add(
        parse_fault(
            "DELETE /v1/destinations/*/certificates/* #1 before-effect status 404 code=NotFound_Certificate"
        )
    )
    project.must_attempt()
    assert not project.get_outcome().is_unsuccessful


# `exclusive`


def test_r28_approvals_of_others_are_only_listed(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.approve_by_hand(NEXT_SERVER)
    change = project.get_change()
    assert change.action is Action.NO_OP
    assert [server.identity.hash for server in change.facts.trust.unpinned] == [NEXT_SERVER.hash]
    assert project.apply_writes() == []


def test_r28_exclusive_revokes_approvals_of_others_last(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.approve_by_hand(NEXT_SERVER, NEXT_ROOT)
    project.present(SERVER, MIDDLE, ROOT)
    project.pin_pem(ROOT, exclusive=True)
    assert sorted(project.apply_writes()) == sorted([TEST, revoke(NEXT_SERVER), revoke(NEXT_ROOT)])
    assert project.apply_writes() == []
    assert project.list_approved() == {ROOT.hash}


def test_exclusive_revokes_nothing_while_no_pin_is_approved(project: PinnedProject) -> None:
    project.pin()
    project.must_attempt()
    project.approve_by_hand(NEXT_SERVER)
    project.pin(certificates=[NEXT_ROOT.hash], exclusive=True)
    change = project.get_change()
    assert change.revocations == ()
    assert [server.identity.hash for server in change.facts.trust.unpinned] == [NEXT_SERVER.hash]


def test_exclusive_is_about_the_kinds_with_pins(project: PinnedProject) -> None:
    """Pin host keys only: approved certificates are left alone."""
    key = make_host_key()
    project.app.dashboard.present_host_key(key, group_name="finance")
    project.pin(config=TUNNEL, fingerprints=[key], exclusive=True)
    project.must_attempt()
    project.approve_by_hand(SERVER)
    project.apply()
    assert project.list_approved() == {SERVER.hash}
    assert len(project.list_approved(Kind.FINGERPRINT)) == 1


@pytest.mark.parametrize("fingerprint_hash", HASHES)
def test_exclusive_revokes_host_keys_of_others(fingerprint_hash: str) -> None:
    key = make_host_key()
    with open_pinned(fingerprint_hash=fingerprint_hash) as project:
        shown = project.app.dashboard.present_host_key(key, group_name="finance")
        project.pin(config=TUNNEL, fingerprints=[key])
        project.apply()
        other = project.app.dashboard.present_host_key(make_host_key("other"), group_name="finance")
        project.app.dashboard.approve(Kind.FINGERPRINT, project.id, other)
        project.app.dashboard.present_host_key(key, group_name="finance")
        project.pin(config=TUNNEL, fingerprints=[key], exclusive=True)
        writes = project.apply_writes()
        assert [each.split("/")[1] for each in writes] == ["test", "fingerprints"]
        assert project.list_approved(Kind.FINGERPRINT) == {shown}
        assert project.list_approved() == set()


def test_exclusive_with_both_kinds_revokes_both(project: PinnedProject) -> None:
    key = make_host_key()
    project.app.dashboard.present_host_key(key, group_name="finance")
    project.pin(config=TUNNEL, fingerprints="any", certificates="any")
    project.apply()
    other = project.app.dashboard.present_host_key(make_host_key("other"), group_name="finance")
    project.app.dashboard.approve(Kind.FINGERPRINT, project.id, other)
    project.app.dashboard.present_host_key(key, group_name="finance")
    project.pin(config=TUNNEL, fingerprints=[key], certificates=[MIDDLE.hash], exclusive=True)
    project.apply()
    assert project.list_approved() == {MIDDLE.hash}
    assert len(project.list_approved(Kind.FINGERPRINT)) == 1


def test_exclusive_approves_before_it_revokes(project: PinnedProject) -> None:
    project.pin(certificates="any")
    project.apply()
    assert project.list_approved() == {SERVER.hash, MIDDLE.hash, ROOT.hash}
    project.pin_pem(ROOT, exclusive=True)
    assert sorted(project.apply_writes()) == sorted([TEST, revoke(SERVER), revoke(MIDDLE)])


@pytest.mark.parametrize(("allowed", "codes"), [({}, ["limit-exceeded"]), ({"revokes": 2}, [])])
def test_the_limit_of_revocations_counts_destinations(allowed: dict[str, float], codes: list[str]) -> None:
    with open_project() as project:
        chain = make_chain("acme")
        groups = {}
        for key in ("a", "b"):
            project.app.dashboard.present_certificate(*(each.encoded for each in chain), group_name=key)
            groups[key] = {"destination": {**MINIMAL, "trust": {"certificates": "any"}}}
        project.secrets["PASSWORD"] = "correct-horse-battery"
        project.declare(groups)
        project.apply()
        for group in groups.values():
            group["destination"]["trust"] = {"certificates": [ROOT.hash], "exclusive": True}
        project.declare(groups)
        project.options = {}
        with project.open_workspace() as workspace:
            workspace.settings.allowed.update(allowed)  # type: ignore[attr-defined]
            plan = make_plan(workspace).plan
        assert [blocker.code for blocker in plan.blockers] == codes


MINIMAL = build_postgres({})


# Certificates that are not what they say


def test_a_certificate_under_a_hash_that_is_not_its_own_is_never_approved(project: PinnedProject) -> None:
    project.app.dashboard.present_certificate(group_name="finance")
    forged = {"hash": ROOT.hash, "name": "CN=acme root", "encoded_cert": NEXT_ROOT.encoded}
    test = SetupTest("Validate Certificate", "FAILED", "No trust anchors for this connection", [forged])
    project.present()
    with open_pinned() as plain:
        plain.app.dashboard.script_setup_tests([test], [test], group_name="finance")
        plain.pin(certificates=[ROOT.hash])
        plain.must_attempt()
        outcome = plain.get_outcome()
        assert [each.code for each in outcome.diagnostics] == ["certificate-mismatch"]
        assert outcome.has_failed_tests
        assert plain.list_approved() == set()
        assert plain.read_record().awaiting == ()


def test_r27_an_approval_of_another_certificate_under_the_pinned_hash_is_an_error(
    project: PinnedProject,
) -> None:
    project.pin_pem(ROOT)
    project.apply()
    id = b64encode(ROOT.hash.encode()).decode().replace("+", "-").replace("/", "_").rstrip("=")
    with project.open_workspace() as workspace:
        workspace.client.revoke_server(project.id, ApprovalList.CERTIFICATES, id)
        workspace.client.approve_server(
            project.id,
            ApprovalList.CERTIFICATES,
            {"hash": ROOT.hash, "encoded_cert": NEXT_ROOT.encoded},
        )
    plan = project.plan().plan
    assert [blocker.code for blocker in plan.blockers] == ["certificate-mismatch"]
    assert plan.unplanned == (FINANCE,)


def test_a_certificate_that_changes_between_plan_and_apply_is_refused(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.pin_pem(ROOT, NEXT_ROOT)
    saved = project.save_plan()
    project.pin_pem(ROOT, SERVER)
    with pytest.raises(ReconcilerError) as error:
        project.apply_saved(saved)
    assert [each.code for each in error.value.diagnostics] == ["plan-spec-changed"]
    assert project.list_approved() == {ROOT.hash}


def test_a_server_that_shows_another_certificate_at_the_apply_is_not_approved(project: PinnedProject) -> None:
    project.pin()
    project.must_attempt()
    project.pin(certificates=[ROOT.hash])
    saved = project.save_plan()
    project.present(NEXT_SERVER, NEXT_ROOT)
    with project.open_workspace() as workspace:
        applied = apply_plan(workspace, replan(workspace, decode_plan(saved)))
    assert [outcome.status for outcome in applied.outcomes] == [Status.AWAITING_APPROVAL]
    assert project.list_approved() == {ROOT.hash}, (
        "only the pinned one, which Fivetran does not need any more"
    )


# Lost answers and lists


@pytest.mark.parametrize("repeated", ["idempotent", "conflict"])
@pytest.mark.parametrize(
    "fault",
    [
        "#1 after-effect reset",
        "after-effect reset",
        "after-effect status 500",
        "#1 before-effect reset",
        "#1 truncate",
        "not-json",
    ],
)
def test_an_approval_whose_answer_is_lost_counts_once(repeated: str, fault: str) -> None:
    with open_pinned(repeated_approval=repeated) as plain:
        plain.present(SERVER, MIDDLE, ROOT)
        plain.pin_pem(ROOT)
        plain.app.faults.add(parse_fault(f"POST /v1/destinations/*/certificates {fault}"))
        plain.must_attempt()
        assert plain.get_outcome().status is Status.DONE
        assert plain.get_outcome().diagnostics == ()
        assert plain.list_approved() == {ROOT.hash}


def test_an_approval_that_somebody_gave_meanwhile_is_no_conflict() -> None:
    with open_pinned(repeated_approval="conflict") as plain:
        plain.present(SERVER, MIDDLE, ROOT)
        plain.pin()
        plain.must_attempt()
        plain.pin(certificates=[ROOT.hash])
        planned = plain.plan()
        plain.app.dashboard.approve(Kind.CERTIFICATE, plain.id, ROOT.hash)
        with plain.open_workspace() as workspace:
            applied = apply_plan(workspace, planned)
        assert [outcome.status for outcome in applied.outcomes] == [Status.DONE]


def test_r30_all_pages_of_approvals_are_read(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    strangers = [make_chain(f"stranger {number}")[0] for number in range(7)]
    project.approve_by_hand(*strangers)
    project.app.behaviour = project.app.behaviour.model_copy(update={"max_page_size": 3})
    change = project.get_change()
    assert change.action is Action.NO_OP
    assert len(change.facts.trust.unpinned) == 7


def test_r29_a_destination_that_vanishes_has_no_approvals(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.app.faults.add(
        parse_fault("GET /v1/destinations/*/certificates before-effect status 404 code=NotFound_Destination")
    )
    assert project.get_change().action is Action.APPROVE


@pytest.mark.parametrize("number", [1, 4])
def test_a_plan_costs_one_list_per_pinned_kind(number: int) -> None:
    with open_project() as project:
        project.secrets["PASSWORD"] = "correct-horse-battery"
        key = make_host_key()
        trusts: list[dict[str, Any]] = [
            {},
            {"certificates": "any"},
            {"certificates": [ROOT.hash, SERVER.hash]},
            {"certificates": [ROOT.hash], "fingerprints": [key]},
        ]
        groups = {
            f"g{index}": {"destination": {**MINIMAL, "trust": trust, "setup_tests": {"on_failure": "warn"}}}
            for index, trust in enumerate(trusts[:number])
        }
        project.declare(groups)
        project.apply()
        project.read_new_history()
        project.plan()
        pinned_kinds = [0, 0, 1, 2][:number]
        with project.open_workspace() as workspace:
            requests = make_plan(workspace).plan.requests
        assert requests == 3 + number + sum(pinned_kinds)


# SSH host keys


TUNNEL = {
    "connection_type": "SshTunnel",
    "tunnel_host": "bastion.acme.example",
    "tunnel_port": 22,
    "tunnel_user": "fivetran",
    "always_encrypted": True,
}


def build_hash_pins(key: str) -> dict[str, str]:
    blob = b64decode(key.split()[1])
    digest = b64encode(sha256(blob).digest()).decode()
    return {
        "key": key,
        "with comment": f"{key} root@bastion",
        "sha256": f"SHA256:{digest.rstrip('=')}",
        "base64": digest,
        "md5": f"MD5:{md5(blob, usedforsecurity=False).hexdigest()}",
    }


@pytest.mark.parametrize("form", list(build_hash_pins("ssh-ed25519 AAAA")))
@pytest.mark.parametrize("fingerprint_hash", HASHES)
def test_a_host_key_is_met_by_its_key_whatever_hash_fivetran_shows(fingerprint_hash: str, form: str) -> None:
    key = make_host_key()
    with open_pinned(fingerprint_hash=fingerprint_hash) as plain:
        shown = plain.app.dashboard.present_host_key(key, group_name="finance")
        plain.pin(config=TUNNEL, fingerprints=[build_hash_pins(key)[form]])
        plain.must_attempt()
        assert plain.get_outcome().status is Status.DONE
        assert plain.list_approved(Kind.FINGERPRINT) == {shown}, "the hash of the server is what is sent"
        assert plain.get_change().action is Action.NO_OP


@pytest.mark.parametrize("fingerprint_hash", HASHES)
def test_a_pin_by_the_hash_that_fivetran_shows_is_met(fingerprint_hash: str) -> None:
    with open_pinned(fingerprint_hash=fingerprint_hash) as plain:
        shown = plain.app.dashboard.present_host_key(make_host_key(), group_name="finance")
        plain.pin(config=TUNNEL)
        plain.must_attempt()
        assert plain.get_outcome().status is Status.AWAITING_APPROVAL
        plain.pin(config=TUNNEL, fingerprints=[shown])
        assert plain.get_change().action is Action.APPROVE
        plain.apply()
        assert plain.list_approved(Kind.FINGERPRINT) == {shown}


def test_another_host_key_is_not_approved(project: PinnedProject) -> None:
    project.app.dashboard.present_host_key(make_host_key("other"), group_name="finance")
    project.pin(config=TUNNEL, fingerprints=[make_host_key()])
    project.must_attempt()
    assert project.get_outcome().status is Status.AWAITING_APPROVAL
    assert project.list_approved(Kind.FINGERPRINT) == set()


def test_a_host_key_and_a_certificate_are_approved_in_one_apply(project: PinnedProject) -> None:
    key = make_host_key()
    project.app.dashboard.present_host_key(key, group_name="finance")
    project.pin(config=TUNNEL, fingerprints=[key], certificates=[ROOT.hash])
    writes = project.apply_writes()
    assert [each.split()[1] for each in writes if each != TEST][2:] == ["/fingerprints", "/certificates"]
    assert writes.count(TEST) == 3


# Setup tests as declared


@pytest.mark.parametrize("status", ["incomplete", "broken"])
def test_tests_that_are_turned_on_are_outstanding(project: PinnedProject, status: str) -> None:
    project.present_trusted()
    project.pin(tests={"run": False, "on_failure": "warn"})
    project.apply()
    project.app.dashboard.change_destination(project.id, setup_status=status)
    assert project.apply_writes() == []
    project.pin(tests={"run": True, "on_failure": "warn"})
    assert project.apply_writes() == [TEST]


@pytest.mark.parametrize("trust", [{"certificates": "any"}, {"certificates": [ROOT.hash]}])
def test_wider_trust_tests_an_unhealthy_destination_once(
    project: PinnedProject, trust: dict[str, Any]
) -> None:
    project.app.dashboard.script_setup_tests(finally_always=[FAILED], group_name="finance")
    project.present_trusted()
    project.pin(tests={"on_failure": "warn"})
    project.must_attempt()
    assert project.get_change().action is Action.NO_OP
    project.pin(tests={"on_failure": "warn"}, **trust)
    assert project.get_change().action is Action.VERIFY
    project.must_attempt()
    assert project.get_change().action is Action.NO_OP, "the spec accepts the failure"


def test_r25_wider_trust_leaves_a_connected_destination_alone(project: PinnedProject) -> None:
    project.present_trusted()
    project.pin()
    project.apply()
    project.pin(certificates="any", fingerprints="any")
    assert project.apply_writes() == []
    project.pin(certificates=[ROOT.hash])
    assert project.apply_writes() == []


def test_r23_a_second_run_of_the_tests_follows_an_approval_as_well(project: PinnedProject) -> None:
    project.app.dashboard.script_setup_tests([FAILED], group_name="finance")
    project.pin(certificates=[ROOT.hash])
    project.must_attempt()
    outcome = project.get_outcome()
    assert outcome.status is Status.DONE
    assert not outcome.has_failed_tests
    assert len(outcome.earlier_checks) == 2


# Drift


def test_an_approval_that_was_revoked_outside_is_drift(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.app.dashboard.revoke(Kind.CERTIFICATE, project.id, ROOT.hash)
    plan = project.plan().plan
    assert [change.address for change in plan.drifted] == [FINANCE]
    assert project.apply_writes() == [approve(ROOT)]


def test_a_pin_that_is_new_is_no_drift(project: PinnedProject) -> None:
    project.pin_pem(ROOT)
    project.apply()
    project.pin_pem(ROOT, NEXT_ROOT)
    assert project.plan().plan.drifted == ()


# The state


def test_the_state_shows_what_waits_with_the_command_that_pins_it(project: PinnedProject) -> None:
    project.pin()
    project.must_attempt()
    record = project.read_record()
    lines = render_records({FINANCE: record}, {FINANCE: ()}).plain.splitlines()
    assert f"    waits for               certificate {ROOT.hash} · CN=acme root · expires 2049-12-31" in lines
    assert lines[-1] == "  ! pin what you trust: `reconciler trust pin destination.finance`"
    [shown] = serialize_records({FINANCE: record}, {FINANCE: ()})["records"]
    assert [each["hash"] for each in shown["awaiting_approval"]] == [SERVER.hash, MIDDLE.hash, ROOT.hash]
    assert "awaiting approval" in shown["marks"]


def test_the_state_shows_what_is_known_of_pins(project: PinnedProject) -> None:
    project.pin(certificates=[ROOT.hash])
    project.apply()
    lines = render_records({FINANCE: project.read_record()}, {FINANCE: ()}).plain.splitlines()
    assert f"    pinned                  certificate {ROOT.hash} · CN=acme root · expires 2049-12-31" in lines


def test_a_state_of_an_earlier_release_is_read_and_tested_once_more(project: PinnedProject) -> None:
    """An earlier release remembered the kind of the approval only."""
    project.pin()
    project.must_attempt()
    file = project.folder / "state" / "state.json"
    state = json.loads(file.read_text())
    state["format"] = 3
    for record in state["records"].values():
        for name in ("awaiting", "grants", "setup_status"):
            record.pop(name, None)
    file.write_text(json.dumps(state))
    assert project.read_record().awaiting == ()
    assert project.get_change().action is Action.VERIFY
    project.pin(certificates=[ROOT.hash])
    assert project.apply_writes() == [TEST, approve(ROOT), TEST]


@pytest.mark.parametrize(("fingerprint_hash", "is_noted"), [("sha256", False), ("opaque", True)])
def test_a_pin_by_another_hash_than_fivetran_shows_is_noted(fingerprint_hash: str, is_noted: bool) -> None:
    key = make_host_key()
    with open_pinned(fingerprint_hash=fingerprint_hash) as plain:
        plain.app.dashboard.present_host_key(key, group_name="finance")
        plain.pin(config=TUNNEL, fingerprints=[build_hash_pins(key)["sha256"]])
        plain.must_attempt()
        text = render_outcome(plain.get_outcome(), 0).plain
    assert plain.get_outcome().diagnostics == ()
    assert ("by another hash of this key" in text) is is_noted
