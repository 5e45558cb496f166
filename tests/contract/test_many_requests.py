"""Check thousands of valid and invalid requests: no answer is a 500, breaks its shape or contradicts another answer.

A model holds the expected contents of every group and destination. It derives the form of answered values from the
documented behaviour, without code of the emulator.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from emulated_account import BASIC, EmulatedAccount
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from known_endpoints import AGENT, CERTIFICATE, FINGERPRINT, LINK, MANAGER, PROXY
from long_runs import small_and_large
from response_shapes import ENDPOINT_SHAPES, EndpointShape, check_response

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
plain = st.sampled_from(("alpha", "beta", "db.acme.example", "ÄÖ 漢", "a'b\"c", "%2F", "x" * 300))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
flags = st.sampled_from((True, False, "true", "False"))
ports = st.integers(1, 65_535)
numbers = ports | ports.map(str)


def parse_flag(value: Any) -> bool:
    """Return the answered value of a flag, which may be sent as text."""
    return value if isinstance(value, bool) else value.lower() == "true"


def to_upper_snake(value: str) -> str:
    """Convert `PrivateLink` to the form of lakes, `PRIVATE_LINK`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()


def keep(value: Any) -> Any:
    return value


def mask(_: Any) -> str:
    return "******"


# Fields of each service: the values to send, and the function that gives the answered value.
FIELDS: dict[str, dict[str, tuple[st.SearchStrategy[Any], Any]]] = {
    "snowflake": {
        "host": (plain, keep),
        "port": (numbers, str),
        "database": (plain, keep),
        "user": (plain, keep),
        "role": (plain, keep),
        "password": (plain, mask),
        "is_private_key_encrypted": (flags, parse_flag),
    },
    "postgres_warehouse": {
        "host": (plain, keep),
        "port": (numbers, str),
        "user": (plain, keep),
        "password": (plain, mask),
        "connection_type": (st.sampled_from(("Directly", "PrivateLink")), keep),
    },
    "managed_data_lake": {
        "port": (numbers, int),
        "catalog": (plain, keep),
        "snapshot_retention_period": (st.sampled_from(("ONE_DAY", "FOUR_WEEKS")), keep),
        "databricks_connection_type": (st.sampled_from(("Directly", "PrivateLink")), to_upper_snake),
        "should_maintain_tables_in_glue": (flags, parse_flag),
        "oauth2_secret": (plain, mask),
    },
    "big_query": {
        "project_id": (plain, keep),
        "bucket": (plain, keep),
        "data_set_location": (st.sampled_from(("US", "EU")), keep),
        "secret_key": (plain, mask),
    },
    "motherduck": {
        "database": (plain, keep),
        "threads": (ports, keep),
        "motherduck_token": (plain, mask),
    },
}
CLEARABLE = {"snowflake": ("role",), "managed_data_lake": ("catalog",), "big_query": ("bucket",)}
ANSWERED_AS = {"data_set_location": "location"}
SETTINGS: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "region": (st.sampled_from(("AWS_US_EAST_1", "GCP_US_EAST4", "AZURE_EASTUS2")), keep),
    "time_zone_offset": (st.sampled_from(("0", "-11", "+12", "+3")), keep),
    "daylight_saving_time_enabled": (flags, parse_flag),
    "networking_method": (st.just("Directly"), keep),
}
COMPANIONS = [
    each
    for each in ENDPOINT_SHAPES
    if not re.fullmatch(r"/v1/(groups|destinations)(/\{id\}(/test)?)?", each.path) or each.method == "GET"
]
SENSIBLE_BODIES: dict[str, dict[str, Any]] = {
    "certificates": CERTIFICATE,
    "fingerprints": FINGERPRINT,
    "hybrid-deployment-agents": AGENT,
    "re-auth": {"auth_type": "AUTO"},
    "proxy": PROXY,
    "private-links": LINK,
    "external-secrets-managers": MANAGER,
    "users": {"email": "new-user@acme.example", "role": "Destination Reviewer"},
    "{id}": {"config": {}},
}
KINDS = ("hybrid-deployment-agents", "proxy", "private-links", "external-secrets-managers")
QUERIES = ("", "?limit=0", "?limit=2", "?cursor=%00", "?active=x", "?limit=1&limit=2")


