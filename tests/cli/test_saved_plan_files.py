"""A saved plan as a file: who may read it, what it never holds, what signs it, and the options that go with it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Project
from saved_plans import (
    EXPECTED_WRITES,
    MAIN_FILE,
    OTHER_FILE,
    PROJECT_FILE,
    World,
    list_sent,
    prepare_project,
)

from reconciler.emulator.fault_text import parse_fault

KEY = ("--signature-key", "env:PLAN_KEY")


@pytest.fixture
def world(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from prepare_project(project, tmp_path_factory)


# Usage


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "orders"),
        ("--exclude", "orders"),
        ("--changed-since", "HEAD"),
        ("--resend-secret", "*"),
        ("--secrets", "skip"),
        ("--expect", "0" * 64),
        ("--require-signature",),
        ("--signature-key",),
        ("another.json",),
    ],
    ids=lambda options: options[0],
)
def test_what_a_plan_says_itself_is_no_option_beside_it(world: World, options: tuple[str, ...]) -> None:
    before = len(world.server.calls)
    result = world.apply(*options)
    assert (result.exit, result.stdout) == (64, "")
    assert options[0] in result.stderr
    assert world.server.calls[before:] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--out", "p.json", "--expires", "0d"), "`0d` is no duration"),
        (("plan", "--out", "p.json", "--expires", "7"), "`7` is no duration"),
        (("plan", "--out", "p.json", "--expires", "-1d"), "`-1d` is no duration"),
        (("plan", "--out", "p.json", "--expires", "1w"), "`1w` is no duration"),
        (("plan", "--out", "p.json", "--expires", "٣d"), "is no duration"),
        (("plan", "--out", "p.json", "--drift-only"), "`--out` is for whole plans"),
        (("plan", *KEY), "`--signature-key` signs a saved plan"),
        (("apply", "--auto-approve", *KEY), "`--signature-key` is for a saved plan"),
        (("apply", "--auto-approve", "--require-signature"), "`--require-signature` needs the key"),
        (("apply", "--expect", "7f3a19c2"), "`--expect` needs the whole digest"),
        (("apply", "--expect", "G" * 64), "`--expect` needs the whole digest"),
        (("show",), "PLAN"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
def test_options_that_make_no_sense_are_wrong_usage(
    world: World, arguments: tuple[str, ...], says: str
) -> None:
    before = len(world.server.calls)
    result = world.run(*arguments)
    assert (result.exit, result.stdout) == (64, "")
    assert says in result.stderr
    assert world.server.calls[before:] == []
    assert not (world.project.folder / "p.json").exists()


# The file


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_only_its_owner_reads_a_plan_also_where_everybody_could_before(world: World) -> None:
    world.file.write_text("something that everybody may read")
    world.file.chmod(0o644)
    result = world.plan()
    assert mode(world.file) == 0o600
    assert result.stdout.splitlines()[-1] == (
        "Saved to plan.json. Apply exactly this plan with: reconciler apply plan.json"
    )
    assert not [each for each in world.project.folder.iterdir() if each.name.endswith(".new")]


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(world: World) -> None:
    folder = world.project.folder
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link_to_pipe").symlink_to("pipe")
    (folder / "loop").symlink_to("loop")
    before = sorted(folder.rglob("*"))
    for name in (
        "missing/plan.json",
        "folder",
        "pipe",
        "link_to_pipe",
        "loop",
        "specs/reconciler.yaml/plan.json",
    ):
        result = world.run("plan", "--out", name)
        assert (result.exit, result.stdout) == (1, ""), name
        assert f"error[plan-not-saved]: the plan `{name}` cannot be written: " in result.stderr
        document = world.run("plan", "--out", name, "--format", "json")
        assert [each["code"] for each in document.document["diagnostics"]] == ["plan-not-saved"]
    assert sorted(folder.rglob("*")) == before
    assert (folder / "pipe").is_fifo()


def test_a_link_is_followed_for_reading_and_for_writing(world: World) -> None:
    (world.project.folder / "plans").mkdir()
    (world.project.folder / "link.json").symlink_to("plans/of_today.json")
    assert world.run("plan", "--out", "link.json").exit == 0
    assert (world.project.folder / "link.json").is_symlink()
    assert mode(world.project.folder / "plans/of_today.json") == 0o600
    assert world.run("show", "link.json").exit == 0
    assert world.run("apply", "link.json").exit == 0


def test_what_is_no_plan_is_refused_without_a_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world.project.folder
    (folder / "folder").mkdir()
    (folder / "empty.json").touch()
    (folder / "binary.json").write_bytes(bytes(range(256)) * 64)
    (folder / "dangling.json").symlink_to("nowhere.json")
    world.plan()
    (folder / "huge.json").write_bytes(world.file.read_bytes() * 3)
    monkeypatch.setattr("reconciler.workspace.planfile.MAX_BYTES", len(world.file.read_bytes()) * 2)
    before = len(world.server.calls)
    unreadable = {"folder": "Is a directory", "missing.json": "No such file", "dangling.json": "No such file"}
    for name, says in unreadable.items():
        for result in (world.run("apply", name), world.run("show", name)):
            assert (result.exit, result.stdout) == (1, "")
            assert f"error[plan-unreadable]: the plan `{name}` cannot be read: {says}" in result.stderr
    altered = {"empty.json": "not a plan", "binary.json": "not a plan", "huge.json": "too large"}
    for name, says in altered.items():
        for result in (world.run("apply", name), world.run("show", name)):
            assert (result.exit, result.stdout) == (4, "")
            assert f"error[plan-altered]: the plan `{name}` was altered: it is {says}" in result.stderr
    assert world.server.calls[before:] == []


def test_a_plan_in_which_nothing_is_to_be_done_can_be_saved_and_applied(world: World) -> None:
    options = ("--target", "other")
    result = world.plan(*options)
    assert "No changes." in result.stdout.splitlines()
    before = len(world.server.writes)
    applied = world.apply()
    assert (applied.exit, applied.stderr) == (0, "")
    assert "No changes." in applied.stdout.splitlines()
    assert world.server.writes[before:] == []


def test_a_group_that_never_had_a_destination_is_deleted_by_a_saved_plan(world: World) -> None:
    """Regression: its removal was out of the plan's own scope, and the plan counted as in effect."""
    id = world.id("half")
    world.edit(
        MAIN_FILE,
        "  half:\n    destination:\n      profile: postgres\n      config: {host: half.example}\n",
        "",
    )
    world.edit(MAIN_FILE, "removed:\n", f"removed:\n  - {{group: half, id: {id}}}\n")
    assert world.plan("--target", "half").exit == 0
    before = len(world.server.writes)
    result = world.apply()
    assert result.exit == 0, result.stderr
    assert world.server.writes[before:] == [f"DELETE /v1/groups/{id}"]


