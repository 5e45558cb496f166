"""The seed in the guide to the emulator is an account of which nothing gets lost."""

from __future__ import annotations

from typing import Any

from cli_harness import ROOT, Project
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

GUIDE = ROOT / "reconciler" / "guides" / "emulator.md"


def read_seed() -> str:
    """Read the YAML block of the guide."""
    (block,) = (
        token.content for token in MarkdownIt().parse(GUIDE.read_text()) if token.info.startswith("yaml")
    )
    return block


def list_values(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[tuple[str | int, ...], str]]:
    """List all values of a document with their paths."""
    if isinstance(value, dict):
        return {found for key, item in value.items() for found in list_values(item, (*path, key))}
    if isinstance(value, list):
        return {found for index, item in enumerate(value) for found in list_values(item, (*path, index))}
    return {(path, repr(value))}


def test_the_seed_of_the_guide_is_listed_completely(project: Project) -> None:
    project.write("seed.yaml", read_seed())
    listing = ("--list", "--format", "json", "--show-secrets")
    listed = project.run("emulate", "--seed", "seed.yaml", *listing)
    assert listed.exit == 0, listed.stderr
    assert list_values(YAML(typ="safe").load(read_seed())) <= list_values(listed.document)
    project.write("again.json", listed.stdout)
    assert project.run("emulate", "--seed", "again.json", *listing).document == listed.document
