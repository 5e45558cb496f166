"""Policies on the command line: who is stopped by which level, and what overriding one takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit
from secret_leak_detector import allow_values

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: {region}
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: EU}}
"""
REGIONS = "  - allowed-regions: ['GCP_*']\n    because: contracts say so\n"


class Team:
    """A project with policies and its account."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server

    def settings(self, policies: str, more: str = "") -> None:
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n{more}"
        self.project.write("specs/reconciler.yaml", f"{head}policies:\n{policies}")

    def declare(self, **regions: str) -> None:
        self.project.write_groups(
            "".join(PAIR.format(key=key, region=region) for key, region in regions.items())
        )

    def run(self, *command: str, **environ: str) -> CommandResult:
        return self.project.run_against(self.server, *command, environ=environ)


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    made = Team(project, server)
    made.declare(sales="AWS_US_EAST_1")
    return made


def level(of: str, policies: str = REGIONS) -> str:
    return f"{policies}    level: {of}\n"


@pytest.mark.parametrize(("of", "validated", "planned"), [("hard", 3, 3), ("soft", 0, 3), ("advisory", 0, 0)])
def test_a_level_says_who_is_stopped(team: Team, of: str, validated: int, planned: int) -> None:
    team.settings(level(of))
    assert team.run("validate").exit == validated
    assert team.run("plan").exit == planned
    before = team.server.writes
    applied = team.run("apply", "--auto-approve")
    assert applied.exit == planned
    assert (team.server.writes == before) == (planned == 3)
    assert "`region` is `AWS_US_EAST_1`; allowed is `GCP_*`" in applied.stderr
    assert f"{of} policy `allowed-regions`" in applied.stderr


def test_a_soft_policy_is_overridden_by_whoever_applies_and_the_reason_is_kept(
    team: Team, tmp_path: Path
) -> None:
    team.settings(level("soft"))
    log = tmp_path / "events.jsonl"
    applied = team.run(
        "apply",
        "--auto-approve",
        "--override",
        "allowed-regions",
        "--reason",
        "as agreed",
        "--events",
        str(log),
    )
    assert applied.exit == 0, applied.stderr
    assert "overridden for this run" in applied.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    [planned] = [each for each in events if each["event"] == "planned"]
    assert planned["policies"] == [{"policy": "allowed-regions", "level": "soft", "standing": "overridden"}]
    assert planned["reason"] == "as agreed"
    # For that run only: the next change of the entry is judged again, and others need no override.
    settled = team.run("plan")
    assert settled.exit == 0
    assert "policies: 1 violated by what stood before (see `validate`)" in settled.stdout
    assert "policy-violated" not in settled.stderr
    team.declare(sales="AWS_EU_WEST_1", stock="GCP_US_EAST4")
    assert team.run("plan", "--target", "stock").exit == 0
    assert team.run("plan").exit == 3


def test_the_state_remembers_who_let_a_run_do_more_than_the_project_allows(team: Team) -> None:
    team.settings(level("soft"))
    override = ("--override", "allowed-regions", "--reason", "as agreed")
    assert team.run("apply", "--auto-approve", *override).exit == 0
    team.declare(sales="AWS_EU_WEST_1", stock="GCP_US_EAST4")
    more = ("--allow", "deletes=3", "--override", "allowed-regions", "--reason", "once more")
    assert team.run("apply", "--auto-approve", *more).exit == 0
    first, second = team.run("state", "list", "--format", "json").document["exemptions"]
    assert (first["what"], first["reason"]) == (["allowed-regions"], "as agreed")
    assert (second["what"], second["reason"]) == (["deletes=3", "allowed-regions"], "once more")
    assert first["by"] == second["by"] != ""
    assert first["digest"] != second["digest"]
    told = team.run("state", "list").stdout.splitlines()
    assert told[-3] == "Exemptions from limits, policies and waiting:"
    assert told[-2].endswith(f"deletes=3, allowed-regions  by {second['by']}: once more")
    # An apply that needs none adds none.
    team.declare(stock="GCP_US_EAST4", sales="GCP_US_EAST4")
    assert team.run("apply", "--auto-approve", *override).exit == 0
    assert len(team.run("state", "list", "--format", "json").document["exemptions"]) == 2


def test_an_override_needs_a_reason(team: Team) -> None:
    team.settings(level("soft"))
    for more in ((), ("--reason", "  ")):
        refused = team.run("apply", "--auto-approve", "--override", "allowed-regions", *more)
        assert refused.exit == 64
        assert "`--override` needs a reason" in refused.stderr
    assert team.run("apply", "--auto-approve", "--reason", "none").exit == 64
    assert team.server.writes == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("allowed-regions", "the policy `allowed-regions` is hard, and only soft ones can be overridden"),
        ("small-chnges", "there is no policy `small-chnges` to override"),
        ("", "there is no policy `` to override"),
    ],
)
def test_only_soft_policies_can_be_overridden(team: Team, name: str, message: str) -> None:
    team.settings(REGIONS + "  - at-most: {creates: 0}\n    name: small-changes\n    level: soft\n")
    refused = team.run("apply", "--auto-approve", "--override", name, "--reason", "hurry")
    assert refused.exit == 3
    assert f"error[cannot-override]: {message}" in refused.stderr
    assert team.server.writes == []
    if name == "small-chnges":
        assert "did you mean `small-changes`?" in refused.stderr


def test_an_override_where_there_is_no_policy_is_told(team: Team) -> None:
    team.settings("  []\n")
    refused = team.run("apply", "--auto-approve", "--override", "x", "--reason", "y")
    assert refused.exit == 3
    assert "no policy of this project is soft" in refused.stderr


def test_overriding_one_policy_overrides_no_other(team: Team) -> None:
    team.settings(level("soft") + "  - at-most: {creates: 0}\n    level: soft\n")
    refused = team.run("apply", "--auto-approve", "--override", "at-most", "--reason", "first run")
    assert refused.exit == 3
    assert team.server.writes == []
    both = ("--override", "at-most", "--override", "allowed-regions")
    assert team.run("apply", "--auto-approve", *both, "--reason", "first run").exit == 0


def test_a_change_cannot_loosen_the_policy_that_judges_it(team: Team) -> None:
    team.settings(REGIONS)
    team.declare(sales="GCP_EUROPE_WEST3")
    commit(team.project.folder, "base")
    team.settings("  - allowed-regions: ['*']\n")
    team.declare(sales="AWS_US_EAST_1")
    assert team.run("plan").exit == 0, "by its own policies"
    for command in (["plan"], ["apply", "--auto-approve"], ["validate"], ["validate", "specs/groups"]):
        refused = team.run(*command, "--settings-from", "base")
        assert refused.exit == 3, refused.stderr
        assert "the policies are those of `specs/reconciler.yaml@base`" in refused.stderr
    assert team.server.writes == []


def test_a_reviewed_plan_is_still_under_the_policies(team: Team, tmp_path: Path) -> None:
    team.settings(level("soft"))
    saved = str(tmp_path / "plan.json")
    planned = team.run("plan", "--out", saved, "--format", "json")
    assert planned.exit == 3
    digest = planned.document["digest"]
    assert team.run("apply", saved).exit == 3
    assert team.run("apply", "--expect", digest).exit == 3
    assert team.server.writes == []
    override = ("--override", "allowed-regions", "--reason", "as agreed")
    assert team.run("apply", saved, *override).exit == 0


def test_a_value_that_only_a_plan_knows_is_judged_there(team: Team) -> None:
    team.settings(REGIONS)
    team.declare(sales="{value: 'env:REGION'}")
    allow_values("AWS_US_EAST_1", "GCP_US_EAST4")
    assert team.run("validate").exit == 0
    assert team.run("plan", REGION="AWS_US_EAST_1").exit == 3
    assert team.run("plan", REGION="GCP_US_EAST4").exit == 0


def test_what_a_spec_leaves_alone_counts_as_it_is_at_fivetran(team: Team) -> None:
    team.settings("  - at-most: {creates: 9}\n")
    assert team.run("apply", "--auto-approve").exit == 0
    team.settings(REGIONS)
    team.project.write_groups(PAIR.format(key="sales", region="X").replace("      region: X\n", ""))
    assert team.run("validate").exit == 0
    refused = team.run("plan")
    assert refused.exit == 3
    assert "`region`, which the spec does not declare, is `AWS_US_EAST_1`" in refused.stderr


def test_a_narrowed_plan_is_judged_by_what_it_is_about(team: Team) -> None:
    team.settings(REGIONS)
    team.declare(sales="AWS_US_EAST_1", stock="GCP_US_EAST4")
    assert team.run("plan", "--target", "stock").exit == 0
    assert team.run("plan", "--target", "sales").exit == 3


def test_a_part_of_all_is_of_all_that_exists_whatever_the_scope(team: Team) -> None:
    keys = [f"team_{number}" for number in range(4)]
    team.settings("  - at-most: {creates: 9}\n")
    team.declare(**dict.fromkeys(keys, "GCP_US_EAST4"))
    assert team.run("apply", "--auto-approve").exit == 0
    team.settings(
        "  - at-most: {updates: '25%'}\n    where: {key: 'team_*'}\n", "limits: {changed_fraction: 1}\n"
    )
    team.declare(**{**dict.fromkeys(keys, "GCP_US_EAST4"), "team_0": "AWS_US_EAST_1"})
    assert team.run("plan", "--target", "team_0").exit == 0, "one of four"
    team.declare(
        **{**dict.fromkeys(keys, "GCP_US_EAST4"), "team_0": "AWS_US_EAST_1", "team_1": "AWS_US_EAST_1"}
    )
    refused = team.run("plan", "--target", "team_0", "--target", "team_1")
    assert refused.exit == 3
    assert "2 entries of 4 that exist would be updated; at most 25% may be" in refused.stderr


def test_what_is_out_of_scope_counts_as_its_spec_says(team: Team) -> None:
    regions = {
        "one": "GCP_US_EAST4",
        "two": "GCP_US_EAST4",
        "three": "AWS_US_EAST_1",
        "four": "AWS_US_EAST_1",
    }
    team.settings("  - at-most: {creates: 9}\n")
    team.declare(**regions)
    assert team.run("apply", "--auto-approve").exit == 0
    team.settings(
        "  - at-most: {updates: '25%'}\n    where: {region: 'GCP_*'}\n", "limits: {changed_fraction: 1}\n"
    )
    team.declare(**{**regions, "one": "GCP_EUROPE_WEST3"})
    refused = team.run("plan", "--target", "one")
    assert refused.exit == 3
    assert "1 entry of 2 that exist would be updated" in refused.stderr


def test_a_group_without_a_destination_needs_none_of_its_fields(team: Team) -> None:
    team.settings("  - require: {region: '*', name: 'S*'}\n  - allowed-regions: ['GCP_*']\n")
    team.project.write_groups("  notes: {name: Scratch}\n")
    assert team.run("plan").exit == 0
    team.project.write_groups("  notes: {name: Other}\n")
    refused = team.run("plan")
    assert refused.exit == 3
    assert "group.notes: `name` is `Other`; required is `S*`" in refused.stderr


def test_deletions_are_counted_by_their_keys(team: Team) -> None:
    team.settings("  - at-most: {creates: 9}\n")
    team.declare(sales_prod="GCP_US_EAST4", sales_dev="GCP_US_EAST4", stock="GCP_US_EAST4")
    assert team.run("apply", "--auto-approve").exit == 0
    policy = "  - at-most: {deletes: 0}\n    where: {key: '*_prod', service: big_query}\n"
    for key, code in (("sales_dev", 0), ("sales_prod", 3)):
        [id] = team.server.app.dashboard.find_group_ids(key)
        kept = [each for each in ("sales_prod", "sales_dev", "stock") if each != key]
        team.settings(policy)
        pairs = "".join(PAIR.format(key=each, region="GCP_US_EAST4") for each in kept)
        team.project.write_groups(f"{pairs}removed:\n  - {{group: {key}, id: {id}}}\n")
        planned = team.run("plan")
        assert planned.exit == code, planned.stderr


def test_protection_by_the_project_file_is_protection(team: Team) -> None:
    team.declare(sales="GCP_US_EAST4")
    policy = "  - require: {lifecycle.protected: true}\n"
    team.settings(policy)
    assert team.run("validate").exit == 3
    team.settings(policy, "protected: ['sal*']\n")
    assert team.run("validate").exit == 0


def test_validate_tells_of_some_files_only_what_they_break(team: Team) -> None:
    team.settings(REGIONS)
    team.declare(stock="GCP_US_EAST4")
    team.project.write(
        "specs/groups/other.yaml", "version: 1\ngroups:\n" + PAIR.format(key="sales", region="AWS_US_EAST_1")
    )
    assert team.run("validate", "specs/groups/main.yaml").exit == 0
    assert team.run("validate", "specs/groups/other.yaml").exit == 3


@pytest.mark.parametrize("form", ["json", "sarif", "github", "concise"])
def test_every_format_of_validate_tells_what_a_policy_refuses(team: Team, form: str) -> None:
    team.settings(REGIONS)
    told = team.run("validate", "--format", form)
    assert told.exit == 3
    found: Any = told.stdout + told.stderr
    assert "policy-violated" in found
    assert "allowed is `GCP_*`" in found
    if form in {"json", "sarif"}:
        document = told.document
        code = (
            document["exit"]["code"] if form == "json" else document["runs"][0]["invocations"][0]["exitCode"]
        )
        assert code == 3


def test_a_secret_is_no_way_around_a_policy(team: Team) -> None:
    """What is hidden can be what is forbidden, or what a policy is for."""
    hidden = PAIR.format(key="sales", region="{secret: 'env:REGION'}").replace(
        "acme", "{secret: 'env:PROJECT'}"
    )
    environ = {"REGION": "AWS_US_EAST_1", "PROJECT": "acme-of-nobody-knows-whom"}
    team.project.write_groups(hidden)
    team.settings("  - forbid: {config.project_id: [acme-owners, acme-root]}\n")
    refused = team.run("plan", **environ)
    assert refused.exit == 3
    told = "`config.project_id` comes from `env:PROJECT`, so nobody can tell whether it is"
    assert told in refused.stderr
    team.settings("  - forbid: {config.project_id: 'env:*'}\n")
    assert "`config.project_id` is `env:PROJECT`, which is forbidden" in team.run("plan", **environ).stderr
    team.settings("  - require: {config.data_set_location: US}\n    where: {region: 'AWS_*'}\n")
    assert team.run("validate").exit == 0
    assert team.run("plan", **environ).exit == 3
    team.settings(REGIONS)
    assert team.run("plan", **environ).exit == 3


def test_a_policy_never_sees_a_secret(team: Team) -> None:
    """It sees where one comes from."""
    team.project.write_groups(
        PAIR.format(key="sales", region="GCP_US_EAST4").replace(
            "data_set_location: EU", "data_set_location: EU, secret_key: {secret: 'env:SALES_KEY'}"
        )
    )
    team.settings("  - forbid: {config.secret_key: '*'}\n    where: {key: sales}\n")
    refused = team.run("plan", SALES_KEY="canary-of-a-policy")
    assert refused.exit == 3
    assert "`config.secret_key` is `env:SALES_KEY`, which is forbidden" in refused.stderr
    assert "canary-of" not in refused.stdout + refused.stderr
    team.settings("  - forbid: {config.secret_key: 'canary*'}\n")
    for key in ("canary-of-a-policy", "another-of-a-policy"):
        same = team.run("plan", SALES_KEY=key)
        assert same.exit == 3
        assert (
            "comes from `env:SALES_KEY`, so nobody can tell whether it is what the policy names"
            in same.stderr
        )


KAFKA = """\
  lake:
    destination:
      service: new_kafka
      time_zone_offset: "0"
      extra_config:
        servers: ["evil.example:9092", "good.example:9092"]
        nested: {a: {b: bad}}
        level: "22"
        hidden: hunter2-of-nobody
