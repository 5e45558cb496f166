"""A rehearsed approval: apply waits, a person approves in the served account, and apply ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from background_process import BackgroundProcess
from cli_harness import Project
from command_line import PROCESS_TIMEOUT
from emulated_account import BASIC

ACCOUNT = "version: 1\naccount: {id: intently_yarn, name: Acme}\n"
PROJECT = "version: 1\naccount_id: intently_yarn\nspecs: ['groups/*.yaml']\n"
SALES = """\
  sales:
    destination:
      service: postgres_warehouse
      time_zone_offset: "+1"
      config: {host: db.acme.example, port: 5432, user: loader, database: warehouse, connection_type: Directly,
               password: {secret: "env:SALES_PASSWORD"}}
"""


def call(url: str, method: str, body: Any = None) -> Any:
    headers = {**BASIC, "Content-Type": "application/json"}
    request = Request(url, None if body is None else json.dumps(body).encode(), headers, method=method)
    with urlopen(request, timeout=PROCESS_TIMEOUT) as response:
        return json.load(response)


def approve_in_dashboard(url: str) -> None:
    call(f"{url.removesuffix('/v1')}/_emulator/approvals", "POST", {"group": "sales"})


def approve_over_api(url: str) -> None:
    (group,) = call(f"{url}/groups", "GET")["data"]["items"]
    destination = f"{url}/destinations/{group['id']}"
    (failed, *_) = call(f"{destination}/test", "POST", {})["data"]["setup_tests"]
    server = failed["details"][0]
    call(f"{destination}/certificates", "POST", {name: server[name] for name in ("hash", "encoded_cert")})


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize("approve", [approve_in_dashboard, approve_over_api])
def test_apply_waits_for_an_approval_and_then_ends(project: Project, approve: Any) -> None:
    project.write("account.yaml", ACCOUNT)
    project.write("specs/reconciler.yaml", PROJECT)
    project.write_groups(SALES)
    arguments = ("emulate", "--port", "0", "--seed", "account.yaml", "--certificate", "sales")
    with BackgroundProcess(*arguments, directory=project.folder) as emulator:
        emulator.wait_for("FIVETRAN_APISECRET=")
        url = re.findall(r"http://127\.0\.0\.1:\d+/v1", emulator.output("out"))[0]
        environ = {
            "FIVETRAN_API_URL": url,
            "FIVETRAN_APIKEY": "demo",
            "FIVETRAN_APISECRET": "demo",
            "SALES_PASSWORD": "canary-of-sales",
        }
        apply = ("apply", "--auto-approve", "--no-color")
        first = project.run(*apply, environ=environ)
        assert first.exit == 7
        assert "waits for the approval of a certificate" in first.stderr + first.stdout
        again = project.run(*apply, environ=environ)
        assert again.exit == 7
        approve(url)
        last = project.run(*apply, environ=environ)
        assert last.exit == 0, last.stderr
        assert "setup tests  4 passed" in last.stdout
        assert project.run("plan", "--detailed-exitcode", environ=environ).exit == 0


def test_certificates_of_files_are_presented_and_wrong_files_refused(
    project: Project, tmp_path: Path
) -> None:
    from reconciler.emulator.key_material import generate_chain

    certificate, _ = generate_chain("a file")
    project.write("db.pem", f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n")
    project.write("key.pem", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n")
    listed = project.run(
        "emulate",
        "--certificate",
        "sales=db.pem",
        "--setup-test",
        "*: Login FAILED x",
        "--list",
        "--format",
        "json",
    )
    assert listed.document["network"] == [{"group": "sales", "certificate": [certificate]}]
    assert listed.document["setup_tests"] == [
        {"finally_always": [{"title": "Login", "status": "FAILED", "message": "x"}]}
    ]
    wrong = project.run(
        "emulate",
        "--certificate",
        "sales=key.pem",
        "--host-key",
        "*=db.pem",
        "--host-key",
        "a=no.pem",
        "--list",
    )
    assert (wrong.exit, wrong.stdout) == (1, "")
    assert (
        "error[invalid-server-identity]: `key.pem` cannot be presented: the text holds a private key"
        in wrong.stderr
    )
    assert (
        "error[invalid-server-identity]: `db.pem` cannot be presented: the text is no public key"
        in wrong.stderr
    )
    assert "error[file-unreadable]: cannot read `no.pem`" in wrong.stderr
    assert "--> key.pem:1:1" in wrong.stderr
    assert "Y2FuYXJ5" not in wrong.stderr


def list_account(project: Project, *options: str) -> Any:
    """List the account of these options in the form of a seed."""
    listed = project.run("emulate", *options, "--list", "--format", "json")
    assert listed.exit == 0, listed.stderr
    return listed.document


def make_pem(*chain: str) -> str:
    return "".join(
        f"subject=any\n-----BEGIN CERTIFICATE-----\n{each}\n-----END CERTIFICATE-----\n" for each in chain
    )


def test_a_file_presents_its_whole_chain_in_order(project: Project) -> None:
    from reconciler.emulator.key_material import generate_chain

    leaf, root = generate_chain("a leaf")
    intermediate, _ = generate_chain("an intermediate")
    project.write("chain.pem", make_pem(leaf, intermediate, root))
    listed = list_account(project, "--certificate", "sales=chain.pem")
    assert listed["network"] == [{"group": "sales", "certificate": [leaf, intermediate, root]}]


def test_a_host_key_is_generated_or_comes_from_a_file_or_from_the_option(project: Project) -> None:
    from reconciler.emulator.key_material import generate_host_key

    line = generate_host_key("a host")
    bare = " ".join(line.split()[:2])
    project.write("host.pub", f"{line}\n")
    options = ("--host-key", "generated", "--host-key", "file=host.pub", "--host-key", f"line={bare}")
    first, *others = list_account(project, *options)["network"]
    assert (first["group"], first["host_key"].split()[0]) == ("generated", "ssh-rsa")
    assert others == [{"group": "file", "host_key": line}, {"group": "line", "host_key": bare}]
    wrong = project.run("emulate", "--host-key", "sales=ssh-ed25519 canary-of-a-key", "--list")
    assert (wrong.exit, wrong.stdout) == (1, "")
    message = (
        "error[invalid-server-identity]: the host key of `sales` cannot be presented: the text is no public"
    )
    assert message in wrong.stderr
    assert "canary" not in wrong.stderr


@pytest.mark.parametrize(
    ("option", "kind"), [("--certificate", "certificate"), ("--host-key", "host_key")], ids=str
)
def test_a_server_is_rotated_by_the_next_start(project: Project, option: str, kind: str) -> None:
    project.write("account.yaml", ACCOUNT)
    options = ("--db", "account.sqlite", "--seed", "account.yaml", option)

    def start(source: str) -> Any:
        (entry,) = list_account(project, *options, f"sales{source}")["network"]
        return entry[kind]

    first = start("")
    assert start("") == first
    rotated = start("=rotated")
    assert rotated != first
    assert start("=generated") == rotated
    assert start("=trusted") == "trusted"


def test_setup_tests_are_slow_by_an_option(project: Project) -> None:
    options = ("--setup-test-seconds", "sales=2.5", "--setup-test-seconds", "*=30", "--host-key", "sales")
    sales, others = list_account(project, *options)["network"]
    assert (sales["group"], sales["setup_test_seconds"]) == ("sales", 2.5)
    assert sales["host_key"].startswith("ssh-rsa ")
    assert others == {"setup_test_seconds": 30.0}


def test_a_private_link_is_ready_later_by_an_option(project: Project) -> None:
    link = (
        "{id: brave_bridge, name: pl_sales, region: AWS_US_EAST_1, service: SNOWFLAKE_AWS, state: CREATING}"
    )
    project.write("account.yaml", f"{ACCOUNT}private_links: [{link}]\n")
    options = ("--seed", "account.yaml", "--behaviour")
    assert "state" not in list_account(project, *options, "private_link_seconds=0")["private_links"][0]
    later = list_account(project, *options, "private_link_seconds=600")["private_links"][0]
    assert later["state"] == "CREATING"


AGENTS = """\
hybrid_agents:
  - {id: brisk_lantern, display_name: basement, online: true}
  - {id: calm_harbour, display_name: attic}
