"""The proof of planned files: what does not plan empty is assigned to its entry, without a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from importable_account import PASSWORD, SNOWFLAKE, make_group
from in_process_harness import InProcessProject, open_project

from reconciler.emulator.seed import Seed
from reconciler.importing.draft import load_project
from reconciler.importing.file_plan import FilePlan, PlannedFile, WriteStage
from reconciler.importing.options import ImportOptions
from reconciler.importing.proof import Proof, prove_entries
from reconciler.workspace.workspace import Workspace

HEAD = "version: 1\n"
PROFILES = (
    "profiles:\n  shared:\n    service: snowflake\n    region: AWS_EU_CENTRAL_1\n    time_zone_offset: '0'\n"
)
GROUPS = "groups:\n  one:\n    id: one_id\n    name: One\n"
OTHER = "  two:\n    id: two_id\n    name: Two\n"


@contextmanager
def open_workspace(project: InProcessProject) -> Iterator[Workspace]:
    """Open the workspace of a project without a spec file, over an account with two groups."""
    groups = [make_group("one_id", "One", SNOWFLAKE), make_group("two_id", "Two")]
    project.app.load_seed(Seed.model_validate({"version": 1, "groups": groups}))
    project.leak_detector.add_secret("PASSWORD", PASSWORD)
    project.write_project_file(specs=["groups/*.yaml"])
    project.options = {"compare_secrets": False}
    specs = load_project(project.build_settings(), ImportOptions())
    with project.open_workspace(specs) as workspace:
        yield workspace


def prove_text(text: str, users: Mapping[str, frozenset[str]] | None = None) -> Proof:
    """Prove a new file with the entries `one` and `two`."""
    with open_project() as project, open_workspace(project) as workspace:
        path = project.folder / "groups/new.yaml"
        file = PlannedFile(path, "groups/new.yaml", None, text, WriteStage.NEW_SPECS)
        plan = FilePlan((file,), profile_users=users or {})
        return prove_entries(workspace, plan, {"one", "two"})


def test_entries_as_they_are_live_hold() -> None:
    assert prove_text(HEAD + GROUPS + OTHER).holds


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("    destination: {service: snowflake, config: {database: OTHER}}\n", "one", "`config.database`"),
        (
            "    destination: {service: snowflake, config: {databse: RAW}}\n",
            "one",
            "no config field `databse`",
        ),
        ("    destination: {service: nonsense, profile: none}\n", "one", "`none`"),
        ("    destination: {service: big_query}\n", "one", "service"),
    ],
)
def test_an_entry_that_does_not_plan_empty_is_named_with_its_field(text: str, key: str, reason: str) -> None:
    proof = prove_text(HEAD + GROUPS + text + OTHER)
    assert proof.refuted.keys() == {key}
    assert reason in proof.refuted[key].reason
    assert "OTHER" not in proof.refuted[key].reason
    assert proof.unassigned == ()


def test_an_entry_of_a_missing_group_would_be_created() -> None:
    proof = prove_text(HEAD + GROUPS + OTHER.replace("two_id", "gone_id"))
    assert proof.refuted.keys() == {"two"}


def test_an_error_in_a_profile_is_about_the_entries_that_name_it() -> None:
    broken = PROFILES.replace("AWS_EU_CENTRAL_1", "[AWS]")
    destination = "    destination: {profile: shared}\n"
    proof = prove_text(HEAD + broken + GROUPS + destination + OTHER, {"shared": frozenset({"one"})})
    assert proof.refuted.keys() == {"one"}


def test_an_error_of_the_whole_file_belongs_to_no_entry() -> None:
    proof = prove_text(GROUPS + OTHER)
    assert proof.refuted == {}
    [refutation] = proof.unassigned
    assert "version" in refutation.reason
