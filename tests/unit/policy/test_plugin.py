"""Test rules of other packages: known without being loaded, and never trusted to be valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_packages import install_package

from reconciler.policy.load import parse_policies
from reconciler.policy.plugin import entry_points_by_name
from reconciler.spec.nodes import MappingNode, Sequence
from reconciler.spec.source import parse

GROUP = "reconciler.policies"


def parse_tables(text: str) -> list[MappingNode]:
    found = parse(f"policies:\n{text}", "specs/reconciler.yaml").get("policies")
    assert isinstance(found, Sequence)
    return [each for each in found.items if isinstance(each, MappingNode)]


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        (
            "def make(settings):\n    raise RuntimeError('canary')",
            "make",
            "its factory failed with RuntimeError in `acme`",
        ),
        ("def make(settings):\n    return 5", "make", "the factory of `acme` makes no `Rule`"),
        ("import canary_of_a_module", "make", "the module `canary_of_a_module` of `acme` is missing"),
        ("make = None", "make", "its factory failed with TypeError in `acme`"),
        (
            "from reconciler.policy.base import PolicyError\ndef make(settings):\n"
            "    raise PolicyError('`weeks` must be a number')",
            "make",
            "`weeks` must be a number",
        ),
    ],
)
def test_a_rule_that_cannot_be_created_is_an_error_at_its_settings(
    code: str, target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_package(tmp_path, monkeypatch, "acme", GROUP, f"freeze = {target}", code=code)
    policies, findings = parse_policies(parse_tables("  - freeze: {weeks: 3}\n"))
    assert policies == ()
    [finding] = findings
    assert finding.code == "bad-policy"
    assert finding.message == f"the rule `freeze` cannot be used: {message}"
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (2, 13)


def test_two_packages_with_the_same_rule_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme", "ajax"):
        install_package(tmp_path / name, monkeypatch, name, GROUP, "freeze = make", code="make = None")
    _, [finding] = parse_policies(parse_tables("  - freeze: 1\n"))
    assert "more than one package offers it: `acme`, `ajax`" in finding.message


def test_an_unused_rule_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_package(
        tmp_path, monkeypatch, "acme", GROUP, "freeze = make", code="raise RuntimeError('canary')"
    )
    assert list(entry_points_by_name()) == ["freeze"]
    policies, findings = parse_policies(parse_tables("  - key-pattern: '[a-z]+'\n"))
    assert [policy.name for policy in policies] == ["key-pattern"]
    assert findings == []


def test_a_misspelt_rule_gets_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_package(tmp_path, monkeypatch, "acme", GROUP, "freeze = make", code="make = None")
    _, [finding] = parse_policies(parse_tables("  - freze: 1\n"))
    assert finding.help == "did you mean `freeze`?"


def test_a_rule_gets_its_settings_as_plain_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
        from reconciler.policy.base import Rule

        class Freeze(Rule):
            def __init__(self, settings):
                self.settings = settings
        """
    install_package(tmp_path, monkeypatch, "acme", GROUP, "freeze = Freeze", code=code)
    written = "  - freeze: {weeks: 3, keys: [a, b]}\n    name: at-year-end\n    level: soft\n"
    [policy], findings = parse_policies(parse_tables(written))
    assert findings == []
    assert vars(policy.rule) == {"settings": {"weeks": 3, "keys": ["a", "b"]}}
    assert (policy.name, policy.kind, policy.level) == ("at-year-end", "freeze", "soft")
