"""Test the paths that messages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec.files import display_path


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("work/specs/a.yaml", "specs/a.yaml"),
        ("work/specs/../a.yaml", "a.yaml"),
        ("work/specs/../../states/shop.json", "../states/shop.json"),
        ("work/link/../a.yaml", "link/../a.yaml"),  # beside the folder that the link leads to
        ("work/link/../../work/a.yaml", "a.yaml"),
        ("other/a.yaml", "{root}/other/a.yaml"),
        ("other/../a.yaml", "{root}/a.yaml"),
    ],
)
def test_a_path_is_shown_as_short_as_it_leads_to_the_same_file(file: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "work" / "specs").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "work" / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    assert display_path(tmp_path / file, tmp_path / "work") == shown.format(root=tmp_path)
