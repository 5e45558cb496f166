"""Check that an import may be killed before every operation on files: files stay whole, and the next import ends it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, Project
from importable_account import (
    BIG_QUERY,
    SNOWFLAKE,
    check_empty_plan,
    load_groups,
    make_group,
    read_texts,
)
from killable_run import RunKilled
from long_runs import small_and_large

OPTIONS = ("--into", "specs/new/in.yaml", "--ids-into", "specs/ids.yaml")
PROJECT = "version: 1\nspecs: ['groups/*.yaml']\noverrides: [ids.yaml]\n"
OWN = "version: 1\ngroups:\n  own: {id: own_id, name: Own}\n"


class FileKiller:
    """Killer of a run before an operation on files, after `allowed` of them. A dead run does nothing more."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.done = 0

    def wrap(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run_or_die(*arguments: Any, **options: Any) -> Any:
            if self.done >= self.allowed:
                raise RunKilled
            self.done += 1
            return operation(*arguments, **options)

        return run_or_die


def import_until(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch, allowed: int, options: Any
) -> bool:
    """Import, and kill the run before an operation. Returns whether the run was killed."""
    killer = FileKiller(allowed)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", killer.wrap(tempfile.mkstemp))
        patch.setattr(os, "link", killer.wrap(os.link))
        patch.setattr(os, "fsync", killer.wrap(os.fsync))
        for name in ("mkdir", "chmod", "replace", "unlink"):
            patch.setattr(Path, name, killer.wrap(getattr(Path, name)))
        try:
            result = project.run_against(server, "import", *options)
        except RunKilled:
            return True
    assert result.exit == 0, result.stdout + result.stderr
    return False


def write_project(project: Project) -> None:
    for file in sorted((project.folder / "specs").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    project.write("specs/reconciler.yaml", PROJECT)
    project.write("specs/groups/own.yaml", OWN)
    project.write("specs/ids.yaml", "version: 1\ngroups:\n  own: {name: Own}\n")


@small_and_large("step", 8, 1)
@pytest.mark.parametrize("options", [OPTIONS, ("--into", "specs/groups/own.yaml")], ids=["new", "changed"])
def test_an_import_may_be_killed_before_every_operation_on_files(
    project: Project,
    server: EmulatedFivetran,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    step: int,
) -> None:
    load_groups(
        server,
        make_group("own_id", "Own"),
        make_group("first_id", "Sales", SNOWFLAKE),
        make_group("twin_one", "Twin", BIG_QUERY),
        make_group("twin_two", "Twin", SNOWFLAKE),
    )
    write_project(project)
    before = read_texts(project.folder)
    assert not import_until(project, server, monkeypatch, 10**6, options)
    complete = read_texts(project.folder)
    allowed = kills = 0
    while True:
        write_project(project)
        if not import_until(project, server, monkeypatch, allowed, options):
            break
        kills += 1
        found = {name: text for name, text in read_texts(project.folder).items() if "/." not in name}
        assert all(text in {before.get(name), complete[name]} for name, text in found.items())
        assert found.keys() >= before.keys()
        assert project.run("validate").exit == 0
        assert project.run_against(server, "import", *options).exit == 0
        finished = read_texts(project.folder)
        assert {name: text for name, text in finished.items() if "/." not in name} == complete
        allowed += step
    assert kills * step >= 5
    check_empty_plan(project, server)
    assert server.writes == []


def test_an_import_that_cannot_go_on_reports_what_is_written(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file cannot be put in its place, and another program has broken the specs by then."""
    load_groups(
        server,
        make_group("own_id", "Own"),
        make_group("first_id", "Sales", SNOWFLAKE),
        make_group("second_id", "Finance", BIG_QUERY),
    )
    write_project(project)
    link = os.link

    def link_once(source: Any, target: Any) -> None:
        if not Path(target).name.startswith("big_query"):
            project.write("specs/groups/own.yaml", "version: 1\ngroups: [\n")
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(os, "link", link_once)
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1
    assert [entry["id"] for entry in result.document["imported"]] == ["second_id"]
    assert [each["id"] for each in result.document["left_out"]] == ["first_id"]
    codes = {each["code"] for each in result.document["diagnostics"]}
    assert codes == {"file-unwritable", "yaml-syntax", "not-imported"}
