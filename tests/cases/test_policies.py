"""Every policy rule with a passed plan and a refused plan, as a terminal shows them.

Each folder of `policies/` is one rule. The texts are compared byte for byte, except for durations; `ACCEPT_PLANS=1`
accepts a change, which a reviewer then reads line by line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project
from plugin_packages import install_package

from reconciler.policy.rules import RULES

pytestmark = pytest.mark.sampled(every=6)

FOLDER = Path(__file__).parent / "policies"

PAIR = """\
  {key}:
    name: {name}
    destination:
      service: {service}
      region: {region}
      time_zone_offset: "0"
      {more}
      config: {{project_id: {project}, data_set_location: {place}}}
"""
LINKED = "networking_method: PrivateLink\n      private_link_id: pl_one"


def build_pair(key: str, **other: str) -> str:
    """Build a group with its destination."""
    usual = {
        "name": key.replace("_", " ").title(),
        "service": "big_query",
        "region": "GCP_EUROPE_WEST3",
        "more": "daylight_saving_time_enabled: true",
        "project": "acme",
        "place": "EU",
    }
    return PAIR.format(key=key, **{**usual, **other})


@dataclass(frozen=True)
class Case:
    """A policy with passed and refused specs. The specs in `before` are applied first, without the policy."""

    policy: str
    passed: str
    refused: str
    before: str = ""
    removed: tuple[str, ...] = ()
    prepare: Callable[[Path, pytest.MonkeyPatch], None] = field(default=lambda path, patch: None)


def install_freeze_rule(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with a rule about entries and plans."""
    code = """
        from reconciler.policy.base import Rule, Violation

        class Freeze(Rule):
            def __init__(self, settings):
                self.keys = settings["keys"]

            def check_entry(self, entry):
                if entry.key in self.keys and entry.value("region") != "GCP_EUROPE_WEST3":
                    yield Violation("moved while it is frozen", entry.get_address("region"), "region")

            def check_plan(self, plan_view):
                for change in plan_view.plan.effective:
                    if change.address.key in self.keys:
                        yield Violation(f"{change.action} while it is frozen", change.address, help="wait")
        """
    install_package(
        path / "site", monkeypatch, "acme_freeze", "reconciler.policies", "freeze = Freeze", code=code
    )


