"""Secrets of Google, Azure and 1Password, from a spec to the request that carries them, with the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure_stub import SERVICE_PRINCIPAL, AzureStub
from cli_harness import EmulatedFivetran, Project
from cloud_hosts import serve_cloud, set_cloud_environment
from google_stub import GoogleStub
from op_stub import OP_TOKEN, install_op

CANARY = 'canary "of" the/tests+42'
PAIR = """\
  {key}:
    destination:
      service: postgres_warehouse
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {{database: orders, host: orders.example, port: 5432, user: loader,
        password: {{secret: "{reference}"}}}}
"""


def write_entries(project: Project, server: EmulatedFivetran, *references: str) -> None:
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nsecrets: {{timeout: 20}}\n",
    )
    project.write_groups(
        "".join(
            PAIR.format(key=f"orders{number}", reference=reference)
            for number, reference in enumerate(references)
        )
    )


def check_apply(
    project: Project, server: EmulatedFivetran, environ: dict[str, str], *references: str
) -> None:
    """Check that an apply sends the secrets, that a plan finds them unchanged, and that neither shows one."""
    write_entries(project, server, *references)
    commands = (
        ("validate",),
        ("plan",),
        ("doctor",),
        ("apply", "--auto-approve"),
        ("plan", "--detailed-exitcode"),
    )
    results = [project.run_against(server, *arguments, environ=environ) for arguments in commands]
    assert [each.exit for each in results] == [0] * 5, [each.stdout + each.stderr for each in results]
    bodies = server.list_bodies("POST", "/v1/destinations")
    assert [body["config"]["password"] for body in bodies] == [CANARY] * len(references)
    printed = "".join(each.stdout + each.stderr for each in results)
    assert CANARY not in printed
    assert all(reference in printed for reference in references)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the variables and sessions of the user who runs the tests."""
    set_cloud_environment(monkeypatch, tmp_path)


def test_secrets_of_google_are_sent_and_not_shown(
    project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    versions: dict[str, bytes | str] = {"7": CANARY.encode()}
    google = GoogleStub({"projects/acme-prod/secrets/orders": versions})
    account = google.write_service_account(tmp_path / "account.json")
    with serve_cloud(google, tmp_path) as served:
        environ = {**served.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(account)}
        check_apply(project, server, environ, "gcp:acme-prod/orders", "gcp:acme-prod/orders/7")


def test_secrets_of_azure_are_sent_and_not_shown(
    project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    azure = AzureStub({"team-vault/orders": {"a" * 32: CANARY}})
    with serve_cloud(azure, tmp_path) as served:
        url = "azure:https://team-vault.vault.azure.net/secrets/orders"
        environ = {**served.environ, **SERVICE_PRINCIPAL}
        check_apply(project, server, environ, "azure:team-vault/orders", url)


def test_secrets_of_1password_are_sent_and_not_shown(
    project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    installed = install_op(tmp_path / "bin", {"Team vault/My orders": {"password": CANARY}})
    environ = {**installed.environ, "OP_SERVICE_ACCOUNT_TOKEN": OP_TOKEN}
    references = ("op://Team vault/My orders/password", "op:Team vault/My orders/password")
    check_apply(project, server, environ, *references)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("op://Team/orders/password", "1Password's program `op` is not installed, or not in `PATH`"),
        ("gcp:acme-prod/orders", "set `GOOGLE_APPLICATION_CREDENTIALS`"),
        ("vault:kv/orders#password", "`VAULT_ADDR` and `VAULT_TOKEN` must be set"),
    ],
)
def test_a_store_without_credentials_is_an_error_at_the_reference(
    reference: str, words: str, project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    write_entries(project, server, reference, reference)
    environ = {"PATH": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    result = project.run_against(server, "plan", environ=environ)
    assert result.exit == 1
    assert "error[secret-unavailable]" in result.stderr
    assert words in result.stderr
    assert f"`config.password` needs `{reference}`" in result.stderr
    assert server.writes == []
