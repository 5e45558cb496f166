"""Generate seeds of the emulator: accounts that exist already, as an import finds them.

A seed is plain data (`version: 1`), so that tests can load it into an emulator or write it to a file for
`emulate --seed`. The same arguments give the same account. Every secret contains `CANARY`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fake_clock import FakeClock
from imported_specs import read_live_groups

from reconciler.catalogue.creation_checks import find_unmet_needs
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.seed import Seed
from reconciler.emulator.switches import Behaviour
from reconciler.importing.model import LiveGroup
from reconciler.model.plan import LiveConnection

Document = dict[str, Any]

CANARY = "Canary"
"""Part of every secret of a generated account."""
UNKNOWN_SERVICE = "quantum_store"
LEGACY_SERVICE = "adls"
REGIONS = ("AWS_EU_CENTRAL_1", "AWS_US_EAST_1", "GCP_US_EAST4", "AZURE_WESTEUROPE")

_TRICKY_NAMES = (
    "Zürich & Söhne",
    "Finance",
    "finance",
    "Sales / EMEA",
    "2024 Archive",
    "Twins",
    "Twins",
    "Trailing blank ",
    "Größe & Maß",
    "Données ${ENV}",
    "R&D",
    "???",
    "東京 warehouse",
    'O\'Brien: "quoted" #1',
    "Москва",
    "Fivetran Internal",
)
"""Names that are hard to turn into keys: two groups have one name, and two differ in case only."""
_TEAMS = ("marketing", "sales", "support", "growth", "supply_chain", "risk", "people", "platform", "billing")
_STAGES = ("prod", "dev", "staging", "sandbox")
_CONNECTORS = ("google_ads", "salesforce", "postgres", "stripe", "hubspot", "github", "jira", "google_sheets")


def build_typical_account(seed: int = 1) -> Document:
    """Build an account of 60 groups: 11 services that the catalogue knows and support, one unknown and one legacy
    service, two groups without a destination, 25 with connections, some unhealthy, and names of every kind."""
    rng = random.Random(seed)
    names = [*_TRICKY_NAMES, *_list_plain_names(60 - len(_TRICKY_NAMES))]
    makers = _list_typical_makers()
    groups = []
    for number, name in enumerate(names):
        word = f"g{number:02}"
        group = _build_group(rng, number, name)
        if name == "???" or number == 40:
            pass  # no destination
        elif number == 41:
            group["destination"] = _build_unknown_destination(rng, word)
        elif number == 42:
            group["destination"] = build_destination(rng, LEGACY_SERVICE, word)
        else:
            service, make_config = makers[number % len(makers)]
            group["destination"] = _build_typical_destination(rng, service, make_config(rng, word))
        groups.append(group)
    for group in rng.sample([group for group in groups if "destination" in group], 25):
        group["connections"] = _build_connections(rng, group["id"])
    return {
        "version": 1,
        "account": {"id": "account_typical", "name": "Typical"},
        "groups": rng.sample(groups, len(groups)),
    }


def build_large_account(count: int, seed: int = 1, services: Sequence[str] | None = None) -> Document:
    """Build an account of `count` groups, each with a destination; all services of the catalogue in turn."""
    rng = random.Random(seed)
    chosen = tuple(services or load_service_names())
    groups = []
    for number in range(count):
        name = f"{rng.choice(_TEAMS)} {rng.choice(_STAGES)} {number}"
        group = _build_group(rng, number, name.title() if number % 2 else name)
        group["destination"] = build_destination(rng, chosen[number % len(chosen)], f"g{number}")
        groups.append(group)
    return {"version": 1, "account": {"id": "account_large", "name": "Large"}, "groups": groups}


def build_destination(rng: random.Random, service_name: str, word: str) -> Document:
    """Build a destination of any service of the catalogue: what a creation needs, and a part of all other fields.
    `word` distinguishes its values from those of other destinations."""
    service = load_service(service_name)
    assert service is not None
    config = _build_config(rng, service, word)
    destination: Document = {
        "service": service_name,
        "region": rng.choice(REGIONS),
        "time_zone_offset": rng.choice(["0", "+1", "-5"]),
        "daylight_saving_time_enabled": rng.random() < 0.2,
        "config": config,
        "setup_status": _choose_status(rng),
    }
    method = config.get("connection_type")
    if method in ("PrivateLink", "SshTunnel"):
        destination["networking_method"] = method
    if method == "PrivateLink":
        destination["private_link_id"] = f"pl_{word}"
    return destination


def open_account(seed: Mapping[str, Any], **behaviour: Any) -> Emulator:
    """Open an emulator with the content of a seed and with switches."""
    app = create_app(behaviour=Behaviour(**behaviour), clock=FakeClock().now)
    app.load_seed(Seed.model_validate(seed))
    return app


def read_seed(
    seed: Mapping[str, Any], *, with_connections: bool = False, **behaviour: Any
) -> list[LiveGroup]:
    """Read all groups of a seed as the API shows them, with destinations, in the order of the list."""
    connections = {
        group["id"]: tuple(
            LiveConnection(f"{group['id']}_{number}", connection["service"])
            for number, connection in enumerate(group.get("connections", []))
        )
        for group in seed["groups"]
    }
    return read_live_groups(open_account(seed, **behaviour), connections if with_connections else None)


def list_clear_secrets(seed: Mapping[str, Any]) -> set[str]:
    """List all secrets of a seed in clear."""
    texts = (text for group in seed["groups"] for text in _iter_texts(group))
    return {text for text in texts if CANARY in text}


def _iter_texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for member in value.values() for text in _iter_texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in _iter_texts(member)]
    return [value] if isinstance(value, str) else []


def _build_group(rng: random.Random, number: int, name: str) -> Document:
    return {"id": f"id_{number:05}_{rng.randrange(16**4):04x}", "name": name}


def _list_plain_names(count: int) -> list[str]:
    """List names of teams and stages, some with a title's capitals."""
    pairs = [(team, stage) for stage in _STAGES for team in _TEAMS]
    pairs += [(team, f"{stage}_2") for team, stage in pairs]
    return [
        f"{team}_{stage}" if number % 3 else f"{team} {stage}".replace("_", " ").title()
        for number, (team, stage) in enumerate(pairs[:count])
    ]