def install_failing_rule(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package whose rule raises for an entry in an unknown region."""
    code = """
        from reconciler.policy.base import Rule

        class Prices(Rule):
            def __init__(self, settings):
                self.prices = settings

            def check_entry(self, entry):
                self.prices[entry.value("region")]
                return ()
        """
    install_package(
        path / "site", monkeypatch, "acme_prices", "reconciler.policies", "prices = Prices", code=code
    )


SALES, STOCK = build_pair("sales_prod"), build_pair("stock_prod")
CASES = {
    "allowed-regions": Case(
        "allowed-regions: ['GCP_EUROPE_*', AWS_EU_WEST_1]",
        SALES,
        build_pair("sales_prod", region="AWS_US_EAST_1"),
    ),
    "allowed-services": Case(
        "allowed-services: [big_query]\n    because: nobody here knows anything else",
        SALES,
        build_pair("sales_prod", service="managed_big_query"),
    ),
    "allowed-networking": Case(
        "allowed-networking: [PrivateLink]\n    where: {key: '*_prod'}",
        build_pair("sales_prod", more=LINKED) + build_pair("sales_dev"),
        # An undeclared field gets the default of Fivetran.
        SALES + build_pair("sales_dev"),
    ),
    "key-pattern": Case("key-pattern: '[a-z]+_(dev|prod)'", SALES, build_pair("sales_productive")),
    "name-pattern": Case("name-pattern: '[A-Z].*'", SALES, build_pair("sales_prod", name="sales")),
    "require": Case(
        "require: {networking_method: PrivateLink, private_link_id: 'pl_*'}\n"
        "    where: {key: '*_prod', service: [big_query, snowflake]}\n"
        "    because: production data does not cross the public internet",
        build_pair("sales_prod", more=LINKED),
        SALES,
    ),
    "forbid": Case("forbid: {config.data_set_location: US}", SALES, build_pair("sales_prod", place="US")),
    "forbid-blanket-trust": Case(
        "forbid-blanket-trust: [certificates, fingerprints]",
        build_pair("sales_prod", more="trust: {certificates: none}"),
        build_pair("sales_prod", more="trust: {certificates: any, fingerprints: any}"),
    ),
    "at-most": Case(
        "at-most: {creates: 1, updates: '25%', replaces: 0, deletes: 0}",
        before=SALES + STOCK + build_pair("taxes_prod") + build_pair("old_prod"),
        passed=build_pair("sales_prod", place="US")
        + STOCK
        + build_pair("taxes_prod")
        + build_pair("old_prod")
        + build_pair("new_prod"),
        refused=build_pair("sales_prod", region="AWS_US_EAST_1")
        + build_pair("stock_prod", service="managed_big_query", more="lifecycle: {allow_replace: true}")
        + build_pair("taxes_prod", name="Duties")
        + build_pair("new_prod")
        + build_pair("newer_prod"),
        removed=("old_prod",),
    ),
    "at-most-risks": Case(
        "at-most: {interrupts: 2, region: 0, target: 1}",
        before=SALES + STOCK + build_pair("taxes_prod") + build_pair("wages_prod"),
        passed=build_pair("sales_prod", place="US")
        + STOCK
        + build_pair("taxes_prod", name="Duties")
        + build_pair("wages_prod"),
        refused=build_pair("sales_prod", place="US")
        + build_pair("stock_prod", project="other")
        + build_pair("taxes_prod", region="AWS_US_EAST_1")
        + build_pair("wages_prod"),
    ),
    "freeze": Case(
        "freeze: {keys: [sales_prod]}",
        before=SALES,
        passed=SALES + STOCK,
        refused=build_pair("sales_prod", region="AWS_US_EAST_1"),
        prepare=install_freeze_rule,
    ),
    "prices": Case(
        "prices: {GCP_EUROPE_WEST3: 1}\n    level: advisory",
        SALES,
        build_pair("sales_prod", region="AWS_US_EAST_1"),
        prepare=install_failing_rule,
    ),
}


class PolicyExample(AppliedProject):
    """A project with one policy and its account."""

    def __init__(self, case: Case, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server)
        self.case = case

    def declare_case(self, pairs: str, policy: str = "", removed: tuple[str, ...] = ()) -> None:
        """Write the specs, with the keys of the removed entries."""
        policies = f"policies:\n  - {policy}\n" if policy else ""
        self.write_settings(f"limits: {{deletes: 9}}\n{policies}")
        ids = {key: self.dashboard.find_group_ids(key.replace("_", " ").title())[0] for key in removed}
        self.write_specs(pairs, "".join(f"  - {{group: {key}, id: {id}}}\n" for key, id in ids.items()))

    def apply_before(self) -> None:
        """Apply the specs from before the policy."""
        if self.case.before:
            self.declare_case(self.case.before)
            self.must_apply("--parallelism", "1")


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def example(
    name: str, project: Project, server: EmulatedFivetran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PolicyExample:
    CASES[name].prepare(tmp_path, monkeypatch)
    example = PolicyExample(CASES[name], project, server)
    example.apply_before()
    return example


def check_agreed(name: str, what: str, result: CommandResult) -> None:
    text = re.sub(
        r"in \d+\.\d s", "in 0.0 s", result.stdout + (f"\n{result.stderr}" if result.stderr else "")
    )
    file = FOLDER / name / f"{what}.txt"
    if os.environ.get("ACCEPT_PLANS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_a_plan_passed_by_a_policy_is_applied(name: str, example: PolicyExample) -> None:
    example.declare_case(example.case.passed, example.case.policy)
    planned = example.run("plan", "-q")
    assert planned.exit == 0, planned.stderr
    check_agreed(name, "passed", planned)
    assert example.run("apply", "--auto-approve").exit == 0
    assert "No changes." in example.run("plan").stdout


def test_a_plan_refused_by_a_policy_is_not_applied(name: str, example: PolicyExample) -> None:
    example.declare_case(example.case.refused, example.case.policy, example.case.removed)
    before = example.server.writes
    planned = example.run("plan", "-q")
    assert planned.exit == 3, planned.stderr
    check_agreed(name, "refused", planned)
    assert example.run("apply", "--auto-approve").exit == 3
    assert example.server.writes == before


def test_a_refused_plan_is_applied_without_the_policy(name: str, example: PolicyExample) -> None:
    example.declare_case(example.case.refused, removed=example.case.removed)
    assert example.run("plan").exit == 0


def test_every_rule_has_an_example() -> None:
    assert {*RULES} <= {*CASES}
    assert {folder.name for folder in FOLDER.iterdir()} == {*CASES}
