"""Facts about the three services that keep objects: names, limits, and the environment variables of their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectService:
    """A service that keeps objects.

    `write_interval` is the time between two writes of the same object in seconds, if the service limits their rate.
    With `has_one_condition` the same header carries all conditions of a write, so that one stale write proves that the
    service checks them. `endpoints` are the variables with an address, `unsafe` the variables that end up in a header
    or an address. `credentials` are the variables with credentials, the variable of highest precedence first.
    """

    name: str
    bucket: str
    prefix: str
    endpoints: tuple[str, ...]
    credentials: tuple[str, ...]
    unsafe: tuple[str, ...]
    write_interval: float = 0.0
    has_one_condition: bool = False

    @property
    def allow_http(self) -> str:
        """The variable that allows plain http."""
        return f"{self.prefix}ALLOW_HTTP"

    def find_credential(self, environ: Mapping[str, str]) -> str | None:
        """Find the variable whose credentials count; None if there are none, so that the role of the machine counts."""
        return next((name for name in self.credentials if environ.get(name)), None)


GOOGLE_WRITE_INTERVAL = 1.1
"""Google Cloud Storage takes one write per second of an object (https://cloud.google.com/storage/quotas). A tenth more,
since the way to the server does not take the same time twice."""

SERVICES: Mapping[str, ObjectService] = {
    "s3": ObjectService(
        "S3",
        "bucket",
        "AWS_",
        endpoints=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        credentials=(
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        unsafe=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
    ),
    "gs": ObjectService(
        "Google Cloud Storage",
        "bucket",
        "GOOGLE_",
        endpoints=("GOOGLE_BASE_URL",),
        credentials=(
            "GOOGLE_BEARER_TOKEN",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        unsafe=("GOOGLE_BEARER_TOKEN",),
        write_interval=GOOGLE_WRITE_INTERVAL,
        has_one_condition=True,
    ),
    "az": ObjectService(
        "Azure Blob Storage",
        "container",
        "AZURE_",
        endpoints=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        credentials=(
            "AZURE_STORAGE_TOKEN",
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_MASTER_KEY",
            "AZURE_STORAGE_CLIENT_SECRET",
            "AZURE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
        ),
        unsafe=(
            "AZURE_STORAGE_ACCOUNT_NAME",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_TOKEN",
        ),
    ),
}
