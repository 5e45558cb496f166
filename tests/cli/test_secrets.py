"""Secrets by reference, from a spec to the request that carries them, with the real command line."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import sys
import threading
from urllib.parse import quote

import pytest
from background_process import BackgroundProcess
from cli_harness import EmulatedFivetran, Project, build_credentials
from scripted_server import ReceivedRequest, ServerConnection, build_response, serve_script
from vault_stub import Engine, VaultStub, build_settings, serve_vault

pytestmark = pytest.mark.sampled(every=3, tests=2)

CANARY = 'canary "of" the/tests+42'

SNOWFLAKE = """\
  sales:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      external_secrets_manager_id: esm_one
      config:
        host: acme.snowflakecomputing.com
        auth: PASSWORD
        user: {secret: "esm:sales/user"}
        password: {secret: "esm:sales/password#1"}
        database: SALES
"""


def build_pair(**config: str) -> str:
    """Build a Postgres pair with more config lines."""
    lines = "".join(f"        {name}: {value}\n" for name, value in config.items())
    return f"""\
  orders:
    destination:
      service: postgres_warehouse
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        database: orders
{lines}"""


PLAIN = {"host": "orders.example", "port": "5432", "user": "loader"}


def write_secret_rules(project: Project, server: EmulatedFivetran, block: str) -> None:
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nsecrets:\n{block}",
    )


def list_encodings(canary: str) -> list[str]:
    """List a text in all encodings in which it could leak."""
    return [
        canary,
        json.dumps(canary)[1:-1],
        quote(canary),
        quote(canary, safe=""),
        base64.b64encode(canary.encode()).decode(),
        repr(canary)[1:-1],
    ]


def test_secrets_of_a_command_and_a_vault_are_sent_and_not_shown(
    project: Project, server: EmulatedFivetran
) -> None:
    program = project.write(
        "specs/bin/show.py", f"print({json.dumps({'user': 'loader', 'password': CANARY})!r})"
    )
    command = json.dumps([sys.executable, str(program)])
    write_secret_rules(
        project, server, f'  allow: ["command:*", "vault:kv/*"]\n  commands:\n    show: {command}\n'
    )
    body = json.dumps({"data": {"data": {"host": "orders.example"}, "metadata": {}}}).encode()
    with serve_script(lambda wire, _: wire.send(build_response(body))) as vault:
        project.write_groups(
            build_pair(
                host='{value: "vault:kv/orders#host"}',
                port="5432",
                user='{value: "command:show#user"}',
                password='{secret: "command:show#password"}',
            )
        )
        environ = {"VAULT_ADDR": f"http://127.0.0.1:{vault.port}", "VAULT_TOKEN": "a-token"}
        results = [
            project.run_against(server, *arguments, environ=environ)
            for arguments in (
                ("validate",),
                ("plan",),
                ("plan", "--format", "json"),
                ("apply", "--auto-approve"),
                ("plan", "--detailed-exitcode"),
            )
        ]
    assert [each.exit for each in results] == [0] * 5, results
    [sent] = server.list_bodies("POST", "/v1/destinations")
    config = sent["config"]
    assert (config["host"], config["user"], config["password"]) == ("orders.example", "loader", CANARY)
    printed = "".join(each.stdout + each.stderr for each in results)
    assert [form for form in list_encodings(CANARY) if form in printed] == []
    assert "command:show#password" in printed


def test_a_plan_reads_its_secrets_at_the_same_time(project: Project, server: EmulatedFivetran) -> None:
    write_secret_rules(project, server, "  timeout: 30\n")
    project.write_groups(
        "".join(
            build_pair(**PLAIN, password=f'{{secret: "vault:kv/{number}#password"}}').replace(
                "  orders:", f"  orders{number}:"
            )
            for number in range(4)
        )
    )
    entries = {str(number): {"password": f"{CANARY} {number}"} for number in range(4)}
    vault, together = VaultStub({"kv/": Engine(2, entries)}), threading.Barrier(4)

    def answer(wire: ServerConnection, request: ReceivedRequest) -> None:
        if request.target.startswith("/v1/kv/"):
            together.wait(20)  # each answer waits for the other requests
        vault.answer(wire, request)

    with serve_script(answer) as running:
        environ = build_settings(running)
        assert project.run_against(server, "plan", "--secrets", "skip", environ=environ).exit == 0
        assert vault.requests == []
        result = project.run_against(server, "apply", "--auto-approve", environ=environ)
    assert result.exit == 0, result.stderr
    sent = [body["config"]["password"] for body in server.list_bodies("POST", "/v1/destinations")]
    assert sorted(sent) == [f"{CANARY} {number}" for number in range(4)]
    assert len(vault.requests) == 1 + 4


def test_errors_of_secrets_have_the_order_of_the_specs(project: Project, server: EmulatedFivetran) -> None:
    write_secret_rules(project, server, "  timeout: 30\n")
    fields = {name: f'{{secret: "vault:kv/{name}#value"}}' for name in ("user", "host", "password", "port")}
    project.write_groups(build_pair(**fields))
    with serve_vault(VaultStub({"kv/": Engine(2, {})})) as running:
        outputs = [
            project.run_against(server, "plan", *options, environ=build_settings(running)).stderr
            for options in ((), ("--parallelism", "1"))
        ]
    assert outputs[0] == outputs[1]
    places = [outputs[0].index(f"`config.{name}`") for name in fields]
    assert places == sorted(places)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_command_running(
    number: signal.Signals, project: Project, server: EmulatedFivetran
) -> None:
    program = project.write(
        "specs/wait.py",
        "import time; file = open('../alive', 'w'); file.write('x'); file.flush(); time.sleep(600)\n",
    )
    write_secret_rules(
        project, server, f"  commands: {{show: {json.dumps([sys.executable, str(program)])}}}\n"
    )
    project.write_groups(build_pair(**PLAIN, password='{secret: "command:show"}'))
    os.mkfifo(project.folder / "alive")
    environ = build_credentials(server.url)
    with (
        BackgroundProcess("plan", directory=project.folder, **environ) as process,
        (project.folder / "alive").open("rb") as fifo,
    ):
        assert fifo.read(1) == b"x"
        process.signal(number)
        assert process.wait_for_exit().code == 130
        assert select.select([fifo], [], [], 20)[0], "the command still runs"
        assert fifo.read() == b""


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
@pytest.mark.parametrize(
    "failure",
    ["sys.exit(CANARY)", "print(CANARY); sys.exit(3)", "raise ValueError(CANARY)", "print([CANARY])"],
)
def test_a_failed_secret_command_shows_none_of_its_output(
    failure: str, command: list[str], project: Project, server: EmulatedFivetran
) -> None:
    program = project.write("specs/show.py", f"import sys\nCANARY = {CANARY!r}\n{failure}\n")
    write_secret_rules(
        project, server, f"  commands: {{show: {json.dumps([sys.executable, str(program)])}}}\n"
    )
    project.write_groups(build_pair(**PLAIN, password='{secret: "command:show#password"}'))
    result = project.run_against(server, *command)
    assert result.exit == 1
    assert "error[secret-unavailable]" in result.stderr
    assert [form for form in list_encodings(CANARY) if form in result.stdout + result.stderr] == []
    assert server.writes == []


@pytest.mark.parametrize(
    ("block", "reference", "code", "words"),
    [
        ('  allow: ["env:MARKETING_*"]\n', "env:ORDERS_PASSWORD", "reference-not-allowed", "secrets.allow"),
        ("  allow: []\n", "file:keys/a", "reference-not-allowed", "secrets.allow"),
        ('  allow: ["file:keys/*"]\n', "file:keys/../../a", "reference-not-allowed", "secrets.allow"),
        (
            "  commands: {fetch_key: [op]}\n",
            "command:fetch-keys",
            "bad-reference",
            "did you mean `fetch_key`?",
        ),
        ("  timeout: 5\n", "command:op", "bad-reference", "name it in the project file"),
        ("  timeout: 5\n", "vualt:kv/a#b", "bad-reference", "did you mean `vault`?"),
        ("  timeout: 5\n", "vault:kv/a", "bad-reference", "the key behind `#`"),
        ("  timeout: 5\n", "esm:key", "external-secret-unsupported", "for no field of this service"),
        ('  allow: ["vualt:*"]\n', "env:X", "bad-allow", "did you mean `vault`?"),
    ],
)
def test_validate_reports_unresolvable_references(
    block: str, reference: str, code: str, words: str, project: Project
) -> None:
    project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['groups/*.yaml']\nsecrets:\n{block}")
    project.write_groups(
        build_pair(
            **{**PLAIN, "password": f'{{secret: "{reference}"}}', "host": f'{{secret: "{reference}"}}'}
        )
    )
    result = project.run("validate")
    assert result.exit == 1
    assert f"error[{code}]" in result.stderr
    assert words in result.stderr
    assert "missing-field" not in result.stderr


def test_an_invalid_reference_is_not_also_a_missing_field(project: Project) -> None:
    project.write_groups(SNOWFLAKE.replace("acme.snowflakecomputing.com", '{value: "dungeon:host"}'))
    result = project.run("validate")
    assert "error[bad-reference]" in result.stderr
    assert result.stderr.rstrip().endswith("1 error")


def test_an_unresolved_reference_is_reported_with_its_location(
    project: Project, server: EmulatedFivetran
) -> None:
    write_secret_rules(project, server, "  allow: []\n")
    project.write_groups(build_pair(**PLAIN, password='{secret: "env:ORDERS_PASSWORD"}'))
    assert "specs/groups/main.yaml:13:28" in project.run("validate").stderr


def test_names_in_fivetrans_secrets_manager_are_sent_beside_config(
    project: Project, server: EmulatedFivetran
) -> None:
    project.write_groups(SNOWFLAKE)
    write_secret_rules(project, server, "  timeout: 5\n")
    first = project.run_against(server, "apply", "--auto-approve")
    assert first.exit == 0, first.stderr
    [body] = server.list_bodies("POST", "/v1/destinations")
    assert body["external_secrets_manager_id"] == "esm_one"
    assert body["external_secrets_keys_config"] == {"user": "sales/user", "password": "sales/password#1"}
    assert set(body["config"]) == {"host", "auth", "database"}
    again = project.run_against(server, "plan", "--detailed-exitcode")
    assert (again.exit, server.calls.count("POST /v1/destinations")) == (0, 1), again.stdout


def test_another_secrets_manager_gets_all_names_again(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(SNOWFLAKE)
    write_secret_rules(project, server, "  timeout: 5\n")
    project.run_against(server, "apply", "--auto-approve")
    project.write_groups(SNOWFLAKE.replace("esm_one", "esm_two"))
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    [group] = server.list_ids("groups")
    [body] = server.list_bodies("PATCH", f"/v1/destinations/{group}")
    assert body["external_secrets_manager_id"] == "esm_two"
    assert body["external_secrets_keys_config"] == {"user": "sales/user", "password": "sales/password#1"}
    assert "config" not in body


def test_a_change_under_an_old_field_name_leaves_other_secrets_alone(
    project: Project, server: EmulatedFivetran
) -> None:
    write_secret_rules(project, server, "  timeout: 5\n")
    old = SNOWFLAKE.replace(
        "external_secrets_manager_id: esm_one",
        "external_secrets_manager_id: esm_one\n      local_processing_agent_id: one",
    )
    project.write_groups(old)
    project.run_against(server, "apply", "--auto-approve")
    project.write_groups(old.replace(": one", ": two"))
    result = project.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0, result.stderr
    [group] = server.list_ids("groups")
    [body] = server.list_bodies("PATCH", f"/v1/destinations/{group}")
    assert body == {
        "hybrid_deployment_agent_id": "two",
        "time_zone_offset": "0",
        "run_setup_tests": False,
    }


def test_a_secret_of_object_type_is_sent_as_object(project: Project, server: EmulatedFivetran) -> None:
    write_secret_rules(project, server, "  timeout: 5\n")
    project.write_groups(SNOWFLAKE + '        gcs_service_account_credentials: {secret: "env:GCS_KEY"}\n')
    result = project.run_against(
        server, "apply", "--auto-approve", environ={"GCS_KEY": '{"private_key_id": "x", "n": 1}'}
    )
    assert result.exit == 0, result.stderr
    [body] = server.list_bodies("POST", "/v1/destinations")
    assert body["config"]["gcs_service_account_credentials"] == {"private_key_id": "x", "n": 1}


SANDBOX = """\
  sales:
    destination:
      service: snowflake
      region: {value: "env:REGION"}
      time_zone_offset: {value: "env:ZONE"}
      networking_method: {value: "env:METHOD"}
      daylight_saving_time_enabled: {value: "env:SUMMER"}
      config:
        host: {value: "vault:kv/sales#host"}
        port: {value: "aws:prod/sales#port"}
        auth: {value: "env:AUTH"}
        user: {secret: "command:show#user"}
        private_key: {secret: "file:/run/secrets/key"}
        is_private_key_encrypted: {value: "env:ENCRYPTED"}
        use_customer_staging: {value: "env:STAGING"}
        external_storage_cloud_provider: {value: "env:CLOUD"}
        gcs_service_account_credentials: {secret: "env:GCS_KEY"}
        database: SALES
  streams:
    destination:
      service: aiven_kafka_wh
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        bootstrap_servers: {value: "env:SERVERS"}
"""


def test_a_sandbox_invents_values_valid_for_their_fields(project: Project, server: EmulatedFivetran) -> None:
    write_secret_rules(project, server, "  commands: {show: [no-such-program]}\n")
    project.write_groups(SANDBOX)
    result = project.run("apply", "--sandbox", "--auto-approve")
    assert result.exit == 0, result.stderr
    assert project.run("plan", "--sandbox", "--detailed-exitcode").exit == 0


def test_a_plan_without_access_to_secrets_has_the_same_digest(
    project: Project, server: EmulatedFivetran
) -> None:
    """A job that comments on pull requests plans new entries and changes without any secret; the job with the secrets
    applies the same digest."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
        'fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n',
    )
    environ = {"ORDERS_PASSWORD": CANARY, "FINGERPRINT_KEY": "key-of-the-fingerprints"}
    password = '{secret: "env:ORDERS_PASSWORD"}'
    moved = {**PLAIN, "host": "moved.example"}  # sends the password with it
    for fields, first in ((PLAIN, "+ destination.orders"), (moved, "~ destination.orders")):
        project.write_groups(build_pair(**fields, password=password))
        planned = project.run_against(server, "plan", "--secrets", "skip")
        assert planned.exit == 0, planned.stderr
        assert first in planned.stdout
        digest = project.run_against(server, "plan", "--secrets", "skip", "--format", "json").document[
            "digest"
        ]
        applied = project.run_against(server, "apply", "--expect", digest, environ=environ)
        assert applied.exit == 0, applied.stdout + applied.stderr
        assert "No changes." in project.run_against(server, "plan", environ=environ).stdout
    [created] = server.list_bodies("POST", "/v1/destinations")
    assert created["config"]["password"] == CANARY


