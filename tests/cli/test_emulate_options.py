"""Options of `emulate`: seeds, switches, faults, quotas, and a command to serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_harness import Project
from command_line import run

pytestmark = pytest.mark.sampled(every=6, tests=3)

SEED = """\
version: 1
account: {id: intently_yarn, name: Acme}
groups:
  - id: decent_dropsy
    name: finance_prod
    destination:
      service: snowflake
      setup_status: connected
      config: {host: acme.snowflakecomputing.com, port: 443, password: canary}
    connections: [{service: github, schema: code}]
  - {name: bare}
"""
CALL = """\
import base64, json, os, sys, urllib.request
pair = os.environ["FIVETRAN_APIKEY"] + ":" + os.environ["FIVETRAN_APISECRET"]
asked = urllib.request.Request(os.environ["FIVETRAN_API_URL"] + sys.argv[1])
asked.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
with urllib.request.urlopen(asked) as answer:
    print(json.load(answer))
"""


def test_a_seed_is_listed_without_its_secrets(project: Project) -> None:
    project.write("seed.yaml", SEED)
    result = project.run("emulate", "--seed", "seed.yaml", "--list")
    assert result.exit == 0
    first, _, *rows = result.stdout.splitlines()
    assert first == "account intently_yarn (Acme): 2 groups, 1 destination"
    assert rows[0].split() == ["id", "group", "service", "region", "status", "connections"]
    assert rows[1].split() == [
        "decent_dropsy",
        "finance_prod",
        "snowflake",
        "GCP_US_EAST4",
        "connected",
        "code",
    ]
    assert rows[2].split()[1:] == ["bare", "-", "-", "-", "-"]
    assert "canary" not in result.stdout


def test_a_json_listing_is_a_valid_seed(project: Project) -> None:
    project.write("seed.yaml", SEED)
    listed = project.run("emulate", "--seed", "seed.yaml", "--list", "--format", "json")
    assert "canary" not in listed.stdout
    shown = project.run("emulate", "--seed", "seed.yaml", "--list", "--format", "json", "--show-secrets")
    assert "canary" in shown.stdout
    project.write("again.json", shown.stdout)
    again = project.run("emulate", "--seed", "again.json", "--list", "--format", "json", "--show-secrets")
    assert again.document == shown.document


def test_an_account_file_can_be_listed_and_overrides_a_seed(project: Project) -> None:
    project.write("seed.yaml", SEED)
    for _ in range(2):
        listed = project.run("emulate", "--seed", "seed.yaml", "--db", "account.sqlite", "--list")
        assert "2 groups, 1 destination" in listed.stdout
    assert project.run("emulate", "--db", "account.sqlite", "--list").stdout == listed.stdout
    missing = project.run("emulate", "--db", "other.sqlite", "--list")
    assert missing.exit == 1
    assert "error[sandbox-unusable]: there is no emulated account in other.sqlite" in missing.stderr


@pytest.mark.parametrize(
    ("wrong", "code", "place", "advice"),
    [
        (SEED.replace("setup_status: connected", "setup_status: fine"), "wrong-shape", "8:21", "`connected`"),
        (
            SEED.replace("    destination:", "    destinaton:"),
            "unknown-key",
            "6:5",
            "did you mean `destination`?",
        ),
        (
            SEED.replace("name: bare", "id: decent_dropsy, name: bare"),
            "invalid-seed",
            "4:3",
            "an id of its own",
        ),
        (SEED.replace("version: 1\n", ""), "missing-key", "1:1", "write `version: 1`"),
        (SEED.replace("name: bare", "id: x"), "missing-key", "11:5", "add `name:`"),
        (SEED.replace("setup_status:", "setup_state:"), "unknown-key", "8:7", "did you mean `setup_status`?"),
        (
            SEED + "setup_tests: [{runs: [[{title: Login, outcome: FAILED}]]}]\n",
            "unknown-key",
            "12:39",
            "known here are `title`, `status`, `message`, `details`",
        ),
        (SEED + "setup_tests: [{runs: [[Login]]}]\n", "wrong-shape", "12:24", "write `runs: {}`"),
        (
            SEED + "hybrid_agents: [{display_name: basement, group_id: no_such}]\n",
            "invalid-seed",
            "12:16",
            "give the group of the agent this id",
        ),
        (
            SEED
            + "private_links: [{name: bridge, region: AWS_US_EAST_1, service: REDSHIFT_AWS, state: READY}]\n",
            "wrong-shape",
            "12:85",
            "`OK`",
        ),
        (
            SEED + "owner: {id: a, email: ada@acme.example}\nusers: [{email: Ada@acme.example}]\n",
            "invalid-seed",
            "13:8",
            "an email of its own",
        ),
        (SEED + "network: [{certificate: genrated}]\n", "invalid-seed", "12:25", "did you mean `generated`?"),
        (
            SEED + "network: [{setup_test_seconds: x}]\n",
            "wrong-shape",
            "12:32",
            "write a number",
        ),
        (SEED + "network: [{grup: sales}]\n", "unknown-key", "12:12", "did you mean `group`?"),
        (SEED + "private_link_work: [{state: FAILED}]\n", "wrong-shape", "12:29", "`OK` or `FAIL`"),
    ],
)
def test_an_error_in_a_seed_is_shown_with_its_location(
    project: Project, wrong: str, code: str, place: str, advice: str
) -> None:
    assert wrong != SEED
    project.write("seed.yaml", wrong)
    result = project.run("emulate", "--seed", "seed.yaml", "--list")
    assert result.exit == 1
    assert f"error[{code}]" in result.stderr
    assert f"--> seed.yaml:{place}" in result.stderr
    assert advice in result.stderr
    assert "canary" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--behaviour", "last_pge=null"], "there is no switch `last_pge`: did you mean `last_page`?"),
        (["--behaviour", "last_page=nul"], "`last_page` cannot be `nul`: did you mean `null`?"),
        (["--behaviour", "last_page"], "`last_page` sets no switch: write `NAME=VALUE`"),
        (
            ["--fault", "POST * restet"],
            "`restet` is neither a phase nor a kind of fault: did you mean `reset`?",
        ),
        (["--quota", "trail"], "there is no quota `trail`: did you mean `trial`?"),
        (
            ["--quota", "paid,groop=5"],
            "`groop=5` is no limit on requests or creations: did you mean `group`?",
        ),
        (
            ["--quota", "paid,request=5"],
            "`request=5` is no limit on requests or creations: did you mean `requests`?",
        ),
        (
            ["--quota", "paid,requests=0"],
            "`requests=0` is no limit on requests or creations: write for example",
        ),
        (["--latency", "80"], "`80` is no duration such as `80ms`, `2s` or `1m`"),
        (["--certificate", "=x"], "`=x` names no group or no file: write `GROUP` or `GROUP=FILE`"),
        (["--setup-test-seconds", "sales"], "`sales` is no duration of the setup tests of a group"),
        (["--setup-test-seconds", "sales=4000"], "write `GROUP=SECONDS`, for example `sales=30`"),
        (["--setup-test", "sales"], "`sales` names no group: write `GROUP: TITLE STATUS [MESSAGE]`"),
        (["--setup-test", "sales: Login FAILD"], "did you mean `FAILED` instead of `FAILD`?"),
        (["--apikey", "x"], "`--apikey` and `--apisecret` belong together"),
        (["--", "no-such-command-anywhere"], "`no-such-command-anywhere` is not a command of this machine"),
    ],
)
def test_a_wrong_option_is_one_error(project: Project, arguments: list[str], message: str) -> None:
    result = project.run("emulate", *arguments)
    assert (result.exit, result.stdout) == (64, "")
    assert "error[wrong-usage]: " in result.stderr
    assert message in result.stderr


def test_a_behaviour_file_and_a_fault_file_are_checked_line_by_line(project: Project) -> None:
    project.write("behaviour.yaml", "last_page: null\nlist_ordr: id\ncreated_code: Sucess\n")
    result = project.run("emulate", "--behaviour-file", "behaviour.yaml", "--list")
    assert result.exit == 1
    assert result.stderr.count("error[unknown-switch]") == 2
    assert "--> behaviour.yaml:2:1" in result.stderr
    assert "--> behaviour.yaml:3:1" in result.stderr
    project.write("faults.txt", "# these\nGET * #2 reset\n  GET * rset\n")
    result = project.run("emulate", "--fault-file", "faults.txt", "--list")
    assert result.exit == 1
    assert "error[invalid-fault]" in result.stderr
    assert "--> faults.txt:3:3" in result.stderr
    assert "did you mean `reset`?" in result.stderr


def test_every_switch_is_listed_with_values_and_meaning(project: Project) -> None:
    from reconciler.emulator.switches import list_switches

    result = project.run("emulate", "--switches")
    assert result.exit == 0
    for switch in list_switches():
        assert switch.meaning, switch.name
        assert f"{switch.name}: {switch.default} (default)" in result.stdout
    text = " ".join(result.stdout.split())
    assert [str(each.evidence) for each in list_switches() if f"Evidence: {each.evidence}." not in text] == []
    assert "last_page: missing (default) | null\n    `next_cursor` on the last page." in result.stdout


def test_the_fault_syntax_is_described(project: Project) -> None:
    from reconciler.emulator.fault_kinds import FaultKind, Phase

    result = project.run("emulate", "--faults")
    assert result.exit == 0
    assert all(f"  {word}" in result.stdout for word in (*Phase, *FaultKind))
    assert "\neffect-after=SECONDS after any before-effect" in result.stdout


def test_a_served_command_sets_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text(SEED)
    (tmp_path / "call.py").write_text(CALL)
    options = [
        "--seed",
        "seed.yaml",
        "--apikey",
        "one",
        "--apisecret",
        "two",
        "--behaviour",
        "last_page=null",
    ]
    done = run("emulate", *options, "--", sys.executable, "call.py", "/groups?limit=1000", directory=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "'decent_dropsy'" in done.out
    assert "'next_cursor': None" in done.out
    assert run("emulate", "--", sys.executable, "-c", "raise SystemExit(7)", directory=tmp_path).code == 7
    killed = run("emulate", "--", "sh", "-c", "kill -9 $$", directory=tmp_path)
    assert killed.code == 137


@pytest.mark.long
def test_a_fault_affects_the_command_and_the_database_keeps_the_history(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text(SEED)
    (tmp_path / "call.py").write_text(CALL)
    options = ["--seed", "seed.yaml", "--db", "account.sqlite", "--fault", "GET * #1 after-effect reset"]
    failed = run("emulate", *options, "--", sys.executable, "call.py", "/groups", directory=tmp_path)
    assert failed.code == 1
    assert "ConnectionResetError" in failed.err
    history = tmp_path / "history.py"
    history.write_text(
        "import os, urllib.request\n"
        "url = os.environ['FIVETRAN_API_URL'].removesuffix('/v1') + '/_emulator/history?format=lines'\n"
        "print(urllib.request.urlopen(url).read().decode())\n"
    )
    printed = run("emulate", "--db", "account.sqlite", "--", sys.executable, str(history), directory=tmp_path)
    (line,) = printed.out.split("\n")[:1]
    assert json.loads(line)["fault"] == "GET * #1 after-effect reset"


def test_quota_and_latency_apply_to_the_account(tmp_path: Path) -> None:
    (tmp_path / "call.py").write_text(CALL.replace("print(json.load(answer))", "print(answer.headers)"))
    done = run(
        "emulate",
        "--quota",
        "trial",
        "--latency",
        "20ms",
        "--",
        sys.executable,
        "call.py",
        "/groups",
        directory=tmp_path,
    )
    assert "X-Rate-Limit: 500" in done.out
    assert [file.name for file in tmp_path.iterdir()] == ["call.py"]
