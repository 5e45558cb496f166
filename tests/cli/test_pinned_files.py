"""PEM files of pins are part of the specs: in plans of changed entries, in saved plans, and in all other commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject, get_error_code
from certificate_chain import make_chain, make_host_key
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit, run_git

pytestmark = pytest.mark.sampled(every=2, tests=2)

SERVER, _, ROOT = make_chain()
OTHER = make_chain("other")[-1]
KEY = make_host_key()
SECRETS = {"DB_PASSWORD": "a-password-of-the-database"}
HEAD = """\
version: 1
profiles:
  pinned: {trust: {certificates: [{pem: ../shared/root.pem}]}}
"""
ENTRY = """\
  {key}:
    destination:
      {profile}service: postgres_warehouse
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{host: "{key}.acme.example", database: d, user: u, password: {{secret: "env:DB_PASSWORD"}}}}
      {trust}
"""
TRUST = {
    "orders": "trust: {certificates: [{pem: certs/ca.pem}]}  # the server",
    "sales": f"trust: {{fingerprints: [{KEY}]}}",
    "stock": "trust: {certificates: [{pem: ../shared/root.pem}]}",
    "taxes": f"trust: {{certificates: [{ROOT.hash}]}}",
}


class PinnedProject(AppliedProject):
    """Repository with a project in `specs`, whose entries pin certificates in different ways: `orders` by a file of its
    own, `sales` by a profile and `stock` by the same shared file, `taxes` by a hash."""

    @property
    def own(self) -> Path:
        return self.folder / "specs/certs/ca.pem"

    @property
    def shared(self) -> Path:
        return self.folder / "shared/root.pem"

    def pin(self, **trust: str) -> None:
        """Write the spec file, with another `trust:` in these entries."""
        entries = (
            ENTRY.format(key=key, profile="profile: pinned\n      " if key == "sales" else "", trust=text)
            for key, text in (TRUST | trust).items()
        )
        self.project.write("specs/groups/main.yaml", f"{HEAD}groups:\n{''.join(entries)}")

    def read_specs(self) -> str:
        """Read the spec file."""
        return (self.folder / "specs/groups/main.yaml").read_text()

    def list_scope(self, revision: str = "base", *options: str) -> set[str]:
        """List the keys of the entries that a plan of the changes since a revision covers."""
        result = self.run("plan", "--changed-since", revision, "--format", "json", *options)
        assert result.exit == 0, result.stdout + result.stderr
        parts = ("changes", "unchanged", "adopted", "forgotten")
        addresses = [each["address"] for part in parts for each in result.document[part]]
        return {address.partition(".")[2] for address in addresses}

    def fail(self, *arguments: str) -> str:
        """Run a command that fails, and return the text of its errors."""
        result = self.run(*arguments)
        assert result.exit == 1, result.stdout + result.stderr
        return result.stderr


@pytest.fixture
def pinned(project: Project, server: EmulatedFivetran) -> PinnedProject:
    """Create the project, and commit it as `base`."""
    pinned = PinnedProject(project, server, SECRETS)
    pinned.write_settings("limits: {revokes: 9}\n")
    pinned.pin()
    project.write("specs/certs/ca.pem", SERVER.pem)
    project.write("shared/root.pem", ROOT.pem)
    commit(project.folder, "base")
    return pinned


@pytest.fixture
def applied(pinned: PinnedProject) -> PinnedProject:
    """Apply the project of `pinned`."""
    pinned.must_apply()
    return pinned


# Revisions


def test_nothing_is_in_scope_without_a_change(applied: PinnedProject) -> None:
    assert applied.list_scope() == set()


def test_another_certificate_in_a_file_changes_the_entries_that_name_it(applied: PinnedProject) -> None:
    applied.own.write_text(OTHER.pem)
    assert applied.list_scope() == {"orders"}
    applied.own.write_text(SERVER.pem)
    applied.shared.write_text(OTHER.pem)
    assert applied.list_scope() == {"sales", "stock"}


def test_the_text_around_a_certificate_changes_nothing(applied: PinnedProject) -> None:
    applied.own.write_text(f"subject=CN = db.acme.example\n\n{SERVER.pem}\n")
    assert applied.list_scope() == set()


def test_a_file_may_be_renamed(applied: PinnedProject) -> None:
    """The certificate counts: no request depends on the name of the file."""
    applied.own.rename(applied.own.with_name("db.pem"))
    applied.pin(orders="trust: {certificates: [{pem: ./certs/db.pem}]}")
    assert applied.list_scope() == set()


def test_a_hash_in_place_of_the_file_is_a_change(applied: PinnedProject) -> None:
    """The same server is trusted, but a hash cannot be approved before a setup test has met it."""
    applied.pin(orders=f"trust: {{certificates: [{SERVER.hash}]}}")
    assert applied.list_scope() == {"orders"}
    applied.pin(taxes="trust: {certificates: [{pem: ../shared/root.pem}]}")
    assert applied.list_scope() == {"taxes"}


def test_another_notation_of_the_hash_is_no_change(applied: PinnedProject) -> None:
    applied.pin(taxes=f"trust: {{certificates: ['SHA256:{ROOT.hash.rstrip('=')}']}}")
    assert applied.list_scope() == set()


def test_an_added_file_needs_no_file_at_the_revision(applied: PinnedProject) -> None:
    applied.project.write("specs/certs/new.pem", OTHER.pem)
    applied.pin(taxes="trust: {certificates: [{pem: certs/new.pem}]}")
    assert applied.list_scope() == {"taxes"}
    commit(applied.folder, "later")
    assert applied.list_scope() == {"taxes"}
    assert applied.list_scope("later") == set()


@pytest.mark.parametrize("target", ["file", "folder", "both"])
def test_links_inside_the_repository_are_followed_at_a_revision(applied: PinnedProject, target: str) -> None:
    folder = applied.folder
    shutil.move(folder / "specs/certs", folder / "certs")
    (folder / "certs/link.pem").symlink_to("ca.pem")
    (folder / "specs/file.pem").symlink_to("../certs/ca.pem")
    (folder / "specs/folder").symlink_to("../certs")
    path = {"file": "file.pem", "folder": "folder/ca.pem", "both": "folder/link.pem"}[target]
    applied.pin(orders=f"trust: {{certificates: [{{pem: {path}}}]}}")
    assert applied.list_scope() == set()
    commit(folder, "linked")
    assert applied.list_scope("linked") == set()
    (folder / "certs/ca.pem").write_text(OTHER.pem)
    assert applied.list_scope("linked") == {"orders"}


def test_a_loop_of_links_at_a_revision_ends(applied: PinnedProject) -> None:
    (applied.folder / "specs/a.pem").symlink_to("b.pem")
    (applied.folder / "specs/b.pem").symlink_to("a.pem")
    applied.pin(orders="trust: {certificates: [{pem: a.pem}]}")
    commit(applied.folder, "loop")
    applied.pin()
    assert "the revision does not have this file" in applied.fail("plan", "--changed-since", "loop")


BROKEN = {
    "missing": (None, "the revision does not have this file"),
    "a private key": ("-----BEGIN PRIVATE KEY-----\n", "the file holds a private key"),
    "two certificates": (SERVER.pem + ROOT.pem, "the file holds 2 certificates instead of one"),
    "large": ("#" * 64 * 1024 + SERVER.pem, "the file is larger than 64 KiB"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_revision_with_a_broken_file_is_unusable(applied: PinnedProject, case: str) -> None:
    content, problem = BROKEN[case]
    applied.own.unlink() if content is None else applied.own.write_text(content)
    commit(applied.folder, "broken")
    applied.own.write_text(SERVER.pem)
    errors = applied.fail("plan", "--changed-since", "broken")
    assert errors.startswith("error[unusable-revision]: the specs of revision `broken` have errors")
    line = applied.read_specs().splitlines().index(f"      {TRUST['orders']}") + 1
    place = f"specs/groups/main.yaml@broken:{line}:36"
    assert f"= note: {place}: `certs/ca.pem` cannot be used as a pin: {problem}\n" in errors


def test_a_file_out_of_the_repository_is_not_read_at_a_revision(applied: PinnedProject) -> None:
    """The present file would be read, so that no change of it was seen."""
    applied.project.write("specs/certs/plain.pem", SERVER.pem)
    (applied.folder / "specs/link.pem").symlink_to("/etc/hostname")
    applied.pin(orders="trust: {certificates: [{pem: link.pem}]}")
    commit(applied.folder, "outside")
    applied.pin()
    assert "the revision does not have this file" in applied.fail("plan", "--changed-since", "outside")


def test_a_branch_behind_takes_the_file_of_the_base(applied: PinnedProject) -> None:
    """An entry that only the base changed is left alone, with the certificate of the base."""
    run_git(applied.folder, "checkout", "-q", "-b", "main-line")
    applied.own.write_text(OTHER.pem)
    commit(applied.folder, "ahead")
    run_git(applied.folder, "checkout", "-q", "-b", "branch", "base")
    applied.shared.write_text(OTHER.pem)
    result = applied.run("plan", "--changed-since", "ahead", "--format", "json")
    assert {each["address"] for each in result.document["changes"]} == {
        "destination.sales",
        "destination.stock",
    }
    [behind] = [each for each in result.document["warnings"] if each["code"] == "branch-behind"]
    assert "`orders`" in behind["message"]


# Saved plans


@pytest.mark.parametrize("moment", ["before the first apply", "later"])
def test_a_plan_is_outdated_once_a_file_has_another_certificate(pinned: PinnedProject, moment: str) -> None:
    if moment == "later":
        pinned.must_apply()
        pinned.own.write_text(ROOT.pem)
    assert pinned.run("plan", "--out", "reviewed.json").exit in {0, 2}
    pinned.own.write_text(OTHER.pem)
    before = pinned.server.writes
    result = pinned.run("apply", "reviewed.json", "--auto-approve")
    assert (result.exit, get_error_code(result)) == (4, "plan-spec-changed"), result.stderr
    assert pinned.server.writes == before


def test_a_plan_stays_valid_if_a_file_keeps_its_certificate(pinned: PinnedProject) -> None:
    assert pinned.run("plan", "--out", "reviewed.json").exit == 0
    pinned.own.rename(pinned.own.with_name("db.pem"))
    pinned.own.with_name("db.pem").write_text(f"\n{SERVER.pem}")
    pinned.pin(orders="trust: {certificates: [{pem: certs/db.pem}]}")
    result = pinned.run("apply", "reviewed.json", "--auto-approve")
    assert result.exit == 0, result.stderr
    assert list_approved(pinned, "orders") == [SERVER.hash]


def test_a_lost_file_is_an_error_and_sends_nothing(pinned: PinnedProject) -> None:
    pinned.own.unlink()
    assert "`certs/ca.pem` cannot be used as a pin" in pinned.fail("apply", "--auto-approve")
    assert pinned.server.writes == []


def list_approved(project: PinnedProject, key: str) -> list[str]:
    """List the hashes of the approved certificates of a destination."""
    path = f"/destinations/{project.find_id(key)}/certificates?limit=100"
    return [item["hash"] for item in project.server.get(path)["items"]]


# Bounds


def test_a_policy_bounds_the_destinations_with_approvals(pinned: PinnedProject) -> None:
    """Three entries have a certificate that is approved without a setup test."""
    policy = "policies: [{at-most: {approves: NUMBER, revokes: 0}}]\n"
    for number, code in ((2, 3), (3, 0)):
        pinned.write_settings(policy.replace("NUMBER", str(number)))
        result = pinned.run("plan", "--quiet")
        assert result.exit == code
        assert ("error[policy-violated]" in result.stderr) == bool(code)


def test_a_policy_bounds_the_destinations_with_revocations(applied: PinnedProject) -> None:
    applied.own.write_text(OTHER.pem)
    for number, code in ((0, 3), (1, 0)):
        applied.write_settings(f"policies: [{{at-most: {{approves: 1, revokes: {number}}}}}]\n")
        result = applied.run("plan", "--quiet")
        assert result.exit == code
        assert ("error[policy-violated]" in result.stderr) == bool(code)


def test_a_limit_bounds_the_revocations(applied: PinnedProject) -> None:
    applied.shared.write_text(OTHER.pem)
    applied.write_settings("limits: {revokes: 1}\n")
    result = applied.run("plan")
    assert result.exit == 3
    assert "error[limit-exceeded]: approvals of 2 destinations would be revoked" in result.stderr
    allowed = applied.run("apply", "--auto-approve", "--allow", "revokes=2", "--reason", "a new root")
    assert allowed.exit == 0, allowed.stderr
    assert list_approved(applied, "sales") == [OTHER.hash]


@pytest.mark.parametrize("value", ["-1", "many", "0.5"])
def test_a_limit_of_revocations_is_a_whole_number(pinned: PinnedProject, value: str) -> None:
    pinned.write_settings(f"limits: {{revokes: {value}}}\n")
    result = pinned.run("validate")
    assert (result.exit, get_error_code(result)) == (1, "wrong-shape")


# Other commands


def test_an_apply_approves_the_certificate_of_each_file(applied: PinnedProject) -> None:
    found = {key: list_approved(applied, key) for key in TRUST}
    assert found == {
        "orders": [SERVER.hash],
        "sales": [ROOT.hash],
        "stock": [ROOT.hash],
        "taxes": [],
    }
    assert "No changes." in applied.run("plan").stdout


def test_fmt_keeps_pins_and_their_comments(pinned: PinnedProject) -> None:
    untidy = (
        "trust:\n        certificates:   # of the server\n        -   pem:  certs/ca.pem # until 2049\n"
        f'        - "{ROOT.hash}"\n        exclusive:   true'
    )
    pinned.pin(orders=untidy)
    before = pinned.list_scope()
    assert pinned.run("fmt").exit == 0
    text = pinned.read_specs()
    assert "certificates: # of the server" in " ".join(text.split())
    assert "pem: certs/ca.pem # until 2049" in " ".join(text.split())
    assert ROOT.hash in text
    assert pinned.run("fmt", "--check").exit == 0
    assert pinned.list_scope() == before == {"orders"}


def test_online_validation_finds_nothing_wrong_with_pins(applied: PinnedProject) -> None:
    result = applied.run("validate", "--online")
    assert (result.exit, result.stderr) == (0, "")


def test_settings_of_a_revision_leave_the_files_of_the_work_tree(applied: PinnedProject) -> None:
    applied.own.write_text(OTHER.pem)
    result = applied.run("plan", "--settings-from", "base", "--format", "json")
    assert result.exit == 0, result.stderr
    assert [each["address"] for each in result.document["changes"]] == ["destination.orders"]


def test_a_snapshot_plans_the_pins_offline(applied: PinnedProject) -> None:
    taken = applied.run("snapshot", "--with", "trust", "--out", "account.yaml")
    assert taken.exit == 0, taken.stderr
    applied.own.write_text(OTHER.pem)
    offline = applied.project.run("plan", "--against", "account.yaml", "--format", "json")
    assert offline.exit == 0, offline.stderr
    online = applied.run("plan", "--format", "json")
    assert list_trust(offline) == list_trust(online) != []


def list_trust(result: CommandResult) -> list[tuple[str, Any]]:
    """List the changes of approvals of a plan, by address."""
    return [(each["address"], each["approvals"]) for each in result.document["changes"]]


def test_accepted_drift_leaves_the_pins(applied: PinnedProject) -> None:
    applied.dashboard.change_destination(applied.find_id("orders"), region="GCP_US_WEST1")
    result = applied.run("drift", "--accept", "--yes")
    assert result.exit == 0, result.stdout + result.stderr
    text = applied.read_specs()
    assert "region: GCP_US_WEST1" in text
    assert all(trust in text for trust in TRUST.values())


def test_an_import_beside_pins_keeps_them(applied: PinnedProject) -> None:
    applied.dashboard.add_group("claims")
    before = applied.read_specs()
    result = applied.run("import", "claims")
    assert result.exit == 0, result.stdout + result.stderr
    assert before in applied.read_specs()
    assert "No changes." in applied.run("plan").stdout


# Drift with a budget


def test_a_budget_covers_the_approvals_of_each_destination_that_it_reads(applied: PinnedProject) -> None:
    assert "use `--budget 6` or more" in applied.fail("drift", "--budget", "5")
    lists = {"orders": 1, "sales": 2, "stock": 1, "taxes": 1}
    read = []
    for _ in lists:
        before = len(applied.server.calls)
        coverage = applied.run("drift", "--budget", "6", "--format", "json").document["coverage"]
        calls = applied.server.calls[before:]
        [key] = {*lists} - {address.partition(".")[2] for address in coverage["unread"]}
        path = f"GET /v1/destinations/{applied.find_id(key)}"
        assert len(calls) == 3 + 1 + lists[key]
        assert sorted(call.removeprefix(path) for call in calls if call.startswith(path)) == sorted(
            ["", "/certificates", "/fingerprints"][: 1 + lists[key]]
        )
        assert (coverage["read"], coverage["runs_per_round"]) == (1, 4)
        read.append(key)
        applied.project.advance_time()
    assert sorted(read) == sorted(lists)


def test_a_destination_whose_approvals_cannot_be_read_counts_as_not_read(applied: PinnedProject) -> None:
    id = applied.find_id("taxes")
    applied.add_faults(f"GET /v1/destinations/{id}/certificates #1..5 status 503")
    errors = applied.fail("drift", "--budget", "40")
    assert "error[not-read]: destination.taxes could not be read" in errors
    before = len(applied.server.calls)
    assert applied.run("drift", "--budget", "5", "--target", "taxes").exit == 0
    assert f"GET /v1/destinations/{id}/certificates" in applied.server.calls[before:]
