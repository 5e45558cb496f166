"""Check that any input to groups and destinations is answered with an envelope and never with a 500."""

from __future__ import annotations

from typing import Any

from emulated_account import SNOWFLAKE, EmulatedAccount
from hypothesis import strategies as st
from hypothesis_settings import check_examples

from reconciler.catalogue.load import load_service, load_service_names

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
FIELDS = sorted(
    {
        name
        for service in load_service_names()
        for name in (load_service(service) or load_service("snowflake")).fields
    }  # type: ignore[union-attr]
)
TOP = (
    "region",
    "time_zone_offset",
    "networking_method",
    "private_link_id",
    "hybrid_deployment_agent_id",
    "local_processing_agent_id",
    "external_secrets_keys_config",
    "daylight_saving_time_enabled",
    "trust_certificates",
    "run_setup_tests",
    "config",
    "name",
    "service",
    "group_id",
)
configs = values | st.dictionaries(st.sampled_from(FIELDS), values, max_size=5)
bodies = values | st.dictionaries(st.sampled_from(TOP), values, max_size=6).flatmap(
    lambda body: configs.map(lambda config: {**body, "config": config})
)


@check_examples(
    method=st.sampled_from(("GET", "POST", "PATCH", "DELETE", "PUT")),
    path=st.sampled_from(
        (
            "/v1/groups",
            "/v1/groups/{id}",
            "/v1/destinations",
            "/v1/destinations/{id}",
            "/v1/destinations/{id}/test",
        )
    ),
    body=bodies,
    few=25,
    many=150,
)
def test_any_body_gets_an_envelope(method: str, path: str, body: Any) -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    answer = account.send(method, path.format(id=identifier), body)
    assert answer.status < 500, account.list_failures()
    account.emulator.close()


@check_examples(
    service=st.sampled_from(load_service_names()), config=configs, patch=configs, few=25, many=150
)
def test_any_config_can_be_created_or_is_refused(service: str, config: Any, patch: Any) -> None:
    account = EmulatedAccount()
    created = account.create_destination(service, config)
    assert created.status in {201, 400}, account.list_failures()
    if created.status == 201:
        identifier = created.data["id"]
        assert account.patch(f"/v1/destinations/{identifier}", {"config": patch}).status in {200, 400}
        assert account.get(f"/v1/destinations/{identifier}").status == 200, account.list_failures()
    account.emulator.close()
