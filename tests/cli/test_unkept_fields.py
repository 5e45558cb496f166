"""Test fields that Fivetran accepts and does not keep: named as such, and neither drift nor a change for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from applied_project import AppliedProject
from cli_harness import Project, serve_fivetran
from remote_backends import BRANCH, BareRepository

from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)

ORDERS = """\
  orders:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {host: acme.snowflakecomputing.com, port: 443, database: ORDERS, auth: PASSWORD, user: FIVETRAN,
        password: {secret: "env:ORDERS_KEY"}, role: LOADER}
"""
Start = Callable[[str], "UnkeptProject"]


class UnkeptProject(AppliedProject):
    """A project with one pair, against a Fivetran that does not keep some fields."""

    def declare_role(self, role: str = "LOADER", extra: str = "") -> None:
        self.write_settings()
        self.write_specs(ORDERS.replace("LOADER", role) + extra)

    def list_unkept(self) -> list[str]:
        """The messages about fields that Fivetran did not keep."""
        warnings = self.plan("--format", "json").document["warnings"]
        return [each["message"] for each in warnings if each["code"] == "not-kept"]

    def assert_silent(self) -> None:
        """Assert that neither plan nor drift shows a change, and that an apply sends nothing."""
        plan = self.plan("--detailed-exitcode")
        assert plan.exit == 0, plan.stdout
        for drift in (("drift",), ("plan", "--drift-only")):
            result = self.run(*drift, "--detailed-exitcode")
            assert (result.exit, "No drift." in result.stdout) == (0, True), result.stdout
        assert self.list_apply_writes() == []

    @property
    def record(self) -> dict[str, object]:
        return dict(self.read_state()["records"]["destination.orders"])


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """Start an account with the given `unkept_fields`, and a project in it."""
    with ExitStack() as stack:

        def start_account(fields: str) -> UnkeptProject:
            server = stack.enter_context(serve_fivetran(behaviour=Behaviour(unkept_fields=fields)))
            return UnkeptProject(project, server, {"ORDERS_KEY": "password-of-orders"})

        yield start_account


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ("config.role", "its answers do not have it"),
        ("config.role=PUBLIC", "it answers `PUBLIC`"),
    ],
)
def test_a_field_that_is_not_kept_is_named_and_no_drift(start: Start, fields: str, answer: str) -> None:
    unkept = start(fields)
    unkept.declare_role()
    first = unkept.apply()
    message = f"`config.role` of destination.orders was sent, and Fivetran did not keep it: {answer}"
    assert first.exit == 0, first.stdout + first.stderr
    assert message in first.stderr
    for _ in range(2):
        unkept.assert_silent()
        assert unkept.list_unkept() == [message]
    [entry] = [
        each
        for each in unkept.plan("--format", "json").document["unchanged"]
        if each["address"] == "destination.orders"
    ]
    assert entry["not_kept"] == [["config", "role"]]


def test_a_top_level_field_that_is_not_kept_is_no_drift(start: Start) -> None:
    unkept = start("daylight_saving_time_enabled,region=AWS_EU_WEST_1")
    unkept.write_settings()
    unkept.write_specs(ORDERS.replace('"0"', '"0"\n      daylight_saving_time_enabled: true'))
    unkept.must_apply()
    unkept.assert_silent()
    assert len(unkept.list_unkept()) == 2, "an immutable field of them leads to no refused replacement"


def test_a_third_value_is_drift_and_is_corrected(start: Start) -> None:
    unkept = start("config.role=PUBLIC")
    unkept.declare_role()
    unkept.must_apply()
    id = unkept.find_id("orders")
    unkept.dashboard.change_destination(id, config={"role": "ACCOUNTADMIN"})
    drift = unkept.run("drift", "--detailed-exitcode")
    assert (drift.exit, '-> "ACCOUNTADMIN"' in drift.stdout) == (2, True)
    assert f"PATCH /v1/destinations/{id}" in unkept.list_apply_writes()
    unkept.assert_silent()


def test_an_edit_of_a_field_that_is_not_kept_is_sent_once(start: Start) -> None:
    unkept = start("config.role=PUBLIC")
    unkept.declare_role()
    unkept.must_apply()
    unkept.declare_role("SYSADMIN")
    [change] = unkept.plan("--format", "json").document["changes"]
    assert [(field["path"], field["origin"]) for field in change["fields"]] == [(["config", "role"], "spec")]
    assert len(unkept.list_apply_writes()) == 2
    unkept.assert_silent()
    unkept.declare_role("PUBLIC")
    unkept.assert_silent()
    assert unkept.list_unkept() == []
    assert "answers" not in unkept.record


def test_an_update_of_another_field_keeps_the_answer(start: Start) -> None:
    unkept = start("config.role")
    unkept.declare_role()
    unkept.must_apply()
    unkept.write_specs(ORDERS.replace("ORDERS,", "ORDERS_2027,"))
    [patch] = [write for write in unkept.list_apply_writes() if write.startswith("PATCH")]
    [body] = unkept.server.list_bodies("PATCH", patch.partition(" ")[2])
    assert body["config"] == {"database": "ORDERS_2027"}
    unkept.assert_silent()


def test_a_field_that_fivetran_keeps_later_is_no_longer_named(start: Start) -> None:
    unkept = start("config.role=PUBLIC")
    unkept.declare_role()
    unkept.must_apply()
    assert unkept.record["answers"] == {"config": {"role": "PUBLIC"}}
    unkept.dashboard.change_destination(unkept.find_id("orders"), config={"role": "LOADER"})
    unkept.assert_silent()
    assert unkept.list_unkept() == []
    unkept.dashboard.change_destination(unkept.find_id("orders"), config={"role": "PUBLIC"})
    drift = unkept.run("drift", "--detailed-exitcode")
    assert drift.exit == 2, "the answer of the past is no excuse any more"


def test_an_answer_in_a_hidden_field_is_stored_as_a_fingerprint(start: Start) -> None:
    unkept = start("config.brand_new=answer-that-stays-hidden")
    unkept.write_settings()
    hidden = ORDERS + "      extra_config: {brand_new: sent-and-hidden}\n"
    unkept.write_specs(hidden)
    first = unkept.apply()
    assert "Fivetran did not keep it: it answers another value" in first.stderr
    unkept.assert_silent()
    assert unkept.list_unkept() == [
        "`config.brand_new` of destination.orders was sent, and Fivetran did not keep it: it answers another value"
    ]
    assert "brand_new" in str(unkept.record["answer_fingerprints"])
    for text in (unkept.state_file.read_text(), unkept.plan("--format", "json").stdout, first.stderr):
        assert "stays-hidden" not in text


def test_an_unknown_field_that_is_dropped_is_named(start: Start) -> None:
    unkept = start("config.brand_new")
    unkept.write_settings()
    unkept.write_specs(ORDERS + "      extra_config: {brand_new: sent-and-hidden}\n")
    unkept.must_apply()
    unkept.assert_silent()
    assert unkept.list_unkept() == [
        "`config.brand_new` of destination.orders was sent, and Fivetran did not keep it: its answers do not have it"
    ]


def test_a_field_that_cannot_be_cleared_is_named(project: Project) -> None:
    """The other form of a cleared id changes nothing, and a later plan must not try it for ever."""
    with serve_fivetran(behaviour=Behaviour(unkept_fields="private_link_id")) as server:
        unkept = UnkeptProject(project, server, {"ORDERS_KEY": "password-of-orders"})
        unkept.declare_role()
        unkept.must_apply()
        unkept.dashboard.change_destination(unkept.find_id("orders"), private_link_id="pl_one")
        unkept.write_specs(ORDERS.replace('"0"', '"0"\n      private_link_id: null'))
        unkept.must_apply()
        unkept.assert_silent()
        [message] = unkept.list_unkept()
        assert message.endswith("it answers `pl_one`")


def test_a_stopped_check_is_made_up_for_by_the_next_apply(start: Start) -> None:
    """A run that was killed before its last check has recorded no answer: the field is sent once more."""
    unkept = start("config.role")
    unkept.declare_role()
    unkept.must_apply()
    text = unkept.state_file.read_text()
    record = unkept.record
    assert record["answers"] == {"config": {"role": None}}
    start_of_answers = text.index('"answers": {')
    end = text.index("},", text.index("}", start_of_answers)) + 2
    unkept.state_file.write_text(text[:start_of_answers] + text[end:])
    assert "answers" not in unkept.record
    assert len(unkept.list_apply_writes()) == 2
    unkept.assert_silent()


def test_a_record_without_answers_has_the_keys_of_the_earlier_release(start: Start) -> None:
    unkept = start("none")
    unkept.declare_role()
    unkept.must_apply()
    new_keys = {"answers", "answer_fingerprints", "settled_status", "awaited_approvals"}
    assert not new_keys & unkept.record.keys()


def test_an_answer_with_a_secret_is_neither_shown_nor_stored(start: Start) -> None:
    """The account answers a public field with the password of the spec."""
    unkept = start("config.role=password-of-orders")
    unkept.declare_role()
    first = unkept.apply()
    assert first.exit == 0, first.stdout + first.stderr
    unkept.assert_silent()
    assert len(unkept.list_unkept()) == 1
    assert "role" in str(unkept.record["answer_fingerprints"])
    for text in (unkept.state_file.read_text(), unkept.plan().stderr, first.stdout + first.stderr):
        assert "password-of-orders" not in text


def test_answers_are_recorded_at_a_remote_place_too(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unkept = start("config.role=PUBLIC")
    upstream = BareRepository(tmp_path_factory.mktemp("remote") / "upstream.git")
    upstream.clone(unkept.folder)
    unkept.write_settings(f'state: "git:origin/{BRANCH}"\n')
    unkept.write_specs(ORDERS)
    unkept.must_apply()
    assert '"role": "PUBLIC"' in upstream.read_files()["state.json"]
    assert unkept.plan("--detailed-exitcode").exit == 0
    assert unkept.list_apply_writes() == []