proxy_agents: [{id: amber_gate, display_name: gate, online: true}]
"""


def test_agents_are_offline_by_an_option(project: Project) -> None:
    project.write("account.yaml", ACCOUNT + AGENTS)
    options = ("--offline-agent", "attic", "--offline-agent", "amber_gate")
    listed = list_account(project, "--seed", "account.yaml", *options)
    agents = [*listed["hybrid_agents"], *listed["proxy_agents"]]
    online = {agent["display_name"]: agent["online"] for agent in agents}
    assert online == {"basement": True, "attic": False, "gate": False}


def test_an_agent_that_the_account_lacks_is_an_error(project: Project) -> None:
    project.write("account.yaml", ACCOUNT + AGENTS)
    options = ("--offline-agent", "basment", "--offline-agent", "xyz")
    wrong = project.run("emulate", "--seed", "account.yaml", *options, "--list")
    assert (wrong.exit, wrong.stdout) == (1, "")
    assert "error[unknown-agent]: the emulated account has no agent `basment`" in wrong.stderr
    assert "did you mean `basement`?" in wrong.stderr
    assert "error[unknown-agent]: the emulated account has no agent `xyz`" in wrong.stderr
    assert "add it to `hybrid_agents:` or `proxy_agents:` of the seed" in wrong.stderr