def _choose_status(rng: random.Random) -> str:
    return rng.choices(["connected", "incomplete", "broken"], [20, 1, 1])[0]


def _build_connections(rng: random.Random, group_id: str) -> list[Document]:
    services = rng.sample(_CONNECTORS, rng.randint(1, 5))
    return [
        {"service": service, "schema": f"{service}_{group_id}", "setup_state": "connected"}
        for service in services
    ]


def _build_unknown_destination(rng: random.Random, word: str) -> Document:
    return {
        "service": UNKNOWN_SERVICE,
        "region": "AWS_EU_CENTRAL_1",
        "time_zone_offset": "+1",
        "config": {
            "endpoint": f"{word}.quantum.example",
            "api_token": _make_secret(rng),
            "qubits": 7,
            "nested": {"level": "one", "passphrase": _make_secret(rng)},
        },
        "setup_status": "connected",
    }


def _build_typical_destination(rng: random.Random, service: str, config: Document) -> Document:
    return {
        "service": service,
        "region": rng.choices(REGIONS, [50, 2, 1, 1])[0],
        "time_zone_offset": rng.choices(["+1", "0", "-5"], [50, 2, 1])[0],
        "networking_method": rng.choice(["Directly", None]),
        "config": config,
        "setup_status": _choose_status(rng),
    }


_ConfigMaker = Callable[[random.Random, str], Document]


def _list_typical_makers() -> list[tuple[str, _ConfigMaker]]:
    """List the services of the typical account, with the makers of their configs: most groups of a company share
    all but hosts, databases, users and secrets."""
    others: list[tuple[str, _ConfigMaker]] = [
        ("big_query", _make_big_query),
        ("redshift", _make_redshift),
        ("databricks", _make_databricks),
        ("postgres_rds_warehouse", _make_database(5432)),
        ("managed_data_lake", _make_lake),
        ("azure_sql_database", _make_database(1433)),
        ("mysql_warehouse", _make_database(3306)),
        ("postgres_warehouse", _make_database(5432)),
        ("sql_server_warehouse", _make_database(1433)),
        ("clickhouse", _make_clickhouse),
    ]
    # Companies have one main warehouse.
    return [maker for other in others for maker in (("snowflake", _make_snowflake), other)]


def _make_secret(rng: random.Random) -> str:
    return f"{CANARY}{rng.randrange(16**12):012x}"


def _make_snowflake(rng: random.Random, word: str) -> Document:
    auth = rng.choices(
        [
            {"auth": "PASSWORD", "password": _make_secret(rng)},
            {
                "auth": "KEY_PAIR",
                "private_key": f"-----BEGIN PRIVATE KEY-----\n{_make_secret(rng)}\n",
                "is_private_key_encrypted": True,
                "passphrase": _make_secret(rng),
            },
        ],
        [1, 8],
    )[0]
    return {
        "host": rng.choices(
            ["acme.eu-central-1.snowflakecomputing.com", "acme-us.snowflakecomputing.com"], [12, 1]
        )[0],
        "port": 443,
        "database": f"RAW_{word.upper()}",
        "user": "FIVETRAN_USER",
        **auth,
        "role": "FIVETRAN_ROLE",
        "default_virtual_warehouse": "LOADING_WH",
    }


def _make_big_query(rng: random.Random, word: str) -> Document:
    return {"project_id": f"acme-{word}", "data_set_location": "EU", "bucket": f"acme-{word}-load"}


def _make_redshift(rng: random.Random, word: str) -> Document:
    return {
        "host": f"{word}.abc123.eu-central-1.redshift.amazonaws.com",
        "port": 5439,
        "database": "analytics",
        "user": "fivetran",
        "auth_type": "PASSWORD",
        "password": _make_secret(rng),
        "connection_type": "Directly",
        "cluster_region": "eu-central-1",
        "enable_super_type": True,
    }


