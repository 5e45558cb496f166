"""Writing of planned files: whole or not at all, never over a change of another program."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.importing.file_plan import PlannedFile, WriteStage
from reconciler.importing.writing import write_files


def plan_new(path: Path, text: str = "new\n") -> PlannedFile:
    return PlannedFile(path, path.name, None, text, WriteStage.NEW_SPECS)


def plan_change(path: Path, before: str = "before\n", after: str = "after\n") -> PlannedFile:
    return PlannedFile(path, path.name, before, after, WriteStage.CHANGED_SPECS)


def list_files(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def test_files_are_written_with_their_folders_and_modes(tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_bytes(b"\xef\xbb\xbfbefore\r\n")
    changed.chmod(0o640)
    mask = os.umask(0o027)
    try:
        result = write_files(
            [plan_new(tmp_path / "a/b/new.yaml"), plan_change(changed, "\ufeffbefore\r\n", "\ufeffäfter\r\n")]
        )
    finally:
        os.umask(mask)
    assert [file.shown for file in result.written] == ["new.yaml", "changed.yaml"]
    assert result.problems == {}
    assert changed.read_bytes() == "\ufeffäfter\r\n".encode()
    assert stat.S_IMODE(changed.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "a/b/new.yaml").stat().st_mode) == 0o640
    assert list_files(tmp_path) == {"new.yaml", "changed.yaml"}


def test_a_link_keeps_its_target_whose_content_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.yaml", tmp_path / "link.yaml"
    target.write_text("before\n")
    link.symlink_to(target)
    assert write_files([plan_change(link)]).problems == {}
    assert link.is_symlink()
    assert target.read_text() == "after\n"


def test_no_file_is_written_if_one_cannot_be_prepared(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder\n")
    result = write_files([plan_new(tmp_path / "first.yaml"), plan_new(blocked / "second.yaml")])
    assert result.written == ()
    assert [problem.code for problem in result.problems.values()] == ["file-unwritable"]
    assert list_files(tmp_path) == {"file"}


def test_a_changed_file_ends_the_work_and_what_stands_before_it_is_written(tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text("of another program\n")
    result = write_files(
        [plan_new(tmp_path / "first.yaml"), plan_change(changed), plan_new(tmp_path / "last.yaml")]
    )
    assert [file.shown for file in result.written] == ["first.yaml"]
    assert {path.name: problem.code for path, problem in result.problems.items()} == {
        "changed.yaml": "file-changed"
    }
    assert changed.read_text() == "of another program\n"
    assert list_files(tmp_path) == {"first.yaml", "changed.yaml"}


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text("of another program\n")
    [problem] = write_files([plan_new(path)]).problems.values()
    assert problem.code == "file-changed"
    assert path.read_text() == "of another program\n"


def test_a_file_that_is_gone_is_not_created_again(tmp_path: Path) -> None:
    [problem] = write_files([plan_change(tmp_path / "gone.yaml")]).problems.values()
    assert problem.code in {"file-changed", "file-unwritable"}
    assert list_files(tmp_path) == set()
