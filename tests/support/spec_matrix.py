"""Right and wrong specs of every service, each wrong one with its one error and the place of it.

The right specs are written by hand, after Fivetran's setup guides; the expectations follow from the way in which a spec
was broken, and not from the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

SECRET = '{{secret: "env:{name}"}}'
SECRETS = {
    "password",
    "private_key",
    "personal_access_token",
    "sasl_plain_key",
    "sasl_plain_secret",
    "secret_value",
}
"""Fields of the right specs that are secrets: their value is the reference."""

_DATABASE = {
    "host": "db.example.com",
    "port": "5432",
    "user": "fivetran",
    "database": "analytics",
    "password": "",
}
_KAFKA = {
    "bootstrap_servers": '["kafka-1.example.com:9092"]',
    "sasl_mechanism": "SCRAM_SHA_512",
    "sasl_plain_key": "",
    "sasl_plain_secret": "",
}
_BIG_QUERY = {"project_id": "acme", "data_set_location": "EU"}
_AZURE_LAKE = {
    "storage_account_name": "acmelake",
    "container_name": "lake",
    "tenant_id": "00000000-0000-4000-8000-000000000001",
    "client_id": "00000000-0000-4000-8000-000000000002",
    "secret_value": "",
}
_ROLE = '"arn:aws:iam::123456789012:role/lake"'
_AWS_LAKE = {
    "storage_provider": "AWS",
    "bucket": "acme-lake",
    "region": "eu-central-1",
    "fivetran_role_arn": _ROLE,
}
_DATABASES = (
    "aurora_postgres_warehouse",
    "aurora_warehouse",
    "azure_postgres_warehouse",
    "azure_sql_data_warehouse",
    "azure_sql_database",
    "azure_sql_managed_db_warehouse",
    "maria_rds_warehouse",
    "maria_warehouse",
    "mysql_rds_warehouse",
    "mysql_warehouse",
    "oracle_rac_warehouse",
    "oracle_rds_warehouse",
    "oracle_warehouse",
    "panoply",
    "periscope_warehouse",
    "postgres_databricks_warehouse",
    "postgres_gcp_warehouse",
    "postgres_rds_warehouse",
    "postgres_warehouse",
    "redshift",
    "sql_server_rds_warehouse",
    "sql_server_warehouse",
)
_FREE = (
    "clickhouse",
    "materialize",
    "milvus",
    "motherduck",
    "singlestore",
    "surrealdb_destination",
    "teradata_destination",
)
CONFIGS: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(_DATABASES, _DATABASE),
    **{service: {"host": "db.example.com"} for service in _FREE},
    "adls": _AZURE_LAKE,
    "aiven_kafka_wh": _KAFKA,
    "aws_msk_wh": _KAFKA,
    "big_query": _BIG_QUERY,
    "big_query_dts": _BIG_QUERY,
    "confluent_cloud_wh": _KAFKA,
    "databricks": {
        "server_host_name": "adb-1.azuredatabricks.net",
        "port": "443",
        "http_path": "/sql/1.0/warehouses/abc",
        "catalog": "main",
        "auth_type": "PERSONAL_ACCESS_TOKEN",
        "personal_access_token": "",
    },
    "databricks_via_managed_data_lake": _AWS_LAKE,
    "managed_big_query": _BIG_QUERY,
    "managed_data_lake": _AWS_LAKE,
    "new_s3_datalake": {"bucket": "acme-lake", "region": "eu-central-1", "fivetran_role_arn": _ROLE},
    "onelake": {
        "workspace_guid": "00000000-0000-4000-8000-000000000003",
        "lakehouse_guid": "00000000-0000-4000-8000-000000000004",
        **_AZURE_LAKE,
    },
    "snowflake": {
        "host": "acme.snowflakecomputing.com",
        "port": "443",
        "user": "FIVETRAN",
        "database": "ANALYTICS",
        "auth": "KEY_PAIR",
        "private_key": "",
    },
}

_NEEDED = {
    **dict.fromkeys(_DATABASES, ("host", "user", "database")),
    "adls": ("storage_account_name", "container_name", "tenant_id", "client_id", "secret_value"),
    "aiven_kafka_wh": ("bootstrap_servers",),
    "aws_msk_wh": ("bootstrap_servers",),
    "big_query": ("project_id",),
    "big_query_dts": ("project_id",),
    "confluent_cloud_wh": ("bootstrap_servers",),
    "databricks": ("server_host_name", "http_path", "catalog"),
    "new_s3_datalake": ("bucket", "fivetran_role_arn"),
    "onelake": ("workspace_guid", "lakehouse_guid", "tenant_id", "client_id", "secret_value"),
    "snowflake": ("host", "user", "database"),
}
"""Fields whose absence is missed at the destination."""

_KAFKA_DEMANDS = {"sasl_plain_key": "sasl_mechanism", "sasl_plain_secret": "sasl_mechanism"}
_LAKE_DEMANDS = {"bucket": "storage_provider", "fivetran_role_arn": "storage_provider"}
_NEEDED_BECAUSE: Mapping[str, Mapping[str, str]] = {
    "aiven_kafka_wh": _KAFKA_DEMANDS,
    "aws_msk_wh": _KAFKA_DEMANDS,
    "confluent_cloud_wh": _KAFKA_DEMANDS,
    "databricks": {"personal_access_token": "auth_type"},
    "databricks_via_managed_data_lake": _LAKE_DEMANDS,
    "managed_data_lake": _LAKE_DEMANDS,
    "snowflake": {"private_key": "auth"},
}
"""Fields that another field demands, which the error points at."""

_NO_TUNNEL = {
    "aiven_kafka_wh",
    "aws_msk_wh",
    "big_query",
    "big_query_dts",
    "confluent_cloud_wh",
    "databricks",
    "managed_big_query",
    "new_s3_datalake",
    "onelake",
}
_NO_PRIVATE_LINK = {
    "oracle_rac_warehouse",
    "oracle_rds_warehouse",
    "oracle_warehouse",
    "postgres_databricks_warehouse",
}
_CHOICES = {
    "auth": ("snowflake",),
    "auth_type": ("databricks", "redshift", "panoply", "periscope_warehouse"),
    "auth_method": ("postgres_warehouse", "postgres_rds_warehouse", "postgres_gcp_warehouse"),
    "storage_provider": ("managed_data_lake", "databricks_via_managed_data_lake"),
    "sasl_mechanism": ("aiven_kafka_wh", "aws_msk_wh", "confluent_cloud_wh"),
    "connection_type": ("mysql_warehouse", "oracle_warehouse", "sql_server_warehouse", "adls"),
    "snapshot_retention_period": ("onelake", "new_s3_datalake"),
}


@dataclass(frozen=True)
class SpecModel:
    """Spec of one destination, a field a line. `top` and `config` are YAML texts by field; `environ` are the values of
    its references."""

    service: str
    top: Mapping[str, str]
    config: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    def with_top(self, **fields: str | None) -> SpecModel:
        return replace(self, top=_merge(self.top, fields))

    def with_config(self, **fields: str | None) -> SpecModel:
        return replace(self, config=_merge(self.config, fields))

    def with_value(self, name: str, value: str) -> SpecModel:
        """The spec with a field of either kind behind a visible reference to this value."""
        variable = f"VALUE_OF_{name}".upper()
        text = f'{{value: "env:{variable}"}}'
        spec = replace(self, environ={**self.environ, variable: value})
        return spec.with_top(**{name: text}) if name in _TOP else spec.with_config(**{name: text})

    def render(self) -> str:
        return "\n".join(self._render_lines()) + "\n"

    def _render_lines(self) -> list[str]:
        lines = ["version: 1", "groups:", "  orders:"]
        lines += [f"    id: {self.id}"] if self.id else []
        lines += ["    destination:", f"      service: {self.service}"]
        lines += [f"      {name}: {text}" for name, text in self.top.items()]
        lines += ["      config:" if self.config else "      config: {}"]
        return lines + [f"        {name}: {text}" for name, text in self.config.items()]

    def locate(self, name: str, *, on_key: bool = False) -> tuple[int, int]:
        """Line and column of the value of a field, or of its key; of the destination for `destination`."""
        for number, line in enumerate(self._render_lines(), 1):
            key, _, _ = line.partition(":")
            if key.strip() == name:
                is_key = on_key or name == "destination"
                return number, len(key) - len(name) + 1 if is_key else len(key) + 3
        raise LookupError(name)


_TOP = (
    "region",
    "time_zone_offset",
    "daylight_saving_time_enabled",
    "networking_method",
    "private_link_id",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
)


def _merge(fields: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**fields, **changes}
    return {name: text for name, text in merged.items() if text is not None}


@dataclass(frozen=True)
class WrongSpec:
    """Spec with one mistake. `line` and `column` are where its error stands."""

    id: str
    spec: SpecModel
    code: str
    line: int
    column: int


def build_right_spec(service: str) -> SpecModel:
    """Build a complete spec of a service."""
    config = {
        name: SECRET.format(name=name.upper()) if name in SECRETS else text
        for name, text in CONFIGS[service].items()
    }
    environ = {name.upper(): f"canary-of-{name}" for name in config if name in SECRETS}
    return SpecModel(service, {"region": "AWS_US_EAST_1", "time_zone_offset": '"0"'}, config, environ)


def list_wrong_specs() -> list[WrongSpec]:
    """List the wrong specs of all services."""
    return [wrong for service in sorted(CONFIGS) for wrong in _break(service)]


def _break(service: str) -> Iterator[WrongSpec]:
    right = build_right_spec(service)

    def wrong(mistake: str, spec: SpecModel, code: str, place: str, *, on_key: bool = False) -> WrongSpec:
        return WrongSpec(f"{service}: {mistake}", spec, code, *spec.locate(place, on_key=on_key))

    no_offset = right.with_top(time_zone_offset=None)
    yield wrong("no offset", no_offset, "missing-field", "destination")
    yield wrong("a region of AWS", right.with_top(region="us-east-1"), "unknown-value", "region")
    yield wrong("an empty region", right.with_top(region='""'), "unknown-value", "region")
    nowhere = right.with_value("region", "nono")
    yield wrong("a region that is none, by reference", nowhere, "unknown-value", "region")
    late = right.with_value("time_zone_offset", "+99")
    yield wrong("an offset out of range, by reference", late, "bad-time-zone", "time_zone_offset")
    summer = right.with_value("daylight_saving_time_enabled", "perhaps")
    yield wrong("a truth value, by reference", summer, "wrong-type", "daylight_saving_time_enabled")
    agents = right.with_top(proxy_agent_id="one", hybrid_deployment_agent_id="two")
    yield wrong("two agents", agents, "conflicting-fields", "proxy_agent_id", on_key=True)
    if service not in _NO_PRIVATE_LINK:
        link = right.with_top(networking_method="PrivateLink")
        yield wrong("a link that is not named", link, "missing-field", "networking_method")
    for name in _NEEDED.get(service, ()):
        yield wrong(f"no {name}", right.with_config(**{name: None}), "missing-field", "destination")
    for name, demanding in _NEEDED_BECAUSE.get(service, {}).items():
        yield wrong(f"no {name}", right.with_config(**{name: None}), "missing-field", demanding)
    if service in _NO_TUNNEL:
        tunnel = right.with_top(networking_method="SshTunnel")
        yield wrong("no tunnel", tunnel, "unsupported-networking", "networking_method")
    if service in _NO_PRIVATE_LINK:
        link = right.with_top(networking_method="PrivateLink", private_link_id="link")
        yield wrong("no private link", link, "unsupported-networking", "networking_method")
    if service in _DATABASES and service not in _NO_PRIVATE_LINK:
        yield from _contradict(right, wrong)
    if "port" in right.config:
        yield wrong("a port in words", right.with_value("port", "abc"), "wrong-type", "port")
        yield wrong("a port beyond all", right.with_value("port", "70000"), "out-of-range", "port")
    for name, services in _CHOICES.items():
        if service in services:
            yield wrong(f"a wrong {name}", right.with_value(name, "nono"), "unknown-value", name)
    name = next(iter(right.config))
    if service not in _FREE and not right.config[name].startswith("["):
        masked = right.with_value(name, "******")
        yield wrong("a mask, by reference", masked, "mask-literal", name)
    if not right.config[name].startswith("["):
        token = right.with_value(name, "glpat-abcdefghijklmnopqrst")
        yield wrong("a token, by reference", token, "literal-secret", name)
    for name in sorted(SECRETS & right.config.keys()):
        literal = right.with_config(**{name: "written-out"})
        yield wrong(f"{name} written out", literal, "literal-secret", name)


def _contradict(right: SpecModel, wrong: Callable[..., WrongSpec]) -> Iterator[WrongSpec]:
    direct = right.with_top(networking_method="Directly").with_config(connection_type="PrivateLink")
    yield wrong("direct and private", direct, "conflicting-fields", "connection_type")
    link = right.with_top(networking_method="PrivateLink", private_link_id="link")
    link = link.with_config(connection_type="Directly")
    yield wrong("private and direct", link, "conflicting-fields", "connection_type")


def list_partial_specs(service: str, id: str) -> list[tuple[SpecModel, bool]]:
    """List specs that declare a part of an existing destination, each with whether the specs name its id. Where they do
    not, its group is found by name."""
    whole = build_right_spec(service)
    nothing = replace(whole, top={}, config={})
    parts = [
        nothing,
        nothing.with_top(region="AWS_EU_CENTRAL_1"),
        nothing.with_top(time_zone_offset='"+1"'),
        nothing.with_top(daylight_saving_time_enabled="true"),
        *(nothing.with_config(**{name: text}) for name, text in whole.config.items()),
        replace(whole, top={}),
        replace(whole, config={}),
    ]
    parts = [replace(part, environ=whole.environ) for part in parts]
    return [(replace(part, id=id), True) for part in parts] + [(parts[0], False), (parts[-1], False)]
