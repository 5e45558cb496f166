"""Failures of a run: one clear error and the right exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from cli_harness import EmulatedFivetran, Project, build_credentials, serve_fivetran
from scripted_server import serve_script
from self_signed_cert import make_server_context

from reconciler.emulator.switches import Behaviour

GROUP = "  orders: {}\n"
BROKEN_CONFIG = """\
  orders:
    destination:
      service: clickhouse_next
      time_zone_offset: "0"
      config:
        host: orders.example
"""


def get_error_code(stderr: str) -> str:
    """Get the code of the only error on stderr."""
    headers = [line for line in stderr.splitlines() if line.startswith("error[")]
    assert len(headers) == 1, stderr
    assert "Traceback" not in stderr
    return headers[0].removeprefix("error[").partition("]")[0]


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    """A project with one group, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(GROUP)
    return project


def test_wrong_credentials_are_an_error(orders: Project, server: EmulatedFivetran) -> None:
    result = orders.run("plan", environ={**build_credentials(server.url), "FIVETRAN_APISECRET": "wrong"})
    assert (result.exit, get_error_code(result.stderr)) == (1, "unauthorized")
    assert "FIVETRAN_APISECRET" in result.stderr
    assert "wrong" not in result.stderr.replace("wrong-", "")
    assert server.calls == ["GET /v1/account/info"]


def test_missing_credentials_are_an_error(orders: Project) -> None:
    result = orders.run("plan")
    assert (result.exit, get_error_code(result.stderr)) == (1, "missing-credentials")
    assert "--sandbox" in result.stderr


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"FIVETRAN_APIKEY": "key-of-the-tests\n"}, "`FIVETRAN_APIKEY` has"),
        ({"FIVETRAN_APISECRET": " secret-of-the-tests"}, "`FIVETRAN_APISECRET` has"),
        (
            {"FIVETRAN_APIKEY": "key\rof", "FIVETRAN_APISECRET": "\t"},
            "`FIVETRAN_APIKEY` and `FIVETRAN_APISECRET` have",
        ),
    ],
)
def test_a_blank_in_a_credential_is_an_error_of_its_own(
    orders: Project, server: EmulatedFivetran, environ: dict[str, str], names: str
) -> None:
    result = orders.run("plan", environ={**build_credentials(server.url), **environ})
    assert (result.exit, get_error_code(result.stderr)) == (1, "blank-in-credentials")
    assert f"{names} a blank or a line end" in result.stderr
    assert server.calls == []


def test_an_untrusted_certificate_points_to_the_authorities(orders: Project, tmp_path: Path) -> None:
    context, _ = make_server_context("api.example.test", tmp_path)
    with serve_script(lambda wire, request: None, tls=context, tunnel=True) as proxy:
        environ = {
            **build_credentials("https://api.example.test/v1"),
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
        }
        result = orders.run("plan", environ=environ)
    assert (result.exit, get_error_code(result.stderr)) == (1, "unreachable")
    assert "the server cannot be trusted: " in result.stderr
    assert "REQUESTS_CA_BUNDLE" in result.stderr
    assert "check the network" not in result.stderr


def test_an_unreachable_address_is_an_error(orders: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    result = orders.run("plan", environ=build_credentials(f"http://127.0.0.1:{port}/v1"))
    assert (result.exit, get_error_code(result.stderr)) == (1, "unreachable")


def test_an_address_of_another_server_is_an_error(orders: Project, server: EmulatedFivetran) -> None:
    result = orders.run("plan", environ=build_credentials(server.url.removesuffix("/v1")))
    assert result.exit == 1
    assert get_error_code(result.stderr) in {"api-refused", "not-found"}
    assert "FIVETRAN_API_URL" in result.stderr


def test_http_to_another_host_is_refused_before_anything_is_sent(orders: Project) -> None:
    result = orders.run("plan", environ=build_credentials("http://api.fivetran.example/v1"))
    assert result.exit == 1
    assert "https" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("id", "code"), [("no_such", "gone-or-hidden"), ("decent_drops", "unknown-id")])
def test_an_unknown_id_is_reported_with_its_location(
    orders: Project, server: EmulatedFivetran, id: str, code: str
) -> None:
    server.app.dashboard.add_group("orders", "decent_dropsy")
    orders.write_groups(f"  orders:\n    id: {id}\n")
    result = orders.run_against(server, "plan")
    assert (result.exit, get_error_code(result.stderr)) == (1, code)
    assert "specs/groups/main.yaml:4:9" in result.stderr


