"""Test that the offered `removed:` line has the same meaning once it is pasted, for every group name."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model.diagnostic import select_errors
from reconciler.model.removal import Extent
from reconciler.model.sanitize import to_one_line
from reconciler.spec.characters import find_forbidden_in_value
from reconciler.spec.removal import parse_removals, render_removal
from reconciler.spec.schema import SPEC_LEVELS, SpecFile, validate_model
from reconciler.spec.source import parse
from reconciler.spec.spec_text import parse_texts

EXTENTS = st.sampled_from([*Extent])


def parse_removal_line(line: str) -> tuple[str, str, str | None, Extent, bool]:
    """Parse a line that was printed and pasted."""
    text = f"version: 1\nremoved:\n  {to_one_line(line)}\n"
    texts = parse_texts(parse(text, "main.yaml"), text)
    assert not select_errors(texts.findings)
    [each] = parse_removals(texts.root, validate_model(SpecFile, texts.root, SPEC_LEVELS).removed)
    return each.key, each.id, each.name, each.extent, each.with_platform_connection


@given(st.none() | st.text(), EXTENTS)
@example("Café  crème\u00a0", Extent.PAIR)
@example(' "quoted" \\ `code` # {a: b}, [c] ', Extent.PAIR)
@example("##[error]##vso[x]", Extent.DESTINATION)
@example("\u3000 tab\tand\nline", Extent.PAIR)
@example("no", Extent.MANAGEMENT)
@example("${TEAM} of $${ORG}", Extent.PAIR)
@example("", Extent.PAIR)
def test_a_pasted_line_equals_the_offered_removal(name: str | None, extent: Extent) -> None:
    if name is not None and find_forbidden_in_value(name):
        return  # such a name is not offered
    platform = extent is not Extent.MANAGEMENT
    line = render_removal("web_prod", "good_id", name, extent, with_platform_connection=platform)
    assert "\n" not in line
    assert "`" not in line
    assert parse_removal_line(line) == ("web_prod", "good_id", name, extent, platform)


@pytest.mark.parametrize("id", ["123", "1e5", "true", "null", "-abc", "decent_dropsy", "0x1f", "0"])
@pytest.mark.parametrize("key", ["true", "null", "web_prod"])
def test_keys_and_ids_stay_text(key: str, id: str) -> None:
    assert parse_removal_line(render_removal(key, id))[:2] == (key, id)
