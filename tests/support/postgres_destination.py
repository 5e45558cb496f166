"""Build a destination whose server shows a certificate, as a spec declares it."""

from __future__ import annotations

from typing import Any


def build_postgres(config: dict[str, Any]) -> dict[str, Any]:
    """Build a PostgreSQL destination with the password of `env:PASSWORD`, and further fields of `config`."""
    return {
        "service": "postgres_warehouse",
        "time_zone_offset": "0",
        "config": {
            "host": "db.acme.example",
            "port": 5432,
            "database": "dwh",
            "user": "fivetran",
            "password": {"secret": "env:PASSWORD"},
            **config,
        },
    }
