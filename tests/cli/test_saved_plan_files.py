"""A saved plan as a file: permissions, redaction, signatures and options."""

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
    SavedPlanProject,
    list_sent,
    prepare_project,
)

pytestmark = pytest.mark.sampled(every=6, tests=3)

KEY = ("--signature-key", "env:PLAN_KEY")


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
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
def test_options_contained_in_a_saved_plan_are_wrong_usage(
    saved_project: SavedPlanProject, options: tuple[str, ...]
) -> None:
    before = len(saved_project.server.calls)
    result = saved_project.apply(*options)
    assert (result.exit, result.stdout) == (64, "")
    assert options[0] in result.stderr
    assert saved_project.server.calls[before:] == []


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
def test_meaningless_options_are_wrong_usage(
    saved_project: SavedPlanProject, arguments: tuple[str, ...], says: str
) -> None:
    before = len(saved_project.server.calls)
    result = saved_project.run(*arguments)
    assert (result.exit, result.stdout) == (64, "")
    assert says in result.stderr
    assert saved_project.server.calls[before:] == []
    assert not (saved_project.folder / "p.json").exists()


# The file


def get_mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_a_saved_plan_is_private_also_over_a_public_file(
    saved_project: SavedPlanProject,
) -> None:
    saved_project.plan_file.write_text("something that everybody may read")
    saved_project.plan_file.chmod(0o644)
    result = saved_project.plan()
    assert get_mode(saved_project.plan_file) == 0o600
    assert result.stdout.splitlines()[-1] == (
        "Saved to plan.json. Apply exactly this plan with: reconciler apply plan.json"
    )
    assert not [each for each in saved_project.folder.iterdir() if each.name.endswith(".new")]


def test_an_unwritable_plan_file_is_reported_and_leaves_no_file(saved_project: SavedPlanProject) -> None:
    folder = saved_project.folder
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
        result = saved_project.run("plan", "--out", name)
        assert (result.exit, result.stdout) == (1, ""), name
        assert f"error[plan-not-saved]: the plan `{name}` cannot be written: " in result.stderr
        document = saved_project.run("plan", "--out", name, "--format", "json")
        assert [each["code"] for each in document.document["diagnostics"]] == ["plan-not-saved"]
    assert sorted(folder.rglob("*")) == before
    assert (folder / "pipe").is_fifo()


def test_a_symbolic_link_is_followed_for_reading_and_writing(saved_project: SavedPlanProject) -> None:
    (saved_project.folder / "plans").mkdir()
    (saved_project.folder / "link.json").symlink_to("plans/of_today.json")
    assert saved_project.run("plan", "--out", "link.json").exit == 0
    assert (saved_project.folder / "link.json").is_symlink()
    assert get_mode(saved_project.folder / "plans/of_today.json") == 0o600
    assert saved_project.run("show", "link.json").exit == 0
    assert saved_project.run("apply", "link.json").exit == 0