def test_an_apply_without_secret_comparison_sends_secrets_of_new_entries(
    project: Project, server: EmulatedFivetran
) -> None:
    write_secret_rules(project, server, "  timeout: 30\n")
    project.write_groups(build_pair(**PLAIN, password='{secret: "env:ORDERS_PASSWORD"}'))
    refused = project.run_against(server, "apply", "--auto-approve", "--secrets", "skip")
    assert refused.exit == 1
    assert "error[secret-unavailable]" in refused.stderr
    assert server.writes == []
    environ = {"ORDERS_PASSWORD": CANARY}
    assert (
        project.run_against(server, "apply", "--auto-approve", "--secrets", "skip", environ=environ).exit == 0
    )
    [created] = server.list_bodies("POST", "/v1/destinations")
    assert created["config"]["password"] == CANARY


@pytest.mark.parametrize("action", ["create", "replace"])
@pytest.mark.parametrize("compares", [True, False])
def test_secrets_of_an_interrupted_create_become_known(
    project: Project, server: EmulatedFivetran, action: str, compares: bool
) -> None:
    """The state is that of a killed run, also of an earlier version."""
    write_secret_rules(project, server, '  allow: ["env:*"]\n')
    project.write_groups(build_pair(**PLAIN, password='{secret: "env:PASSWORD"}'))
    assert project.run_against(server, "apply", "--auto-approve", environ={"PASSWORD": CANARY}).exit == 0
    file = project.folder / "specs" / ".reconciler" / "state.json"
    state = json.loads(file.read_text())
    record = state["records"]["destination.orders"]
    record |= {"intent": {"action": action, "name": "orders"}, "applied": {}, "fingerprints": {}}
    record["id"] = None if action == "create" else record["id"]
    file.write_text(json.dumps(state))
    if not compares:  # a run without secrets leaves the answer open
        skipping = project.run_against(server, "apply", "--auto-approve", "--secrets", "skip")
        assert skipping.exit == 0, skipping.stdout + skipping.stderr
        state = json.loads(file.read_text())
        assert state["records"]["destination.orders"]["intent"] is None
    environ = {"PASSWORD": "another-password-of-today"}
    again = project.run_against(server, "apply", "--auto-approve", environ=environ)
    assert again.exit == 0, again.stdout + again.stderr
    assert "1 updated" in again.stdout
    assert project.run_against(server, "plan", "--detailed-exitcode", environ=environ).exit == 0