def draw_fields(draw: Any, fields: dict[str, tuple[st.SearchStrategy[Any], Any]]) -> tuple[dict, dict]:
    """Draw values of some fields. Returns the sent and the answered values."""
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    sent = {name: draw(fields[name][0]) for name in chosen}
    return sent, {ANSWERED_AS.get(name, name): fields[name][1](sent[name]) for name in chosen}


class RequestMachine(RuleBasedStateMachine):
    """State machine of one account and its expected contents."""

    total = 0

    def __init__(self) -> None:
        super().__init__()
        self.account = EmulatedAccount(listed_daylight_saving="true-to-state", test_answer="full")
        self.groups: dict[str, dict[str, Any]] = {}
        self.destinations: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.seen: list[str] = []

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request and check the shape of its answer."""
        type(self).total += 1
        answer = self.account.send(method, path, body, headers)
        assert answer.status < 500, self.account.list_failures()
        return answer

    def draw_id(self, data: st.DataObject, known: dict[str, Any]) -> str:
        """Draw an existing id in most cases, else a deleted or unknown id."""
        other_ids = [*self.groups, *self.deleted[-3:], "no_such", "..", "a b", "ü"]
        pool = list(known) if known and data.draw(st.integers(0, 4)) else other_ids
        return str(data.draw(st.sampled_from(pool)))

    def check_unchanged(self, identifier: str) -> None:
        """Check that reads answer as before."""
        for known, path in ((self.groups, "groups"), (self.destinations, "destinations")):
            answer = self.call("GET", f"/v1/{path}/{quote(identifier, safe='')}")
            if identifier in known:
                assert answer.data == known[identifier]
            else:
                assert answer.status == 404

    @initialize(data=st.data())
    def create_initial_objects(self, data: st.DataObject) -> None:
        """Create one destination of every service, and some groups without a destination."""
        for service in (*sorted(FIELDS), None, None, None):
            group = self.call("POST", "/v1/groups", {"name": f"first {service}"}).data
            self.groups[group["id"]] = group
            if service is not None:
                self.create_destination(data, group["id"], service, run=False)

    # Groups

    @rule(name=words | anything)
    def create_group(self, name: Any) -> None:
        answer = self.call("POST", "/v1/groups", {"name": name})
        assert answer.status == (201 if isinstance(name, str) and name else 400)
        if answer.status == 201:
            assert answer.data["name"] == name
            assert answer.data["id"] not in {*self.groups, *self.deleted}
            self.groups[answer.data["id"]] = answer.data

    @rule(data=st.data(), name=words)
    def rename_group(self, data: st.DataObject, name: str) -> None:
        identifier = self.draw_id(data, self.groups)
        answer = self.call("PATCH", f"/v1/groups/{quote(identifier, safe='')}", {"name": name})
        assert answer.status == (200 if identifier in self.groups else 404)
        if answer.status == 200:
            self.groups[identifier] = {**self.groups[identifier], "name": name}
        self.check_unchanged(identifier)

    @rule(data=st.data())
    def delete_group(self, data: st.DataObject) -> None:
        identifier = self.draw_id(data, self.groups)
        answer = self.call("DELETE", f"/v1/groups/{quote(identifier, safe='')}")
        if identifier not in self.groups:
            assert answer.status == 404
        elif identifier in self.destinations:
            assert answer.status == 409
        else:
            assert answer.status == 200
            del self.groups[identifier]
            self.deleted.append(identifier)
        self.check_unchanged(identifier)

    # Destinations

    @rule(data=st.data(), service=st.sampled_from(sorted(FIELDS)), run=flags)
    def create_any_destination(self, data: st.DataObject, service: str, run: Any) -> None:
        free = {key: each for key, each in self.groups.items() if key not in self.destinations}
        self.create_destination(data, self.draw_id(data, free), service, run)

    def create_destination(self, data: st.DataObject, identifier: str, service: str, run: Any) -> None:
        """Request a valid destination, which is created if its group exists and is free."""
        config, read_config = draw_fields(data.draw, FIELDS[service])
        fields, read_fields = draw_fields(data.draw, SETTINGS)
        body = {"group_id": identifier, "service": service, "time_zone_offset": "0", "run_setup_tests": run}
        answer = self.call("POST", "/v1/destinations", {**body, **fields, "config": config})
        if identifier not in self.groups:
            assert answer.status == 404
        elif identifier in self.destinations:
            assert answer.status == 409
        else:
            assert answer.status == 201, answer
            assert ("setup_tests" in answer.data) is parse_flag(run)
            expected = {"id": identifier, "group_id": identifier, "service": service, **read_fields}
            assert {key: answer.data[key] for key in expected} == expected
            assert {key: answer.data["config"][key] for key in read_config} == read_config
            answer.data.pop("setup_tests", None)
            self.destinations[identifier] = answer.data
        self.check_unchanged(identifier)

    @precondition(lambda self: self.destinations)
    @rule(data=st.data(), run=flags, version=st.sampled_from(("", ";version=2")))
    def patch_destination(self, data: st.DataObject, run: Any, version: str) -> None:
        identifier = data.draw(st.sampled_from(sorted(self.destinations)))
        before = self.destinations[identifier]
        config, read_config = draw_fields(data.draw, FIELDS[before["service"]])
        fields, read_fields = draw_fields(data.draw, SETTINGS)
        if "connection_type" in config and not version:
            config["connection_method"] = config.pop("connection_type")  # the name in version 1
        answer = self.call(
            "PATCH",
            f"/v1/destinations/{identifier}",
            {**fields, "config": config, "run_setup_tests": run},
            Accept=f"application/json{version}",
        )
        assert answer.status == 200, answer
        status = "connected" if parse_flag(run) else before["setup_status"]
        expected = {
            **before,
            **read_fields,
            "setup_status": status,
            "config": {**before["config"], **read_config},
        }
        self.destinations[identifier] = expected
        self.check_unchanged(identifier)

    @precondition(lambda self: any(each["service"] in CLEARABLE for each in self.destinations.values()))
    @rule(data=st.data())
    def clear_field(self, data: st.DataObject) -> None:
        able = sorted(key for key, each in self.destinations.items() if each["service"] in CLEARABLE)
        identifier = data.draw(st.sampled_from(able))
        name = data.draw(st.sampled_from(CLEARABLE[self.destinations[identifier]["service"]]))
        body = {"config": {name: None}, "run_setup_tests": False}
        assert self.call("PATCH", f"/v1/destinations/{identifier}", body).status == 200
        self.destinations[identifier]["config"].pop(name, None)
        self.check_unchanged(identifier)

    @rule(
        data=st.data(),
        body=st.dictionaries(st.sampled_from((*SETTINGS, "config", "service", "group_id", "x")), anything)
        | st.fixed_dictionaries(
            {
                "config": st.dictionaries(
                    st.sampled_from(sorted({n for f in FIELDS.values() for n in f})), anything
                )
            }
        )
        | anything,
    )
    def patch_with_anything(self, data: st.DataObject, body: Any) -> None:
        identifier = self.draw_id(data, self.destinations)
        answer = self.call("PATCH", f"/v1/destinations/{quote(identifier, safe='')}", body)
        assert answer.status in ({200, 400} if identifier in self.destinations else {400, 404})
        if answer.status == 200:
            answer.data.pop("setup_tests", None)
            self.destinations[identifier] = answer.data
        self.check_unchanged(identifier)

    @rule(
        body=st.dictionaries(st.sampled_from((*SETTINGS, "config", "service", "group_id")), anything)
        | anything
    )
    def create_from_anything(self, body: Any) -> None:
        assert self.call("POST", "/v1/destinations", body).status in {400, 404}

    @rule(data=st.data())
    def test_destination(self, data: st.DataObject) -> None:
        identifier = self.draw_id(data, self.destinations)
        answer = self.call("POST", f"/v1/destinations/{quote(identifier, safe='')}/test")
        assert answer.status == (200 if identifier in self.destinations else 404)
        if answer.status == 200:
            self.destinations[identifier] = {**self.destinations[identifier], "setup_status": "connected"}
            shown = {**answer.data}
            shown.pop("setup_tests")
            assert shown == self.destinations[identifier]
        self.check_unchanged(identifier)

    @rule(data=st.data())
    def delete_destination(self, data: st.DataObject) -> None:
        identifier = self.draw_id(data, self.destinations)
        answer = self.call("DELETE", f"/v1/destinations/{quote(identifier, safe='')}")
        assert answer.status == (200 if identifier in self.destinations else 404)
        self.destinations.pop(identifier, None)
        self.check_unchanged(identifier)

    # Lists

    @rule(limit=st.integers(1, 7))
    def check_lists(self, limit: int) -> None:
        assert self.list_pages("groups", limit) == list(self.groups.values())
        listed = {each["id"]: each for each in self.list_pages("destinations", limit)}
        assert listed == {
            key: {name: value for name, value in each.items() if name != "config"}
            for key, each in self.destinations.items()
        }

    def list_pages(self, path: str, limit: int) -> list[dict[str, Any]]:
        """List all items page by page, and check that each item is listed once."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.call("GET", f"/v1/{path}?limit={limit}{cursor}").data
            items += page["items"]
            if "next_cursor" not in page:
                assert len({each["id"] for each in items}) == len(items)
                return items
            assert len(page["items"]) == limit
            assert len(items) < len(self.groups) + 1
            cursor = f"&cursor={page['next_cursor']}"

    # Everything else

    @rule(data=st.data(), endpoint=st.sampled_from(COMPANIONS), sensible=st.booleans())
    def call_another_endpoint(self, data: st.DataObject, endpoint: EndpointShape, sensible: bool) -> None:
        pool = [*self.seen[-6:], *self.destinations] or ["no_such"]
        path = re.sub(r"\{\w+\}", lambda _: quote(data.draw(st.sampled_from(pool)), safe=""), endpoint.path)
        query = data.draw(st.sampled_from(QUERIES)) if endpoint.method == "GET" else ""
        body = SENSIBLE_BODIES.get(endpoint.path.rsplit("/", 1)[-1]) if sensible else data.draw(anything)
        answer = self.call(endpoint.method, path + query, body)
        self.record_ids(endpoint.method, answer)

    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def create_companion(self, data: st.DataObject, kind: str) -> None:
        body = {**SENSIBLE_BODIES[kind]}
        if "group_id" in body:
            body["group_id"] = data.draw(st.sampled_from([*self.groups, "no_such"]))
        for identifier in self.record_ids("POST", self.call("POST", f"/v1/{kind}", body)):
            assert self.call("GET", f"/v1/{kind}/{identifier}").status == 200
            self.check_listed(f"/v1/{kind}", identifier)

    def record_ids(self, method: str, answer: Any) -> list[str]:
        """Record the ids of objects that a request created or changed. Returns the ids of created objects."""
        shown = answer.json.get("data")
        if answer.status not in {200, 201} or method != "POST" or not isinstance(shown, dict):
            return []
        made = [shown[key] for key in ("id", "agent_id") if key in shown]
        self.seen += made
        return made if answer.status == 201 else []

    def check_listed(self, path: str, identifier: str) -> None:
        """Check that a list has an item once."""
        items = self.call("GET", f"{path}?limit=1000").data["items"]
        assert [each["id"] for each in items].count(identifier) == 1

    @rule(
        method=st.sampled_from(("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE", "BREW")),
        path=st.lists(
            st.sampled_from(("", "v1", "v2", "groups", "destinations", "test", "x", "..", "%2e", "%FF"))
            | words
        ),
        headers=st.dictionaries(
            st.sampled_from(("Accept", "Content-Type", "Authorization", "X-Other")),
            st.sampled_from(
                ("", "application/json", "text/html", "application/json;version=9", "Basic YTpi", "?")
            ),
        ),
        body=st.binary(max_size=40)
        | st.just(b"{}")
        | st.just(b'{"a":')
        | anything.map(lambda x: json.dumps(x).encode()),
    )
    def send_nonsense(self, method: str, path: list[str], headers: dict[str, str], body: bytes) -> None:
        type(self).total += 1
        target = "/" + "/".join(quote(each, safe="%.") for each in path)
        response = self.account.send_raw(method, target, headers={**BASIC, **headers}, data=body)
        if method != "HEAD":
            assert response.json is not None
            check_response(method, target, response.status_code, response.json)
        assert response.status_code < 500, self.account.list_failures()
        assert response.status_code >= 400 or method == "GET"

    def teardown(self) -> None:
        """Check that deleted objects stay deleted and that no request failed inside the emulator."""
        for identifier in self.deleted:
            self.check_unchanged(identifier)
        self.check_lists(limit=3)
        assert self.account.list_failures() == []
        self.account.emulator.close()


@small_and_large(("examples", "requests"), (10, 500), (60, 5_000))
def test_no_answer_is_a_500_or_contradicts_another(examples: int, requests: int) -> None:
    RequestMachine.total = 0
    run_state_machine_as_test(
        RequestMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert RequestMachine.total >= requests
