"""Test that accepted files are written whole, and that an error names the files that were written before."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.importing.accept_model import ChangedFile
from reconciler.importing.changed_files import mask_lines_at, write_changed_files
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.source import Span
from reconciler.spec.edit import read_file_text
from reconciler.spec.files import SpecPath

TOO_LONG = "b" * 245 + ".yaml"
"""Name that a file can have, and its temporary file beside it cannot."""


def make_change(folder: Path, name: str) -> ChangedFile:
    file = folder / name
    file.write_text("version: 1\n")
    return ChangedFile(read_file_text(SpecPath(file, name)), "version: 1\n# new\n")


def test_no_file_is_written_if_one_cannot_be_prepared(tmp_path: Path) -> None:
    changes = [make_change(tmp_path, "a.yaml"), make_change(tmp_path, TOO_LONG)]
    with pytest.raises(ReconcilerError) as refusal:
        write_changed_files(changes)
    [diagnostic] = refusal.value.diagnostics
    assert (diagnostic.code, diagnostic.help) == ("file-unwritable", "make the file and its folder writable")
    assert (tmp_path / "a.yaml").read_text() == (tmp_path / TOO_LONG).read_text() == "version: 1\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_names_the_files_that_were_written_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [make_change(tmp_path, "a.yaml"), make_change(tmp_path, "b.yaml")]
    replace_file = Path.replace

    def replace_first(source: Path, target: Path) -> Path:
        if target.name == "b.yaml":
            raise OSError(28, "No space left on device")
        return replace_file(source, target)

    monkeypatch.setattr(Path, "replace", replace_first)
    with pytest.raises(ReconcilerError) as refusal:
        write_changed_files(changes)
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.code == "file-unwritable" and "written before: `a.yaml`" in diagnostic.notes
    assert (tmp_path / "a.yaml").read_text() == "version: 1\n# new\n"
    assert (tmp_path / "b.yaml").read_text() == "version: 1\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_file_stops_the_first_write(tmp_path: Path) -> None:
    changes = [make_change(tmp_path, "a.yaml"), make_change(tmp_path, "b.yaml")]
    (tmp_path / "b.yaml").unlink()
    with pytest.raises(ReconcilerError) as refusal:
        write_changed_files(changes)
    assert [diagnostic.code for diagnostic in refusal.value.diagnostics] == ["file-changed"]
    assert (tmp_path / "a.yaml").read_text() == "version: 1\n"


def test_no_part_of_a_hidden_text_is_shown() -> None:
    text = "a:\n  b: {c: 1, d: hidden, e: hidden}\n  f: |\n    user: hidden\n    hidden\n  g: shown\n"
    spans = [
        Span("a.yaml", 2, 16, 2, 22),
        Span("a.yaml", 2, 27, 2, 33),
        Span("a.yaml", 3, 6, 5, 11),
        Span("b.yaml", 6, 6, 6, 11),
    ]
    masked = mask_lines_at("a.yaml", text, spans)
    assert masked == {
        "  b: {c: 1, d: hidden, e: hidden}": "  b: {c: 1, d: ••••••••",
        "  f: |": "  f: ••••••••",
        "    user: hidden": "    ••••••••",
        "    hidden": "    ••••••••",
    }