def test_credentials_of_another_account_stop_before_the_lists(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write("specs/reconciler.yaml", "version: 1\naccount_id: quite_another\nspecs: ['groups/*.yaml']\n")
    result = orders.run_against(server, "plan")
    assert (result.exit, get_error_code(result.stderr)) == (1, "other-account")
    assert "specs/reconciler.yaml:2:13" in result.stderr
    assert server.calls == ["GET /v1/account/info"]


def test_an_unset_secret_of_a_new_destination_stops_before_any_write(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(
        "  orders:\n    destination:\n      service: postgres_rds_warehouse\n      time_zone_offset: '0'\n"
        "      config:\n        host: orders.example\n        user: u\n        database: orders\n"
        "        password: {secret: 'env:ORDERS_PASSWORD'}\n"
    )
    result = orders.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result.stderr)) == (1, "secret-unavailable")
    assert "specs/groups/main.yaml:11:19" in result.stderr
    assert server.writes == []


def test_a_config_refused_by_fivetran_names_the_sent_fields(
    orders: Project, server: EmulatedFivetran
) -> None:
    orders.write_groups(
        "  orders:\n    destination:\n      service: postgres_rds_warehouse\n      time_zone_offset: '0'\n"
        "      config:\n        host: orders.example\n        database: orders\n        user: u\n"
        "        password: {secret: 'env:ORDERS_PASSWORD'}\n"
        "      extra_config:\n        port: not-a-number\n"
    )
    result = orders.run_against(
        server, "apply", "--auto-approve", environ={"ORDERS_PASSWORD": "unseen-by-all"}
    )
    assert result.exit == 6
    assert "error[invalid-config]" in result.stdout
    assert "`config.host`" in result.stdout
    assert "`config.port`" in result.stdout
    assert "not-a-number" not in result.stdout + result.stderr
    assert "unseen-by-all" not in result.stdout + result.stderr
    assert "group.orders" in result.stdout, "what was done is said"
    assert server.list_ids("destinations") == []


def test_a_failed_group_skips_only_its_own_destination(project: Project) -> None:
    pair = "    destination: {service: big_query, time_zone_offset: '0', config: {project_id: p}}\n"
    project.write_groups(f"  first:\n{pair}  second:\n{pair}  third:\n    name: '- no identifier'\n{pair}")
    with serve_fivetran(behaviour=Behaviour(group_names="identifier")) as strict:
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {strict.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        result = project.run_against(strict, "apply", "--auto-approve", "--format", "json")
    assert result.exit == 6
    statuses = {each["address"]: each["status"] for each in result.document["applied"]["outcomes"]}
    assert statuses["group.third"] == "failed"
    assert statuses["destination.third"] == "skipped"
    assert statuses["destination.first"] == statuses["destination.second"] == "done"


def test_a_replacement_is_refused_with_exit_3(orders: Project, server: EmulatedFivetran) -> None:
    pair = (
        "  orders:\n    destination: {service: big_query, time_zone_offset: '0', config: {project_id: p}}\n"
    )
    orders.write_groups(pair)
    assert orders.run_against(server, "apply", "--auto-approve").exit == 0
    orders.write_groups(pair.replace("big_query", "managed_big_query"))
    before = len(server.writes)
    result = orders.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result.stderr)) == (3, "replace-refused")
    assert "service" in result.stderr
    assert server.writes[before:] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version: 1\ngroups: [", "yaml-syntax"),
        ("version: 1\ngroups:\n  a: {}\n  a: {}\n", "duplicate-key"),
        ("version: 1\ngroups:\n  a: {destnation: {}}\n", "unknown-key"),
        ("", "empty-spec"),
    ],
)
def test_an_unreadable_spec_is_reported_with_its_location_and_no_request(
    orders: Project, server: EmulatedFivetran, text: str, code: str
) -> None:
    orders.write("specs/groups/main.yaml", text)
    result = orders.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result.stderr)) == (1, code)
    assert "specs/groups/main.yaml:" in result.stderr
    assert server.calls == []


def test_json_output_of_a_failed_run_is_one_document(orders: Project) -> None:
    result = orders.run("plan", "--format", "json")
    assert result.exit == 1
    assert [each["code"] for each in result.document["diagnostics"]] == ["missing-credentials"]
