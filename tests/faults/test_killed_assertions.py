"""Check that a run killed at any point leaves an assertion with its mark, or nothing of it (S-01, S-02)."""

from __future__ import annotations

import pytest
from kill_scenarios import ScenarioRun, list_file_steps, prepare_scenario
from killable_run import KillPoint, KillTrigger
from scenarios import PASSWORD, SNOWFLAKE, Scenario, ScenarioSetup, with_config

from reconciler.emulator.setup_tests import SetupTest
from reconciler.model.address import DESTINATION, Address
from reconciler.model.record import NO_FINGERPRINT, is_asserted

FINANCE, SALES = Address(DESTINATION, "finance"), Address(DESTINATION, "sales")
PAIRS, SECRET = (FINANCE, SALES), ("config", "password")
CHANGE = ("update destination.finance", "test destination.finance")


def add_foreign_pairs(setup: ScenarioSetup) -> None:
    """Add two pairs that another tool made, and assert their passwords in all runs."""
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    dashboard = setup.host.app.dashboard
    for name in ("finance", "sales"):
        config = {**SNOWFLAKE["config"], "password": PASSWORD}
        dashboard.add_destination(
            dashboard.add_group(name), "snowflake", region=SNOWFLAKE["region"], config=config
        )


def declare_unchanged(setup: ScenarioSetup) -> None:
    add_foreign_pairs(setup)
    setup.declare({"finance": {"destination": SNOWFLAKE}, "sales": {"destination": SNOWFLAKE}})


def declare_other_user(setup: ScenarioSetup) -> None:
    add_foreign_pairs(setup)
    changed = with_config(SNOWFLAKE, user="OTHER")
    setup.declare({"finance": {"destination": changed}, "sales": {"destination": SNOWFLAKE}})


def fail_tests_of_other_user(setup: ScenarioSetup) -> None:
    failing = SetupTest("Permission Test", "FAILED", "no access")
    declare_other_user(setup)
    setup.host.app.dashboard.script_setup_tests(group_name="finance", finally_always=[failing])


NOTHING_ELSE = Scenario("assertion alone", declare_unchanged, ())
WITH_CHANGE = Scenario("assertion with a change", declare_other_user, CHANGE)
WITH_FAILED_TESTS = Scenario("assertion with failed tests", fail_tests_of_other_user, CHANGE)


def assert_secrets(run: ScenarioRun) -> None:
    run.account.options = {"asserts_secrets": True, "reason": "taken over"}


def read_passwords(run: ScenarioRun) -> dict[Address, str]:
    """Read the stored texts of the passwords."""
    state = run.account.state
    records = state.records if state is not None else {}
    return {address: record.fingerprints[SECRET] for address, record in records.items() if address in PAIRS}


def check_marks(run: ScenarioRun) -> None:
    """Check that no fingerprint is stored without its mark: no run has sent a password."""
    for stored in read_passwords(run).values():
        assert stored == NO_FINGERPRINT or is_asserted(stored)


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("scenario", [NOTHING_ELSE, WITH_CHANGE, WITH_FAILED_TESTS], ids=str)
def test_a_run_killed_at_a_step_of_its_files_leaves_no_fingerprint_without_its_mark(
    scenario: Scenario,
) -> None:
    with prepare_scenario(scenario) as undisturbed:
        assert_secrets(undisturbed)
        steps = len(undisturbed.run().steps)
    assert steps >= len(list_file_steps(scenario)), "an assertion is written too"
    for number in range(1, steps + 1):
        with prepare_scenario(scenario) as run:
            assert_secrets(run)
            run.run(kill_step=number)
            check_marks(run)
            run.run()
            check_end(run, scenario)


@pytest.mark.sampled(every=8)
@pytest.mark.parametrize("point", KillPoint)
@pytest.mark.parametrize("call", CHANGE)
def test_a_run_killed_in_a_call_leaves_the_assertion_before_the_call(call: str, point: KillPoint) -> None:
    with prepare_scenario(WITH_CHANGE) as run:
        assert_secrets(run)
        run.run(KillTrigger(call, point))
        assert [*map(is_asserted, read_passwords(run).values())] == [True, True]
        run.account.options = {}  # the next run asserts nothing: the assertion is recorded
        run.run()
        check_end(run, WITH_CHANGE)


def check_end(run: ScenarioRun, scenario: Scenario) -> None:
    """Check the assertions after a run to the end: failed tests refute an assertion, and only theirs."""
    is_refuted = scenario is WITH_FAILED_TESTS
    assert {address: is_asserted(stored) for address, stored in read_passwords(run).items()} == {
        FINANCE: not is_refuted,
        SALES: True,
    }
    check_marks(run)
