"""Test that spec files are written whole or not at all, and that no change of another program is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.edit import check_current, read_file_text, rewrite
from reconciler.spec.files import SpecPath

TEXT = "\ufeffversion: 1\r\ngroups: {}\r\n"


def _make(folder: Path) -> SpecPath:
    file = folder / "a.yaml"
    file.write_bytes(TEXT.encode())
    return SpecPath(file, "a.yaml")


def _expect_code(error: pytest.ExceptionInfo[ReconcilerError], code: str) -> None:
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == [code]


def test_a_text_keeps_its_byte_order_mark_line_ends_and_mode(tmp_path: Path) -> None:
    path = _make(tmp_path)
    path.file.chmod(0o640)
    read = read_file_text(path)
    assert read.text == TEXT
    rewrite(path, f"{TEXT}# more\r\n")
    assert path.file.read_bytes() == f"{TEXT}# more\r\n".encode()
    assert path.file.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]


def test_a_change_of_another_program_is_seen(tmp_path: Path) -> None:
    path = _make(tmp_path)
    read = read_file_text(path)
    check_current(read)
    path.file.write_text("version: 1\n")
    with pytest.raises(ReconcilerError) as refusal:
        check_current(read)
    _expect_code(refusal, "file-changed")
    path.file.unlink()
    with pytest.raises(ReconcilerError) as refusal:
        check_current(read)
    _expect_code(refusal, "file-changed")


def test_a_link_keeps_its_target(tmp_path: Path) -> None:
    path = _make(tmp_path)
    link = tmp_path / "link.yaml"
    link.symlink_to("a.yaml")
    rewrite(SpecPath(link, "link.yaml"), "version: 1\n")
    assert link.is_symlink() and path.file.read_text() == "version: 1\n"


def test_a_file_without_its_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as refusal:
        rewrite(SpecPath(tmp_path / "gone" / "a.yaml", "gone/a.yaml"), TEXT)
    _expect_code(refusal, "file-unwritable")
    assert list(tmp_path.iterdir()) == []