def untimed(text: str) -> str:
    """A plan for people without how long it took."""
    return re.sub(r" in \d+\.\d s", "", text)


def test_the_streams_are_kept_apart(world: World) -> None:
    world.edit(
        OTHER_FILE, "profile: postgres", "profile: postgres\n      private_link_id: not_in_the_catalogue"
    )
    planned = world.plan("--format", "json")
    assert (planned.exit, planned.stderr) == (0, "")
    assert planned.document["digest"] == world.content["plan"]["digest"]
    shown = world.run("show", "plan.json", "--format", "json")
    assert (shown.exit, shown.stderr) == (0, "")
    assert shown.document["changes"] == planned.document["changes"]
    assert shown.document["saved"]["is_expired"] is False
    markdown = world.run("show", "plan.json", "--format", "markdown")
    assert untimed(markdown.stdout) == untimed(world.run("plan", "--format", "markdown").stdout)
    applied = world.apply("--format", "json")
    assert (applied.exit, applied.stderr) == (0, "")
    assert applied.document["plan"]["digest"] == planned.document["digest"]


# Blockers


def test_a_plan_that_is_refused_is_saved_shown_and_refused_again(world: World) -> None:
    world.edit(PROJECT_FILE, "version: 1\n", "version: 1\nprotected: [old]\n")
    planned = world.plan()
    assert planned.exit == 3
    assert "error[protected]" in planned.stderr
    assert "Apply exactly this plan" not in planned.stdout
    shown = world.run("show", "plan.json")
    assert shown.exit == 0
    assert "error[protected]" in shown.stderr
    before = len(world.server.writes)
    result = world.apply()
    assert result.exit == 3
    assert "error[protected]" in result.stderr
    document = world.apply("--format", "json")
    assert (document.exit, document.stderr) == (3, "")
    assert [each["code"] for each in document.document["plan"]["blockers"]] == ["protected"]
    assert world.server.writes[before:] == []


