"""`trust list` shows what is pinned, approved or waiting, with all that is known of each server, and only reads."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from applied_project import PAIR, get_error_code
from cli_harness import EmulatedFivetran, Project
from waiting_servers import BARE_KEY, KEY_LINE, SPEC, WaitingProject, write_entry

from reconciler.emulator.key_material import generate_chain, read_certificate

OTHER = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="


@pytest.fixture
def waiting(project: Project, server: EmulatedFivetran) -> WaitingProject:
    return WaitingProject(project, server)


def list_servers(waiting: WaitingProject, *arguments: str) -> list[dict[str, Any]]:
    """List all servers, as JSON objects."""
    result = waiting.run("trust", "list", *arguments, "--format", "json")
    assert result.exit == 0, result.stderr
    return [server for each in result.document["destinations"] for server in each["servers"]]


def test_each_server_has_its_standing_and_its_facts(waiting: WaitingProject) -> None:
    leaf, root = waiting.let_wait()
    servers = list_servers(waiting)
    assert [(each["hash"], each["standing"], each["met_by_the_last_test"]) for each in servers] == [
        (leaf, "waiting", True),
        (root, "waiting", True),
    ]
    waiting.pin("sales", root)
    [pinned] = list_servers(waiting)
    assert pinned["standing"] == "pinned, approved by the next apply"
    assert pinned["pin"]["span"]["line"] == 9
    waiting.must_apply()
    [approved] = list_servers(waiting)
    assert approved["standing"] == "pinned and approved"
    assert approved["subject"] == approved["issuer"] == "CN=Acme Private Root,O=Acme\\, Inc.,C=US"
    assert approved["expires"] == "2049-12-31"
    assert approved["approval"]["approved_by"] and approved["approval"]["id"]
    assert "certificate" not in approved


def test_text_groups_servers_by_destination_and_shows_no_certificate(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    waiting.pin("sales", root)
    waiting.must_apply()
    result, writes = waiting.run_and_list_writes("trust", "list")
    assert (result.exit, writes) == (0, [])
    lines = result.stdout.splitlines()
    hash_line = lines.index(f"    hash     {root}")
    assert lines[2:4] == ["destination.sales · connected", "  certificate: pinned and approved"]
    shown = b64decode(root).hex(":").upper()
    assert "".join(line.strip() for line in lines[hash_line + 1 : hash_line + 3]) == shown
    assert f"    pin      {SPEC}:9" in lines
    assert any(line.startswith("    approved by ") for line in lines)
    assert all(len(line) <= 80 for line in lines)
    assert read_certificate(generate_chain("x")[1]).encoded_cert[:40] not in result.stdout


def test_an_approval_of_a_user_is_listed_with_its_name_alone(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.dashboard.approve_servers(waiting.find_id("sales"))
    waiting.state_file.unlink()
    [server] = list_servers(waiting)
    assert server["standing"] == "approved, not pinned"
    assert server["subject"].startswith("CN=db-")
    assert (server["issuer"], server["expires"]) == (None, None)
    assert "    issuer   unknown\n    expires  unknown\n" in waiting.run("trust", "list").stdout


def test_facts_come_from_a_pem_file_too(waiting: WaitingProject, project: Project) -> None:
    leaf, _ = generate_chain("a file")
    text = f"-----BEGIN CERTIFICATE-----\n{leaf}\n-----END CERTIFICATE-----\n"
    waiting.let_wait()
    project.write("specs/db.pem", text)
    waiting.write_specs(write_entry(trust=f"trust: {{certificates: [{{pem: db.pem}}, '{OTHER}']}}"))
    pem, unmet = list_servers(waiting)[:2]
    assert (pem["standing"], pem["pin"]["source"]) == ("pinned, approved by the next apply", "db.pem")
    assert pem["subject"].startswith("CN=db-") and pem["expires"] == "2049-12-31"
    assert (unmet["standing"], unmet["expires"]) == ("pinned, not met", None)
    result = waiting.run("trust", "list")
    assert leaf[:40] not in result.stdout


def test_a_host_key_has_neither_issuer_nor_expiry(waiting: WaitingProject) -> None:
    waiting.let_wait(host_key=KEY_LINE)
    waiting.pin("sales")
    assert waiting.apply().exit == 7
    [key] = [each for each in list_servers(waiting) if each["kind"] == "fingerprint"]
    assert key["standing"] == "pinned and approved"
    assert key["public_key"].startswith(BARE_KEY) and key["hashes"][-1].startswith("SHA256:")
    text = waiting.run("trust", "list").stdout.partition("SSH host key: ")[2]
    assert "unknown" not in text


def test_only_servers_that_expire_in_time_are_shown(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry() + write_entry("other"))
    waiting.write_specs(write_entry() + write_entry("other", trust=f"trust: {{certificates: ['{OTHER}']}}"))
    days = (datetime(2049, 12, 31, tzinfo=UTC) - datetime.now(UTC)).days + 1
    result = waiting.run("trust", "list", "--expiring", f"{days}d")
    assert result.exit == 0 and result.stdout.count("expires  2049-12-31") == 2
    assert "destination.other ·" not in result.stdout
    assert "The expiry of 1 certificate is unknown: destination.other." in result.stdout
    earlier = waiting.run("trust", "list", "--expiring", f"{days - 1}d", "--format", "json").document
    assert earlier["destinations"] == []
    until = datetime(2049, 12, 30, tzinfo=UTC).date().isoformat()
    assert earlier["expiring"] == {"until": until, "unknown": 1, "unknown_in": ["destination.other"]}


def test_an_expired_certificate_is_shown_as_such(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.project.advance_time(timedelta(days=366 * 24))
    result = waiting.run("trust", "list", "--expiring", "0d")
    assert result.stdout.count("expires  2049-12-31, which is over") == 2


@pytest.mark.parametrize("text", ["soon", "30", "-1d", "1w"])
def test_a_text_that_is_no_duration_is_wrong_usage(project: Project, text: str) -> None:
    result = project.run("trust", "list", f"--expiring={text}")
    assert (result.exit, get_error_code(result)) == (64, "wrong-usage")


def test_addresses_select_destinations(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry() + write_entry("other"))
    for selector in ("other", "destination.other", "group.other", "oth*"):
        listed = waiting.run("trust", "list", selector, "--format", "json").document
        assert [each["address"] for each in listed["destinations"]] == ["destination.other"]
    wrong = waiting.run("trust", "list", "othr")
    assert (wrong.exit, get_error_code(wrong)) == (1, "unknown-target")
    assert "did you mean `other`?" in wrong.stderr


def test_two_lists_are_read_for_each_destination(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry() + write_entry("other"))
    before = len(waiting.server.calls)
    waiting.run("trust", "list")
    calls = [call.partition("?")[0] for call in waiting.server.calls[before:]]
    assert sorted(calls) == sorted(
        [
            "GET /v1/account/info",
            "GET /v1/groups",
            "GET /v1/destinations",
            *(
                f"GET /v1/destinations/{id}/{kind}"
                for id in waiting.server.list_ids("destinations")
                for kind in ("certificates", "fingerprints")
            ),
        ]
    )


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "these credentials may not read its approvals"), (404, "it is gone")]
)
def test_a_destination_that_cannot_be_read_is_one_line(
    waiting: WaitingProject, status: int, reason: str
) -> None:
    waiting.let_wait(write_entry() + write_entry("other"))
    id = waiting.find_id("other")
    waiting.add_faults(f"GET /v1/destinations/{id}/certificates every 1 status {status}")
    result = waiting.run("trust", "list")
    assert (result.exit, get_error_code(result)) == (1, "approvals-unread")
    assert f"note: destination.other: {reason}" in result.stderr
    assert "destination.sales ·" in result.stdout
    document = waiting.run("trust", "list", "--format", "json").document
    assert [each["address"] for each in document["unread"]] == ["destination.other"]
    assert document["exit"]["code"] == 1


def test_a_deleted_destination_is_named(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry() + write_entry("other"))
    waiting.server.delete(f"/destinations/{waiting.find_id('other')}")
    result = waiting.run("trust", "list")
    assert result.exit == 1 and "destination.other: it is gone" in result.stderr


def test_destinations_that_do_not_exist_yet_are_named(waiting: WaitingProject) -> None:
    waiting.write_settings()
    waiting.write_specs(write_entry())
    result = waiting.run("trust", "list")
    assert (result.exit, result.stderr) == (0, "")
    assert result.stdout.endswith("Not created yet: destination.sales.\n")


def test_the_sandbox_has_a_list_too(project: Project) -> None:
    project.write_groups(PAIR.format(key="sales"))
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    result = project.run("trust", "list", "--sandbox", "--quiet")
    assert result.exit == 0
    assert "destination.sales · connected\n  no server is pinned, approved or waiting\n" in result.stdout


def test_credentials_of_another_account_are_refused(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.edit_file("specs/reconciler.yaml", waiting.server.account_id, "another_account")
    result = waiting.run("trust", "list")
    assert get_error_code(result) == "other-account"


def test_an_approval_of_another_certificate_under_the_hash_is_shown(waiting: WaitingProject) -> None:
    leaf, _ = waiting.let_wait()
    id = waiting.find_id("sales")
    waiting.server.post(
        f"/destinations/{id}/certificates", {"hash": leaf, "encoded_cert": generate_chain("another")[0]}
    )
    [server] = [each for each in list_servers(waiting) if each["approval"]]
    assert server["approval"]["is_of_another_certificate"]
    assert "the approved certificate is another one" in waiting.run("trust", "list").stdout


def test_the_public_key_of_fivetran_is_listed_for_a_tunnel(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry(is_tunnelled=True) + write_entry("other"), host_key=KEY_LINE)
    [id] = [
        each
        for each in waiting.server.list_ids("groups")
        if waiting.server.get(f"/groups/{each}")["name"] == "sales"
    ]
    key = waiting.server.get(f"/groups/{id}/public-key")["public_key"].strip()
    listed = waiting.run("trust", "list", "--format", "json").document["destinations"]
    assert {each["address"]: each.get("ssh_public_key") for each in listed} == {
        "destination.other": None,
        "destination.sales": key,
    }
    assert f"  SSH public key of Fivetran  {key}\n" in waiting.run("trust", "list").stdout


def test_the_public_key_is_read_if_the_state_lacks_it(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry(is_tunnelled=True), host_key=KEY_LINE)
    waiting.folder.joinpath("specs/.reconciler/state.json").unlink()
    before = len(waiting.server.calls)
    assert "SSH public key of Fivetran  ssh-rsa " in waiting.run("trust", "list").stdout
    assert [call for call in waiting.server.calls[before:] if call.endswith("/public-key")] != []


def test_a_public_key_that_cannot_be_read_is_left_out(waiting: WaitingProject) -> None:
    waiting.let_wait(write_entry(is_tunnelled=True), host_key=KEY_LINE)
    waiting.folder.joinpath("specs/.reconciler/state.json").unlink()
    waiting.add_faults("GET /v1/groups/*/public-key status 403")
    result = waiting.run("trust", "list")
    assert (result.exit, "SSH public key" in result.stdout) == (0, False)
