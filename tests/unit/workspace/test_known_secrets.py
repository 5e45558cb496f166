"""Test which texts of the environment and of the specs a run knows as secrets, and which as public texts."""

from __future__ import annotations

import pytest
from cli_harness import EmulatedFivetran, Project
from secret_leak_detector import get_detector

from reconciler.emulator.switches import Behaviour
from reconciler.model.redaction import Redactor
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.workspace.environment_secrets import add_environment_secrets


@pytest.mark.parametrize(
    "name",
    [
        "FIVETRAN_APIKEY",
        "FIVETRAN_APISECRET",
        "VAULT_TOKEN",
        "VAULT_SECRET_ID",
        "AZURE_CLIENT_SECRET",
        "IDENTITY_HEADER",
        "OP_SERVICE_ACCOUNT_TOKEN",
        "OP_CONNECT_TOKEN",
        "OP_SESSION_acme",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "CI_JOB_TOKEN",
        "PGPASSWORD",
        "ORDERS_PASSWORD",
        "snowflake_private_key",
    ],
)
def test_a_credential_of_the_environment_is_redacted(name: str) -> None:
    redactor = Redactor()
    add_environment_secrets(redactor, {name: " /A/value-of-the-variable1 \n"})
    assert redactor.redact("see /A/value-of-the-variable1!") == f"see {MASKED_IN_OUTPUT}!"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIVETRAN_API_URL", "https://api.fivetran.com/v1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/runner/key.json"),
        ("HTTPS_PROXY", "http://proxy.acme.example:3128"),
        ("PATH", "/usr/local/bin"),
        ("AWS_REGION", "eu-central-1"),
        ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"),
        ("VAULT_ROLE_ID", "reconciler-of-the-ci"),
        ("VAULT_K8S_TOKEN_FILE", "/var/run/secrets/token"),
        ("TOKENS", "no-single-token"),
    ],
)
def test_a_setting_of_the_environment_is_not_redacted(name: str, value: str) -> None:
    redactor = Redactor()
    add_environment_secrets(redactor, {name: value})
    assert redactor.redact(f"see {value}") == f"see {value}"


def test_the_password_of_a_proxy_is_redacted_in_both_spellings() -> None:
    redactor = Redactor()
    add_environment_secrets(redactor, {"https_proxy": "http://user:pass%2Fword-1@proxy.acme.example:3128"})
    masked = MASKED_IN_OUTPUT
    assert redactor.redact("pass%2Fword-1 and pass/word-1 at proxy.acme.example") == (
        f"{masked} and {masked} at proxy.acme.example"
    )


SPECS = """\
  orders:
    destination:
      service: snowflake
      time_zone_offset: "0"
      config:
        host: acme-host-1.snowflakecomputing.com
        database: ORDERS
        auth: PASSWORD
        user: loader-user-1
        password: {secret: "env:ORDERS_PASSWORD"}
      extra_config:
        brand_new: hidden-literal-1
        lines: |
          hidden-literal-2
          hidden-literal-3
"""


def test_a_hidden_literal_is_redacted_and_a_public_text_is_not(
    project: Project, server: EmulatedFivetran
) -> None:
    literals = ("hidden-literal-1", "hidden-literal-2", "hidden-literal-3")
    for number, literal in enumerate(literals):
        get_detector().add_secret(f"literal {number}", literal)
    project.write_groups(SPECS)
    server.app.dashboard.add_group("orders")
    environ = {"ORDERS_PASSWORD": "orders-password-1"}
    server.app.behaviour = Behaviour(
        echo=" ".join((*literals, "acme-host-1", "loader-user-1", "orders-password-1")), echo_places="names"
    )
    result = project.run_against(server, "plan", "--format", "json", environ=environ)
    assert not any(literal in result.stdout for literal in literals)
    assert "acme-host-1 loader-user-1" in result.document["account"]["name"]
    assert result.document["account"]["name"].endswith(f" {MASKED_IN_OUTPUT}")