"""


@pytest.mark.parametrize(
    "forbidden",
    [
        "config.servers: 'evil*'",
        "config.nested.a.b: bad",
        "config.level: 22",
        "config.hidden: 'hunter2*'",
    ],
)
def test_no_form_of_a_value_is_a_way_around(team: Team, forbidden: str) -> None:
    """Lists, mappings, other types, and fields that the catalogue does not know; what is hidden stays so."""
    team.project.write_groups(KAFKA)
    team.settings(f"  - forbid: {{{forbidden}}}\n")
    refused = team.run("plan")
    assert refused.exit == 3, refused.stderr
    path = forbidden.partition(":")[0]
    assert f"destination.lake: `{path}` has a value that is not shown, which is forbidden" in refused.stderr
    for hidden in ("evil.example", "hunter2-of", "22"):
        assert hidden not in refused.stderr.replace(forbidden, "").replace("specs/", "")


SNOWFLAKE = """\
  sales:
    destination:
      service: snowflake
      region: {region}
      time_zone_offset: "8"
      networking_method: Directly
      {more}
      config:
        host: acme.snowflakecomputing.com
        port: 443
        database: SALES
        auth: PASSWORD
        user: FIVETRAN
        role: {role}
        password: {{secret: "env:SALES_PASSWORD"}}