def test_a_file_that_is_no_plan_is_refused_without_a_request(
    saved_project: SavedPlanProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_project.folder
    (folder / "folder").mkdir()
    (folder / "empty.json").touch()
    (folder / "binary.json").write_bytes(bytes(range(256)) * 64)
    (folder / "dangling.json").symlink_to("nowhere.json")
    saved_project.plan()
    (folder / "huge.json").write_bytes(saved_project.plan_file.read_bytes() * 3)
    monkeypatch.setattr(
        "reconciler.workspace.planfile.MAX_BYTES", len(saved_project.plan_file.read_bytes()) * 2
    )
    before = len(saved_project.server.calls)
    unreadable = {"folder": "Is a directory", "missing.json": "No such file", "dangling.json": "No such file"}
    for name, says in unreadable.items():
        for result in (saved_project.run("apply", name), saved_project.run("show", name)):
            assert (result.exit, result.stdout) == (1, "")
            assert f"error[plan-unreadable]: the plan `{name}` cannot be read: {says}" in result.stderr
    altered = {"empty.json": "not a plan", "binary.json": "not a plan", "huge.json": "too large"}
    for name, says in altered.items():
        for result in (saved_project.run("apply", name), saved_project.run("show", name)):
            assert (result.exit, result.stdout) == (4, "")
            assert f"error[plan-altered]: the plan `{name}` was altered: it is {says}" in result.stderr
    assert saved_project.server.calls[before:] == []


def test_an_empty_plan_can_be_saved_and_applied(
    saved_project: SavedPlanProject,
) -> None:
    options = ("--target", "other")
    result = saved_project.plan(*options)
    assert "No changes." in result.stdout.splitlines()
    before = len(saved_project.server.writes)
    applied = saved_project.apply()
    assert (applied.exit, applied.stderr) == (0, "")
    assert "No changes." in applied.stdout.splitlines()
    assert saved_project.server.writes[before:] == []


def test_a_saved_plan_deletes_a_group_without_destination(
    saved_project: SavedPlanProject,
) -> None:
    """Regression: the removal was outside the scope of the plan, which counted as applied."""
    id = saved_project.find_id("half")
    saved_project.edit_file(
        MAIN_FILE,
        "  half:\n    destination:\n      profile: postgres\n"
        '      config: {host: half.example, password: {secret: "env:HALF_PASSWORD"}}\n',
        "",
    )
    saved_project.edit_file(MAIN_FILE, "removed:\n", f"removed:\n  - {{group: half, id: {id}}}\n")
    assert saved_project.plan("--target", "half").exit == 0
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stderr
    assert saved_project.server.writes[before:] == [f"DELETE /v1/groups/{id}"]


def remove_durations(text: str) -> str:
    """Remove durations from the text of a plan."""
    return re.sub(r" in \d+\.\d s", "", text)


def test_the_streams_are_kept_apart(saved_project: SavedPlanProject) -> None:
    saved_project.edit_file(
        OTHER_FILE, "profile: postgres", "profile: postgres\n      private_link_id: not_in_the_catalogue"
    )
    planned = saved_project.plan("--format", "json")
    assert (planned.exit, planned.stderr) == (0, "")
    assert planned.document["digest"] == saved_project.read_plan()["plan"]["digest"]
    shown = saved_project.run("show", "plan.json", "--format", "json")
    assert (shown.exit, shown.stderr) == (0, "")
    assert shown.document["changes"] == planned.document["changes"]
    assert shown.document["saved"]["is_expired"] is False
    markdown = saved_project.run("show", "plan.json", "--format", "markdown")
    assert remove_durations(markdown.stdout) == remove_durations(
        saved_project.run("plan", "--format", "markdown").stdout
    )
    applied = saved_project.apply("--format", "json")
    assert (applied.exit, applied.stderr) == (0, "")
    assert applied.document["plan"]["digest"] == planned.document["digest"]


# Blockers


def test_a_refused_plan_is_saved_shown_and_refused_again(saved_project: SavedPlanProject) -> None:
    saved_project.edit_file(PROJECT_FILE, "version: 1\n", "version: 1\nprotected: [old]\n")
    planned = saved_project.plan()
    assert planned.exit == 3
    assert "error[protected]" in planned.stderr
    assert "Apply exactly this plan" not in planned.stdout
    shown = saved_project.run("show", "plan.json")
    assert shown.exit == 0
    assert "error[protected]" in shown.stderr
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 3
    assert "error[protected]" in result.stderr
    document = saved_project.apply("--format", "json")
    assert (document.exit, document.stderr) == (3, "")
    assert [each["code"] for each in document.document["plan"]["blockers"]] == ["protected"]
    assert saved_project.server.writes[before:] == []


def test_a_limit_is_raised_by_an_option_of_apply(saved_project: SavedPlanProject) -> None:
    saved_project.edit_file(PROJECT_FILE, "limits: {", "limits: {deletes: 0, ")
    assert saved_project.plan().exit == 3
    assert saved_project.apply().exit == 3
    assert saved_project.apply("--allow", "deletes=1", "--reason", "as agreed").exit == 0


def test_a_change_blocked_after_review_is_refused_as_blocked(saved_project: SavedPlanProject) -> None:
    """User connections block a deletion, also a reviewed deletion."""
    saved_project.plan()
    saved_project.dashboard.add_connection(saved_project.old, "github", "github")
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 3
    assert "error[has-connections]" in result.stderr
    assert saved_project.server.writes[before:] == []


# Signatures


def test_a_plan_is_signed_and_checked_with_a_key_from_the_environment_or_a_file(
    saved_project: SavedPlanProject,
) -> None:
    (saved_project.folder / "key").write_text(saved_project.environ["PLAN_KEY"])
    file = ("--signature-key", "file:key")
    saved_project.plan(*KEY)
    first = saved_project.plan_file.read_bytes().splitlines()[1]
    assert re.fullmatch(rb' "signature": "[0-9a-f]{64}",', first)
    assert saved_project.run("show", "plan.json", *file).exit == 0
    assert saved_project.run("show", "plan.json").exit == 0
    assert saved_project.apply(*file, "--require-signature").exit == 0
    (saved_project.folder / "key").unlink()  # the leak detector would find it


@pytest.mark.parametrize("command", [["show"], ["apply"]])
def test_a_spec_file_in_place_of_a_plan_was_not_altered(
    saved_project: SavedPlanProject, command: list[str]
) -> None:
    result = saved_project.run(*command, "specs/groups/main.yaml")
    assert result.exit == 1
    assert (
        "error[plan-unreadable]: the plan `specs/groups/main.yaml` cannot be read: it is not in JSON"
        in result.stderr
    )


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
def test_an_unusable_signature_key_is_reported_before_any_request(
    saved_project: SavedPlanProject, reference: str, says: str
) -> None:
    saved_project.plan(*KEY)
    saved_project.environ |= {"SHORT_KEY": "fifteen-letters", "RECONCILER_KEY": "a-key-that-is-long-enough"}
    before = len(saved_project.server.calls)
    for arguments in (("plan", "--out", "other.json"), ("show", "plan.json"), ("apply", "plan.json")):
        result = saved_project.run(*arguments, "--signature-key", reference)
        assert (result.exit, result.stdout) == (1, ""), result.stderr
        assert "error[signature-key-unusable]" in result.stderr
        assert says in result.stderr
        assert "a-key-that-is-long-enough" not in result.stderr
    assert saved_project.server.calls[before:] == []
    assert not (saved_project.folder / "other.json").exists()


# Secrets


def remove_variable_parts(content: bytes) -> str:
    """Remove the variable parts of a plan file: seal, digests, fingerprints and times."""
    text = re.sub(rb'^\{"seal": "[0-9a-f]{64}"', b"", content).decode()
    text = re.sub(r'"[0-9a-f]{8}:[0-9a-f]{64}:', '"…:', text)
    text = re.sub(r'"digest": "[0-9a-f]{64}"', '"digest"', text)
    return re.sub(r'("(?:created_at|expires_at)": )"[^"]*"|("seconds": )[0-9.e-]+', r"\1\2…", text)


def test_two_plans_that_differ_in_secret_values_look_alike(saved_project: SavedPlanProject) -> None:
    """S-42: neither length, prefix nor old value is visible."""
    contents = []
    for sales, fresh in (("s", "f"), ("a-very-long-secret-of-sales" * 9, '{"k": "\n…"}'), ("s", "s")):
        saved_project.environ |= {"SALES_PASSWORD": sales, "FRESH_PASSWORD": fresh}
        assert saved_project.plan().exit == 0
        contents.append(saved_project.plan_file.read_bytes())
    assert len(set(contents)) == 3
    assert len(set(map(remove_variable_parts, contents))) == 1
    assert len(set(map(len, map(remove_variable_parts, contents)))) == 1
    digests = {json.loads(each)["content"]["plan"]["digest"] for each in contents}
    assert len(digests) == 1


def test_one_secret_used_twice_is_not_recognisable(saved_project: SavedPlanProject) -> None:
    saved_project.environ["FRESH_PASSWORD"] = saved_project.environ["SALES_PASSWORD"]
    saved_project.plan()
    fingerprints = [
        fingerprint.split(":")[1]
        for each in saved_project.read_plan()["expected"]
        for fingerprint in each["secrets"].values()
    ]
    assert len(fingerprints) == len(set(fingerprints)) >= 3


def test_a_plan_made_without_secrets_is_applied_without_secrets(
    saved_project: SavedPlanProject,
) -> None:
    saved_project.plan("--secrets", "skip", "--exclude", "fresh")
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stderr
    assert not [call for call in list_sent(saved_project, before) if "sales" in call or "fresh" in call]


def test_a_planned_resend_of_a_secret_is_applied(saved_project: SavedPlanProject) -> None:
    saved_project.plan("--resend-secret", "destination.orders", "--target", "orders")
    before = len(saved_project.server.writes)
    assert saved_project.apply().exit == 0
    assert list_sent(saved_project, before)["PATCH /v1/destinations/orders"] == {
        "region": "AWS_US_WEST_2",
        "config": {"password": "nobody-sees-orders"},
        "time_zone_offset": "0",
        "run_setup_tests": False,
    }


# Digests


def get_digest(saved_project: SavedPlanProject, *options: str) -> str:
    return str(saved_project.run("plan", "--format", "json", *options).document["digest"])


def test_an_approved_digest_is_applied_without_a_prompt(saved_project: SavedPlanProject) -> None:
    digest = get_digest(saved_project)
    before = len(saved_project.server.writes)
    result = saved_project.run("apply", "--expect", digest)
    assert result.exit == 0, result.stderr
    assert list_sent(saved_project, before) == EXPECTED_WRITES
    again = saved_project.run("apply", "--expect", digest)
    assert again.exit == 4
    assert "error[plan-applied]" in again.stderr


@pytest.mark.parametrize("what", ["digest", "specs", "account", "scope"])
def test_another_plan_than_the_approved_one_is_refused(saved_project: SavedPlanProject, what: str) -> None:
    digest = get_digest(saved_project)
    options: tuple[str, ...] = ()
    if what == "digest":
        digest = "0" * 64
    elif what == "specs":
        saved_project.edit_file(OTHER_FILE, "other.example", "other-2.example")
    elif what == "account":
        saved_project.dashboard.change_destination(saved_project.orders, region="GCP_US_EAST4")
    else:
        options = ("--target", "orders")
    before = len(saved_project.server.writes)
    result = saved_project.run("apply", "--expect", digest, *options)
    assert (result.exit, result.stdout) == (4, "")
    assert "error[plan-unlike]" in result.stderr
    document: Any = saved_project.run("apply", "--expect", digest, "--format", "json", *options).document
    assert document["exit"] == {"code": 4, "reason": "plan-refused"}
    assert saved_project.server.writes[before:] == []


def test_a_stopped_approved_digest_is_resumed(saved_project: SavedPlanProject) -> None:
    digest = get_digest(saved_project)
    saved_project.add_faults("POST /v1/destinations #1 status 400")
    assert saved_project.run("apply", "--expect", digest, "--parallelism", "1").exit == 6
    saved_project.server.app.faults.clear()
    before = len(saved_project.server.writes)
    result = saved_project.run("apply", "--expect", digest)
    assert result.exit == 0, result.stderr
    rest = {"POST /v1/destinations fresh", "POST /v1/destinations/fresh/test"}
    assert set(list_sent(saved_project, before)) == rest | {
        "DELETE /v1/destinations/old",
        "DELETE /v1/groups/old",
    }


def test_a_stopped_approved_digest_resumes_its_own_changes_only(saved_project: SavedPlanProject) -> None:
    digest = get_digest(saved_project)
    saved_project.add_faults("POST /v1/destinations #1 status 400")
    assert saved_project.run("apply", "--expect", digest, "--parallelism", "1").exit == 6
    saved_project.server.app.faults.clear()
    saved_project.edit_file(MAIN_FILE, "fresh.example", "fresh-2.example")
    before = len(saved_project.server.writes)
    result = saved_project.run("apply", "--expect", digest)
    assert (result.exit, result.stdout) == (4, "")
    assert "error[plan-spec-changed]: destination.fresh" in result.stderr
    assert saved_project.server.writes[before:] == []