def test_a_limit_is_raised_by_whoever_applies(world: World) -> None:
    world.edit(PROJECT_FILE, "limits: {", "limits: {deletes: 0, ")
    assert world.plan().exit == 3
    assert world.apply().exit == 3
    assert world.apply("--allow", "deletes=1", "--reason", "as agreed").exit == 0


def test_what_was_blocked_later_is_refused_as_such(world: World) -> None:
    """Connections of users stop a deletion, also one that was reviewed."""
    world.plan()
    world.server.app.dashboard.add_connection(world.old, "github", "github")
    before = len(world.server.writes)
    result = world.apply()
    assert result.exit == 3
    assert "error[has-connections]" in result.stderr
    assert world.server.writes[before:] == []


# Signatures


def test_a_plan_is_signed_and_checked_with_a_key_from_the_environment_or_a_file(world: World) -> None:
    (world.project.folder / "key").write_text(world.environ["PLAN_KEY"])
    file = ("--signature-key", "file:key")
    world.plan(*KEY)
    first = world.file.read_bytes().splitlines()[1]
    assert re.fullmatch(rb' "signature": "[0-9a-f]{64}",', first)
    assert world.run("show", "plan.json", *file).exit == 0
    assert world.run("show", "plan.json").exit == 0
    assert world.apply(*file, "--require-signature").exit == 0
    (world.project.folder / "key").unlink()  # the canaries would find it


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:MISSING_KEY", "MISSING_KEY"),
        ("env:SHORT_KEY", "it has less than 16 characters"),
        ("env:FIVETRAN_APISECRET", "this program's own credentials"),
        ("env:RECONCILER_KEY", "this program's own credentials"),
        ("file:missing.key", "missing.key"),
        ("file:.", "file:."),
        ("command:echo a-key-that-is-long-enough", "is no reference"),
        ("a-key-that-is-long-enough", "is no reference"),
        ("env:", "is no reference"),
        ("", "is no reference"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_before_any_request(
    world: World, reference: str, says: str
) -> None:
    world.plan(*KEY)
    world.environ |= {"SHORT_KEY": "fifteen-letters", "RECONCILER_KEY": "a-key-that-is-long-enough"}
    before = len(world.server.calls)
    for arguments in (("plan", "--out", "other.json"), ("show", "plan.json"), ("apply", "plan.json")):
        result = world.run(*arguments, "--signature-key", reference)
        assert (result.exit, result.stdout) == (1, ""), result.stderr
        assert "error[signature-key-unusable]" in result.stderr
        assert says in result.stderr
        assert "a-key-that-is-long-enough" not in result.stderr
    assert world.server.calls[before:] == []
    assert not (world.project.folder / "other.json").exists()


# Secrets


def scrubbed(content: bytes) -> str:
    """A plan file without what may differ: seal, digests, fingerprints and times."""
    text = re.sub(rb'^\{"seal": "[0-9a-f]{64}"', b"", content).decode()
    text = re.sub(r'"[0-9a-f]{8}:[0-9a-f]{64}:', '"…:', text)
    text = re.sub(r'"digest": "[0-9a-f]{64}"', '"digest"', text)
    return re.sub(r'("(?:created_at|expires_at)": )"[^"]*"|("seconds": )[0-9.e-]+', r"\1\2…", text)


def test_two_plans_that_differ_in_values_of_secrets_are_the_same(world: World) -> None:
    """S-42: not the length, not the beginning, not the former value."""
    contents = []
    for sales, fresh in (("s", "f"), ("a-very-long-secret-of-sales" * 9, '{"k": "\n…"}'), ("s", "s")):
        world.environ |= {"SALES_PASSWORD": sales, "FRESH_PASSWORD": fresh}
        assert world.plan().exit == 0
        contents.append(world.file.read_bytes())
    assert len(set(contents)) == 3
    assert len(set(map(scrubbed, contents))) == 1
    assert len(set(map(len, map(scrubbed, contents)))) == 1
    digests = {json.loads(each)["content"]["plan"]["digest"] for each in contents}
    assert len(digests) == 1


def test_one_secret_in_two_places_does_not_show_as_such(world: World) -> None:
    world.environ["FRESH_PASSWORD"] = world.environ["SALES_PASSWORD"]
    world.plan()
    fingerprints = [
        fingerprint.split(":")[1]
        for each in world.content["expected"]
        for fingerprint in each["secrets"].values()
    ]
    assert len(fingerprints) == len(set(fingerprints)) >= 3


def test_a_plan_made_without_a_look_at_secrets_is_applied_without_one(world: World) -> None:
    world.plan("--secrets", "skip", "--exclude", "fresh")
    before = len(world.server.writes)
    result = world.apply()
    assert result.exit == 0, result.stderr
    assert not [call for call in list_sent(world, before) if "sales" in call or "fresh" in call]


def test_a_secret_that_was_to_be_sent_again_is_sent_again(world: World) -> None:
    world.plan("--resend-secret", "destination.orders", "--target", "orders")
    before = len(world.server.writes)
    assert world.apply().exit == 0
    assert list_sent(world, before)["PATCH /v1/destinations/orders"] == {
        "region": "AWS_US_WEST_2",
        "config": {"password": "nobody-sees-orders"},
        "run_setup_tests": False,
    }


# Digests


def digest_of(world: World, *options: str) -> str:
    return str(world.run("plan", "--format", "json", *options).document["digest"])


def test_an_approved_digest_is_applied_without_a_question(world: World) -> None:
    digest = digest_of(world)
    before = len(world.server.writes)
    result = world.run("apply", "--expect", digest)
    assert result.exit == 0, result.stderr
    assert list_sent(world, before) == EXPECTED_WRITES
    again = world.run("apply", "--expect", digest)
    assert again.exit == 4
    assert "error[plan-applied]" in again.stderr


@pytest.mark.parametrize("what", ["digest", "specs", "account", "scope"])
def test_another_plan_than_the_approved_one_is_refused(world: World, what: str) -> None:
    digest = digest_of(world)
    options: tuple[str, ...] = ()
    if what == "digest":
        digest = "0" * 64
    elif what == "specs":
        world.edit(OTHER_FILE, "other.example", "other-2.example")
    elif what == "account":
        world.server.app.dashboard.change_destination(world.orders, region="GCP_US_EAST4")
    else:
        options = ("--target", "orders")
    before = len(world.server.writes)
    result = world.run("apply", "--expect", digest, *options)
    assert (result.exit, result.stdout) == (4, "")
    assert "error[plan-unlike]" in result.stderr
    document: Any = world.run("apply", "--expect", digest, "--format", "json", *options).document
    assert document["exit"] == {"code": 4, "reason": "plan-refused"}
    assert world.server.writes[before:] == []


def test_an_approved_digest_that_stopped_goes_on(world: World) -> None:
    digest = digest_of(world)
    world.server.app.faults.add(parse_fault("POST /v1/destinations #1 status 400"))
    assert world.run("apply", "--expect", digest, "--parallelism", "1").exit == 6
    world.server.app.faults.clear()
    before = len(world.server.writes)
    result = world.run("apply", "--expect", digest)
    assert result.exit == 0, result.stderr
    rest = {"POST /v1/destinations fresh", "POST /v1/destinations/fresh/test"}
    assert set(list_sent(world, before)) == rest | {"DELETE /v1/destinations/old", "DELETE /v1/groups/old"}


def test_an_approved_digest_that_stopped_goes_on_with_nothing_else(world: World) -> None:
    digest = digest_of(world)
    world.server.app.faults.add(parse_fault("POST /v1/destinations #1 status 400"))
    assert world.run("apply", "--expect", digest, "--parallelism", "1").exit == 6
    world.server.app.faults.clear()
    world.edit(MAIN_FILE, "fresh.example", "fresh-2.example")
    before = len(world.server.writes)
    result = world.run("apply", "--expect", digest)
    assert (result.exit, result.stdout) == (4, "")
    assert "error[plan-spec-changed]: destination.fresh" in result.stderr
    assert world.server.writes[before:] == []