def _make_databricks(rng: random.Random, word: str) -> Document:
    return {
        "cloud_provider": "AWS",
        "server_host_name": "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
        "port": 443,
        "http_path": "/sql/1.0/warehouses/abc123",
        "catalog": f"raw_{word}",
        "auth_type": "OAUTH2",
        "oauth2_client_id": "00000000-0000-4000-8000-000000000007",
        "oauth2_secret": _make_secret(rng),
        "create_external_tables": False,
    }


def _make_lake(rng: random.Random, word: str) -> Document:
    return {
        "storage_provider": "AWS",
        "bucket": f"acme-lake-{word}",
        "region": "eu-central-1",
        "fivetran_role_arn": "arn:aws:iam::123456789012:role/fivetran-lake",
        "prefix_path": "fivetran/raw",
        "should_maintain_tables_in_glue": True,
        "snapshot_retention_period": "TWO_WEEKS",
    }


def _make_database(port: int) -> _ConfigMaker:
    """Return the maker of configs of a database behind an SSH tunnel, as most are in one company."""

    def make(rng: random.Random, word: str) -> Document:
        tunnel = {
            "connection_type": "SshTunnel",
            "tunnel_host": "bastion.acme.example",
            "tunnel_port": 22,
            "tunnel_user": "fivetran",
            "always_encrypted": True,
        }
        return {
            "host": f"{word}.db.acme.example",
            "port": port,
            "database": "warehouse",
            "user": "fivetran",
            "password": _make_secret(rng),
            **(tunnel if rng.random() < 0.95 else {"connection_type": "Directly"}),
        }

    return make


def _make_clickhouse(rng: random.Random, word: str) -> Document:
    return {
        "host": f"{word}.clickhouse.example",
        "port": 8443,
        "database": "default",
        "user": "fivetran",
        "password": _make_secret(rng),
    }


def _build_config(rng: random.Random, service: Service, word: str) -> Document:
    """Build a config without contradictions, from the catalogue."""
    if service.free_form:
        return _make_clickhouse(rng, word)
    config = {
        name: _make_value(rng, field, word)
        for name, field in service.fields.items()
        if not field.read_only
        and (field.required or name in service.starter or _selects(service, name) or rng.random() < 0.25)
    }
    for _ in range(8):
        before = dict(config)
        _drop_meaningless(service, config)
        for name in _list_missing(service, config):
            config[name] = _make_value(rng, service.fields[name], word)
        if config == before:
            break
    return {name: config[name] for name in service.fields if name in config}


def _selects(service: Service, name: str) -> bool:
    """Return whether a field chooses which other fields a destination has."""
    return any(
        name in (condition or {})
        for field in service.fields.values()
        for condition in (field.only_when, field.required_when, field.meant_for)
    )


def _drop_meaningless(service: Service, config: Document) -> None:
    """Drop the fields that the others make invalid or meaningless."""
    for name, field in service.fields.items():
        declared = DeclaredDestination(service, {("config", key): value for key, value in config.items()})
        conditions = [condition for condition in (field.only_when, field.meant_for) if condition]
        is_of_tunnel = name.startswith("tunnel_") and config.get("connection_type") != "SshTunnel"
        if name not in config:
            continue
        if is_of_tunnel or any(declared.satisfies(condition) is not True for condition in conditions):
            del config[name]
        elif field.forced_value is not None:
            config[name] = field.forced_value


def _list_missing(service: Service, config: Document) -> list[str]:
    """List the fields that these fields require."""
    declared = DeclaredDestination(service, {("config", key): value for key, value in config.items()})
    required = [
        name
        for name, field in service.fields.items()
        if name not in config and field.required_when and declared.satisfies(field.required_when)
    ]
    return [*required, *(path[-1] for path in find_unmet_needs(declared))]


def _make_value(rng: random.Random, field: Field, word: str) -> Any:
    """Make a valid value. Texts about places differ between destinations, other texts mostly do not."""
    if field.sensitive:
        secret = _make_secret(rng)
        return {"private_key": secret} if field.type is FieldType.OBJECT else secret
    match field.type:
        case FieldType.BOOLEAN:
            return rng.random() < 0.5
        case FieldType.INTEGER:
            return field.example or field.default or field.minimum or 3
        case FieldType.STRINGS:
            return [f"{word}-{number}.kafka.example:9092" for number in range(2)]
    if field.enum:
        supported = [member for member in field.enum if member != "ProxyAgent"]
        return rng.choice(supported)
    if field.is_aws_region:
        return "eu-central-1"
    if field.name in ("host", "server_host_name"):
        return f"{word}.{field.example or 'db.example.com'}"
    if field.name in ("database", "bucket", "project_id", "catalog", "container_name"):
        return f"{field.example or field.name}-{word}"
    return str(field.example or f"{field.name} of {rng.choice(_TEAMS)}")