"""


def snowflake(role: str = "LOADER", region: str = "AWS_US_EAST_1", more: str = "") -> str:
    return SNOWFLAKE.format(role=role, region=region, more=more)


@pytest.mark.parametrize(
    ("policy", "spec"),
    [
        ("forbid: {config.role: 'ACCOUNT*'}", snowflake("accountadmin")),
        ("forbid: {config.role: ACCOUNTADMIN}", snowflake('"ACCOUNTADMIN "')),
        ("forbid: {config.role: ['x:y', ACCOUNTADMIN]}", snowflake("{secret: 'env:SALES_ROLE'}")),
        ("forbid: {region: US}", snowflake(region="US")),
        ("forbid: {region: us}", snowflake(region="GCP_US_EAST4")),
        ("forbid: {time_zone_offset: 8}", snowflake()),
        ("forbid: {networking_method: DIRECTLY}", snowflake()),
        ("allowed-regions: ['*_EU_*']", snowflake(region="{secret: 'env:AWS_EU_X'}")),
        ("require: {config.role: '*_ROLE'}", snowflake("{secret: 'env:SALES_ROLE'}")),
        ("require: {time_zone_offset: '0'}", snowflake()),
    ],
)
def test_no_spelling_is_a_way_around(team: Team, policy: str, spec: str) -> None:
    team.project.write_groups(spec)
    team.settings(f"  - {policy}\n")
    refused = team.run(
        "plan", SALES_PASSWORD="password-of-sales", SALES_ROLE="role-of-sales", AWS_EU_X="region-of-sales"
    )
    assert refused.exit == 3, refused.stdout + refused.stderr
    assert "error[policy-violated]" in refused.stderr


@pytest.mark.parametrize(
    "policy",
    ["allowed-regions: [US]", "require: {time_zone_offset: 8}", "require: {setup_tests.run: 'true'}"],
)
def test_a_policy_may_spell_values_as_specs_may(team: Team, policy: str) -> None:
    team.project.write_groups(snowflake(region="GCP_US_EAST4"))
    team.settings(f"  - {policy}\n")
    assert team.run("plan", SALES_PASSWORD="password-of-sales").exit == 0


def test_what_is_declared_to_be_ignored_counts_as_it_is(team: Team) -> None:
    secret = {"SALES_PASSWORD": "password-of-sales"}
    team.settings("  - at-most: {creates: 9}\n")
    team.project.write_groups(snowflake("ACCOUNTADMIN"))
    assert team.run("apply", "--auto-approve", **secret).exit == 0
    team.settings("  - forbid: {config.role: ACCOUNTADMIN}\n")
    team.project.write_groups(snowflake("LOADER", more="lifecycle: {ignore_changes: [config.role]}"))
    refused = team.run("plan", **secret)
    assert refused.exit == 3
    assert "`config.role` is `ACCOUNTADMIN`, which is forbidden" in refused.stderr
    # Clearing it, or changing it, is what the policy wants.
    for role in ("null", "LOADER"):
        team.project.write_groups(snowflake(role))
        assert team.run("plan", **secret).exit == 0


def test_what_leaves_the_entries_of_a_limit_counts(team: Team) -> None:
    team.settings("  - at-most: {creates: 9}\n")
    team.declare(sales="AWS_US_EAST_1")
    assert team.run("apply", "--auto-approve").exit == 0
    team.settings("  - at-most: {updates: 0}\n    where: {region: 'AWS_*'}\n")
    team.declare(sales="GCP_US_EAST4")
    assert team.run("plan").exit == 3
    team.settings("  - at-most: {deletes: 0}\n    where: {config.project_id: other}\n")
    [id] = team.server.app.dashboard.find_group_ids("sales")
    team.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n  other: {{}}\nremoved:\n  - {{group: sales, id: {id}}}\n",
    )
    refused = team.run("plan")
    assert refused.exit == 3, "nobody knows what it was"
    assert "1 entry would be deleted; none may be" in refused.stderr


def test_the_sandbox_knows_no_values_behind_references(team: Team) -> None:
    team.settings("  - forbid: {region: 'demo-*'}\n  - allowed-regions: ['GCP_*']\n")
    team.declare(sales="{value: 'env:REGION'}")
    assert team.project.run("plan", "--sandbox").exit == 0


def test_what_a_replacement_does_not_declare_will_be_what_fivetran_takes(team: Team) -> None:
    team.settings("  - at-most: {creates: 9}\n")
    assert team.run("apply", "--auto-approve").exit == 0
    team.settings("  - allowed-regions: ['AWS_*']\n")
    undeclared = PAIR.format(key="sales", region="X").replace("      region: X\n", "")
    team.project.write_groups(undeclared)
    assert team.run("plan").exit == 0, "it is in such a region"
    again = undeclared.replace("service: big_query", "service: managed_big_query")
    team.project.write_groups(again + "      lifecycle: {allow_replace: true}\n")
    refused = team.run("plan")
    assert refused.exit == 3, refused.stdout + refused.stderr
    assert "`region`, which the spec does not declare, is `GCP_US_EAST4`" in refused.stderr
