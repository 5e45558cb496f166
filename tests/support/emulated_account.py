"""Call an emulated account over plain HTTP, without the client of the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fake_clock import TickingClock
from response_shapes import check_response
from werkzeug.test import Client, TestResponse

from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.switches import NO_ECHO, Behaviour

BASIC = {"Authorization": "Basic a2V5OnNlY3JldA=="}  # key:secret
VERSION_2 = {"Accept": "application/json;version=2"}
JSON_TYPE = {"Content-Type": "application/json"}

SNOWFLAKE = {
    "host": "acme.snowflakecomputing.com",
    "port": 443,
    "database": "FIVETRAN",
    "auth": "PASSWORD",
    "user": "LOADER",
    "password": "correct horse",
}
LAKE = {
    "storage_provider": "AWS",
    "bucket": "acme-lake",
    "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
    "prefix_path": "raw",
    "region": "eu-central-1",
}
POSTGRES = {
    "host": "db.acme.example",
    "port": 5432,
    "user": "loader",
    "password": "correct horse",
    "database": "warehouse",
    "connection_type": "Directly",
}
BIG_QUERY = {"project_id": "acme-prod", "data_set_location": "EU", "secret_key": "{}"}


@dataclass(frozen=True)
class ParsedResponse:
    """Status, parsed JSON and headers."""

    status: int
    json: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["code"]


class EmulatedAccount:
    """Emulator with a caller that asserts the shape of every answer."""

    def __init__(self, *, version: int = 2, app: Mapping[str, Any] | None = None, **behaviour: Any) -> None:
        self.clock = TickingClock()
        options = {"behaviour": Behaviour(**behaviour), "clock": self.clock, **(app or {})}
        self.emulator: Emulator = create_app(**options)
        self.dashboard = self.emulator.dashboard
        self._accept = {"Accept": f"application/json;version={version}"}
        self._client = Client(self.emulator)

    def send_raw(self, method: str, path: str, **options: Any) -> TestResponse:
        return self._client.open(path, method=method, **options)

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> ParsedResponse:
        all_headers = {**BASIC, **self._accept, **(headers or {})}
        if method in {"POST", "PATCH"}:
            response = self.send_raw(method, path, headers=all_headers, json={} if body is None else body)
        else:
            response = self.send_raw(method, path, headers=all_headers)
        assert response.content_type == "application/json;charset=UTF-8"
        assert response.json is not None
        may_break = self.emulator.faults.active() or self.emulator.behaviour.echo != NO_ECHO
        if not may_break:  # a fault and an echo may break anything
            check_response(method, path.split("?", maxsplit=1)[0], response.status_code, response.json)
        return ParsedResponse(response.status_code, response.json, dict(response.headers))

    def get(self, path: str) -> ParsedResponse:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None) -> ParsedResponse:
        return self.send("POST", path, body)

    def patch(self, path: str, body: Any = None) -> ParsedResponse:
        return self.send("PATCH", path, body)

    def delete(self, path: str) -> ParsedResponse:
        return self.send("DELETE", path)

    def create_group(self, name: str = "analytics") -> str:
        """Create a group. Returns its id."""
        return str(self.post("/v1/groups", {"name": name}).data["id"])

    def create_destination(self, service: str, config: Any = None, **fields: Any) -> ParsedResponse:
        """Create a destination in a new group, without setup tests unless requested."""
        body = {
            "group_id": fields.get("group_id") or self.create_group(),
            "service": service,
            "time_zone_offset": "0",
            "run_setup_tests": False,
            **fields,
        }
        return self.post("/v1/destinations", body if config is None else {**body, "config": config})

    def must_create(self, service: str, config: Any = None, **fields: Any) -> str:
        """Create a destination and assert that it exists. Returns its id."""
        response = self.create_destination(service, config, **fields)
        assert response.status == 201, response
        return str(response.data["id"])

    def list_failures(self) -> list[str]:
        """List the tracebacks of answers 500."""
        return [exchange.failure for exchange in self.emulator.read_history() if exchange.failure]
