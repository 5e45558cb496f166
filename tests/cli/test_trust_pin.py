"""`trust pin` writes a server that waits into the spec of its destination, and leaves all other text as it is."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from applied_project import get_error_code
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import TerminalProcess
from waiting_servers import BARE_KEY, KEY_LINE, SECRETS, SPEC, WaitingProject, write_entry

pytestmark = pytest.mark.sampled(every=3, tests=3)

ROOT_FACTS = "CN=Acme Private Root,O=Acme\\, Inc.,C=US, expires 2049-12-31"


@pytest.fixture
def waiting(project: Project, server: EmulatedFivetran) -> WaitingProject:
    return WaitingProject(project, server)


def to_hex(base64_hash: str) -> str:
    """Write the hash of a certificate as `openssl` does."""
    return b64decode(base64_hash).hex(":").upper()


def test_a_certificate_is_pinned_and_approved_by_the_next_apply(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    before, sent = waiting.read(), len(waiting.server.calls)
    result = waiting.run("trust", "pin", "destination.sales", root)
    assert (result.exit, result.stderr) == (0, "")
    assert len(waiting.server.calls) == sent
    added = f'      trust:\n        certificates:\n          - "{root}"  # {ROOT_FACTS}\n'
    anchor = "      # no trust yet\n"
    assert waiting.read() == before.replace(anchor, added + anchor)
    assert f'+          - "{root}"' in result.stdout
    assert f"\nPinned certificate {root} for destination.sales in {SPEC}:9.\n" in result.stdout
    assert waiting.must_apply() and waiting.is_converged()


def test_a_dry_run_shows_the_difference_and_writes_nothing(waiting: WaitingProject) -> None:
    leaf, _ = waiting.let_wait()
    before = waiting.read()
    result = waiting.run("trust", "pin", "sales", leaf, "--dry-run")
    assert result.exit == 0
    assert f'+          - "{leaf}"' in result.stdout and "Nothing was written." in result.stdout
    assert waiting.read() == before


def test_a_host_key_is_pinned_as_a_key_with_its_hash_in_a_comment(waiting: WaitingProject) -> None:
    waiting.let_wait(host_key=KEY_LINE)
    [pinned] = waiting.pin("sales")["pinned"]
    assert (pinned["kind"], pinned["pin"]) == ("fingerprint", BARE_KEY)
    shown = pinned["hashes"][-1]
    assert shown.startswith("SHA256:")
    line = f"          - {BARE_KEY}  # {shown}, bastion of the tests\n"
    assert f"      trust:\n        fingerprints:\n{line}" in waiting.read()
    assert waiting.apply().exit == 7  # the certificate behind the tunnel is met now
    assert waiting.pin("sales", waiting_root(waiting))["pinned"][0]["kind"] == "certificate"
    waiting.must_apply()


def waiting_root(waiting: WaitingProject) -> str:
    """Return the hash of the root that waits in the state."""
    met = waiting.read_state()["records"]["destination.sales"]["awaiting"]
    return next(each["hash"] for each in met if each["subject"] == each["issuer"])


@pytest.mark.parametrize(
    "write",
    [
        lambda root: root,
        lambda root: root.rstrip("="),
        lambda root: f"SHA256:{root}",
        to_hex,
        lambda root: to_hex(root).replace(":", "").lower(),
        lambda root: root[:6],
        lambda root: f"SHA256:{root[:9]}",
        lambda root: to_hex(root)[:11].lower(),
    ],
    ids=["base64", "no-padding", "named", "openssl", "hex", "prefix", "named-prefix", "hex-prefix"],
)
def test_a_hash_is_taken_in_any_notation(waiting: WaitingProject, write: Callable[[str], str]) -> None:
    _, root = waiting.let_wait()
    [pinned] = waiting.pin("sales", write(root))["pinned"]
    assert (pinned["pin"], pinned["subject"], pinned["expires"]) == (
        root,
        "CN=Acme Private Root,O=Acme\\, Inc.,C=US",
        "2049-12-31",
    )
    assert "certificate" not in pinned


def test_several_servers_without_a_terminal_are_an_error_with_each_command(waiting: WaitingProject) -> None:
    hashes = waiting.let_wait()
    before = waiting.read()
    result = waiting.run("trust", "pin", "sales")
    assert (result.exit, get_error_code(result)) == (64, "several-waiting")
    for each in hashes:
        assert f"`reconciler trust pin destination.sales {each}`" in result.stderr
    assert "any one certificate is enough" in result.stderr
    document = waiting.run("trust", "pin", "sales", "--format", "json").document
    assert document["exit"] == {"code": 64, "reason": "usage"}
    named = waiting.run("trust", "pin", "--project", "specs/reconciler.yaml", "sales")
    assert "reconciler trust pin --project specs/reconciler.yaml destination.sales" in named.stderr
    assert waiting.read() == before


@pytest.mark.parametrize("typed", ["abcdefgh", "0" * 64, "SHA256:AAAAAAAAA"])
def test_a_hash_that_does_not_wait_is_an_error_with_what_does(waiting: WaitingProject, typed: str) -> None:
    hashes = waiting.let_wait()
    result = waiting.run("trust", "pin", "sales", typed)
    assert (result.exit, get_error_code(result)) == (1, "nothing-waits")
    assert all(each in result.stderr for each in hashes)


@pytest.mark.parametrize("typed", ["abcde", "SHA256:", "SHA256:abcde"])
def test_a_short_hash_is_wrong_usage(project: Project, typed: str) -> None:
    result = project.run("trust", "pin", "sales", typed)
    assert (result.exit, get_error_code(result)) == (64, "wrong-usage")


def test_a_pinned_server_is_no_error_and_nothing_is_written(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    waiting.pin("sales", root)
    before = waiting.read()
    for arguments in (("sales",), ("sales", root), ("sales", to_hex(root))):
        result = waiting.run("trust", "pin", *arguments)
        assert (result.exit, result.stderr) == (0, "")
        assert f"destination.sales pins certificate {root} already in {SPEC}:9." in result.stdout
    assert waiting.pin("sales")["already_pinned"][0]["pin"] == root
    waiting.must_apply()
    assert waiting.run("trust", "pin", "sales", root).exit == 0
    done = waiting.run("trust", "pin", "sales")
    assert (done.exit, get_error_code(done)) == (1, "nothing-waits")
    assert f"pinned at {SPEC}:9: certificate {root}" in done.stderr
    assert "`reconciler test destination.sales`" in done.stderr
    assert waiting.read() == before


def test_an_unknown_address_gets_a_suggestion(waiting: WaitingProject) -> None:
    waiting.let_wait()
    result = waiting.run("trust", "pin", "destination.sale")
    assert (result.exit, get_error_code(result)) == (1, "unknown-target")
    assert "did you mean `destination.sales`?" in result.stderr
    assert waiting.run("trust", "pin", "group.sales", "--dry-run").exit == 64  # the destination of the group


def test_an_entry_that_only_the_state_has_is_an_error(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.write_specs(write_entry("other"))
    result = waiting.run("trust", "pin", "destination.sales")
    assert get_error_code(result) == "unknown-target"
    assert "`destination.sales` is in the state, and no file of the specs declares" in result.stderr


def test_a_project_without_a_state_is_an_error(waiting: WaitingProject) -> None:
    waiting.write_settings()
    waiting.write_specs(write_entry())
    result = waiting.run("trust", "pin", "sales")
    assert (result.exit, get_error_code(result)) == (1, "no-state")


def test_a_destination_that_no_run_has_tried_is_an_error(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.write_specs(write_entry() + write_entry("other"))
    result = waiting.run("trust", "pin", "other")
    assert get_error_code(result) == "nothing-waits"
    assert "the state does not know it" in result.stderr


def test_nothing_waits_for_a_spec_that_trusts_any_server(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    waiting.write_specs(write_entry(trust="trust: {certificates: any}"))
    for arguments in (("sales",), ("sales", root)):
        result = waiting.run("trust", "pin", *arguments)
        assert (result.exit, get_error_code(result)) == (1, "nothing-waits")
        assert "trusts any certificate" in result.stderr


def test_a_list_of_the_entry_gets_another_pin(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    other = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
    waiting.write_specs(write_entry(trust=f"trust: {{certificates: ['{other}']}}  # of 2025"))
    waiting.pin("sales", root)
    assert (
        f"      # {ROOT_FACTS}\n      trust: {{certificates: ['{other}', \"{root}\"]}}  # of 2025"
        in waiting.read()
    )
    assert waiting.list_pins() == [other, root]


def test_an_inherited_list_is_copied_into_the_entry(waiting: WaitingProject, project: Project) -> None:
    _, root = waiting.let_wait()
    project.write("specs/certs/old.pem", make_pem("an old root"))
    other = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
    defaults = (
        f"defaults: {{destination: {{trust: {{certificates: ['{other}', {{pem: certs/old.pem}}]}}}}}}\n"
    )
    waiting.write_settings(defaults)
    settings = waiting.read("specs/reconciler.yaml")
    result = waiting.run("trust", "pin", "sales", root)
    assert result.exit == 0, result.stderr
    assert "2 pins are copied from the defaults of the project" in result.stdout
    assert "          - {pem: certs/old.pem}\n" in waiting.read()
    assert waiting.list_pins() == [other, "certs/old.pem", root]
    assert waiting.read("specs/reconciler.yaml") == settings


def make_pem(*source: str) -> str:
    from reconciler.emulator.key_material import generate_chain

    return f"-----BEGIN CERTIFICATE-----\n{generate_chain(*source)[0]}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("value", ["none", "{unset: true}"])
def test_a_value_of_the_entry_gives_way_to_a_list(waiting: WaitingProject, value: str) -> None:
    _, root = waiting.let_wait()
    other = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
    waiting.write_settings(f"defaults: {{destination: {{trust: {{certificates: ['{other}']}}}}}}\n")
    waiting.write_specs(write_entry(trust=f"trust: {{certificates: {value}}}"))
    waiting.pin("sales", root)
    assert waiting.list_pins() == [root]


def test_an_override_that_decides_is_edited(waiting: WaitingProject, project: Project) -> None:
    _, root = waiting.let_wait()
    text = "version: 1\r\ngroups:\r\n  sales: {destination: {trust: {certificates: none}}}\r\n"
    (waiting.folder / "specs/over.yaml").write_bytes(text.encode())
    waiting.write_settings("overrides: [over.yaml]\n")
    before = waiting.read()
    result = waiting.run("trust", "pin", "sales", root)
    assert result.exit == 0, result.stderr
    assert "specs/over.yaml is an override, and decides about `trust.certificates`" in result.stdout
    assert waiting.read() == before
    assert waiting.read("specs/over.yaml") == text.replace(
        "  sales:", f"  # {ROOT_FACTS}\r\n  sales:"
    ).replace("none", f'["{root}"]')


def test_an_anchor_that_another_entry_uses_keeps_its_value(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    both = write_entry("other", trust="trust: &none {certificates: none}") + write_entry(trust="trust: *none")
    waiting.write_specs(both)
    waiting.pin("sales", root)
    assert "&none {certificates: none}" in waiting.read()
    assert waiting.list_pins() == [root]


def test_a_pin_that_cannot_stand_there_is_an_error_and_nothing_is_written(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    waiting.write_settings("defaults: {destination: {trust: {exclusive: false}}}\n")
    waiting.write_specs(write_entry(trust="trust: {unset: true}"))
    before = waiting.read()
    result = waiting.run("trust", "pin", "sales", root)
    assert (result.exit, get_error_code(result)) == (1, "not-editable")
    assert f"{SPEC}:4:5" in result.stderr and "by hand" in result.stderr
    assert waiting.read() == before


def test_an_invalid_spec_is_reported_as_such(waiting: WaitingProject) -> None:
    waiting.let_wait()
    waiting.write_specs(write_entry().replace("port: 5432", "prot: 5432"))
    result = waiting.run("trust", "pin", "sales")
    assert result.exit == 1 and f"{SPEC}:8:" in result.stderr


def edit_state(waiting: WaitingProject, **facts: str) -> None:
    """Replace facts of the first server that waits in the state."""
    state = waiting.read_state()
    state["records"]["destination.sales"]["awaiting"][0] |= facts
    waiting.state_file.write_text(json.dumps(state))


def test_facts_in_a_comment_stay_on_one_line(waiting: WaitingProject) -> None:
    leaf, _ = waiting.let_wait()
    edit_state(waiting, subject="CN=x\n      exclusive: true\u202e\x1b[31m" + "y" * 900)
    waiting.pin("sales", leaf)
    [line] = [line for line in waiting.read().splitlines() if leaf in line]
    assert "# CN=x exclusive: true[31my" in line and len(line) < 300
    assert waiting.list_pins() == [leaf]


def test_an_expired_certificate_is_pinned_with_a_warning(waiting: WaitingProject) -> None:
    leaf, _ = waiting.let_wait()
    edit_state(waiting, expires="2001-02-03")
    result = waiting.run("trust", "pin", "sales", leaf)
    assert result.exit == 0 and "warning[certificate-expired]" in result.stderr
    assert waiting.list_pins() == [leaf]


def test_a_certificate_under_a_false_hash_is_never_pinned(waiting: WaitingProject) -> None:
    waiting.let_wait()
    false = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
    edit_state(waiting, hash=false)
    result = waiting.run("trust", "pin", "sales", false)
    assert (result.exit, get_error_code(result)) == (1, "certificate-mismatch")


def test_a_host_key_of_an_unknown_form_cannot_be_pinned(waiting: WaitingProject) -> None:
    waiting.let_wait(host_key=KEY_LINE)
    edit_state(waiting, hash="opaque-text", public_key="")
    result = waiting.run("trust", "pin", "sales", "opaque")
    assert (result.exit, get_error_code(result)) == (1, "bad-pin")
    assert "ssh-keyscan" in result.stderr


def test_a_host_key_without_a_key_is_pinned_by_its_hash(waiting: WaitingProject) -> None:
    waiting.let_wait(host_key=KEY_LINE)
    shown = "ab:" * 15 + "cd"
    edit_state(waiting, hash=shown, public_key="")
    [pinned] = waiting.pin("sales")["pinned"]
    assert pinned["pin"] == shown


def test_a_number_at_the_terminal_chooses_the_server(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait()
    environ = {**build_credentials(waiting.server.url), **SECRETS}
    with TerminalProcess("trust", "pin", "sales", directory=waiting.folder, **environ) as terminal:
        terminal.wait_for("A number from 1 to 2")
        assert "2 certificates of destination.sales without a pin:" in terminal.text
        assert root in terminal.text and "expires  2049-12-31" in terminal.text
        terminal.type("2\n")
        assert terminal.wait_for_exit() == 0
    assert waiting.list_pins() == [root]


def test_any_other_answer_pins_nothing(waiting: WaitingProject) -> None:
    waiting.let_wait()
    before = waiting.read()
    with TerminalProcess("trust", "pin", "sales", directory=waiting.folder) as terminal:
        terminal.wait_for("A number from 1 to 2")
        terminal.type("3\n")
        assert terminal.wait_for_exit() == 1
        assert "Nothing was written." in terminal.text
    assert waiting.read() == before


def test_each_kind_is_its_own_question(waiting: WaitingProject) -> None:
    _, root = waiting.let_wait(host_key=KEY_LINE)
    state = waiting.read_state()
    record = state["records"]["destination.sales"]
    record["awaiting"].append({"kind": "certificate", "hash": root})
    record["awaited_approvals"] = ["certificate", "fingerprint"]
    waiting.state_file.write_text(json.dumps(state))
    refused = waiting.run("trust", "pin", "sales")
    assert (refused.exit, get_error_code(refused)) == (64, "several-waiting")
    assert "one server of each kind is needed" in refused.stderr
    with TerminalProcess("trust", "pin", "sales", directory=waiting.folder) as terminal:
        terminal.wait_for("Pin this certificate")
        terminal.type("yes\n")
        terminal.wait_for("Pin this SSH host key")
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0
    assert waiting.list_pins() == [root, BARE_KEY]


def test_a_file_that_changes_meanwhile_is_not_overwritten(
    waiting: WaitingProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.importing import changed_files

    _, root = waiting.let_wait()
    load, file = changed_files.load_specs, Path(waiting.folder, SPEC)

    def change_and_load(*arguments: object, **options: object) -> object:
        file.write_text(file.read_text() + "# changed\n")
        return load(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(changed_files, "load_specs", change_and_load)
    result = waiting.run("trust", "pin", "sales", root)
    assert (result.exit, get_error_code(result)) == (1, "file-changed")
    assert root not in waiting.read()
