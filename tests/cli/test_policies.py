"""Policies on the command line: levels, stopped commands and overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from git_repo import commit
from secret_leak_detector import allow_values

pytestmark = pytest.mark.sampled(every=3, tests=2)

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: {region}
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: EU}}
"""
REGIONS = "  - allowed-regions: ['GCP_*']\n    because: contracts say so\n"


class PolicyProject(AppliedProject):
    """A project with policies, before its first apply."""

    def write_policies(self, policies: str, more: str = "") -> None:
        self.write_settings(f"{more}policies:\n{policies}")

    def declare_regions(self, **regions: str) -> None:
        """Write a pair for each key, in its region."""
        self.project.write_groups(
            "".join(PAIR.format(key=key, region=region) for key, region in regions.items())
        )


@pytest.fixture
def policy_project(project: Project, server: EmulatedFivetran) -> PolicyProject:
    policy_project = PolicyProject(project, server)
    policy_project.declare_regions(sales="AWS_US_EAST_1")
    return policy_project


def add_level(of: str, policies: str = REGIONS) -> str:
    return f"{policies}    level: {of}\n"


@pytest.mark.parametrize(("of", "validated", "planned"), [("hard", 3, 3), ("soft", 0, 3), ("advisory", 0, 0)])
def test_a_policy_level_decides_which_commands_fail(
    policy_project: PolicyProject, of: str, validated: int, planned: int
) -> None:
    policy_project.write_policies(add_level(of))
    assert policy_project.run("validate").exit == validated
    assert policy_project.run("plan").exit == planned
    before = policy_project.server.writes
    applied = policy_project.run("apply", "--auto-approve")
    assert applied.exit == planned
    assert (policy_project.server.writes == before) == (planned == 3)
    assert "`region` is `AWS_US_EAST_1`; allowed is `GCP_*`" in applied.stderr
    assert f"{of} policy `allowed-regions`" in applied.stderr


def test_a_soft_policy_is_overridden_for_one_apply_and_the_reason_is_recorded(
    policy_project: PolicyProject, tmp_path: Path
) -> None:
    policy_project.write_policies(add_level("soft"))
    log = tmp_path / "events.jsonl"
    applied = policy_project.run(
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
    # For that run only: the next change of the entry is evaluated again, and other entries need no override.
    settled = policy_project.run("plan")
    assert settled.exit == 0
    assert "policies: 1 with older violations only (see `validate`)" in settled.stdout
    assert "policy-violated" not in settled.stderr
    policy_project.declare_regions(sales="AWS_EU_WEST_1", stock="GCP_US_EAST4")
    assert policy_project.run("plan", "--target", "stock").exit == 0
    assert policy_project.run("plan").exit == 3


def test_the_state_records_the_user_and_reason_of_an_override(
    policy_project: PolicyProject,
) -> None:
    policy_project.write_policies(add_level("soft"))
    override = ("--override", "allowed-regions", "--reason", "as agreed")
    assert policy_project.run("apply", "--auto-approve", *override).exit == 0
    policy_project.declare_regions(sales="AWS_EU_WEST_1", stock="GCP_US_EAST4")
    more = ("--allow", "deletes=3", "--override", "allowed-regions", "--reason", "once more")
    assert policy_project.run("apply", "--auto-approve", *more).exit == 0
    first, second = policy_project.run("state", "list", "--format", "json").document["exemptions"]
    assert (first["what"], first["reason"]) == (["allowed-regions"], "as agreed")
    assert (second["what"], second["reason"]) == (["deletes=3", "allowed-regions"], "once more")
    assert first["by"] == second["by"] != ""
    assert first["digest"] != second["digest"]
    lines = policy_project.run("state", "list").stdout.splitlines()
    assert lines[-3] == "Exemptions from limits, policies and waiting:"
    assert lines[-2].endswith(f"deletes=3, allowed-regions  by {second['by']}: once more")
    # An apply without an override adds no record.
    policy_project.declare_regions(stock="GCP_US_EAST4", sales="GCP_US_EAST4")
    assert policy_project.run("apply", "--auto-approve", *override).exit == 0
    assert len(policy_project.run("state", "list", "--format", "json").document["exemptions"]) == 2


def test_an_override_needs_a_reason(policy_project: PolicyProject) -> None:
    policy_project.write_policies(add_level("soft"))
    for more in ((), ("--reason", "  ")):
        refused = policy_project.run("apply", "--auto-approve", "--override", "allowed-regions", *more)
        assert refused.exit == 64
        assert "`--override` needs a reason" in refused.stderr
    assert policy_project.run("apply", "--auto-approve", "--reason", "none").exit == 64
    assert policy_project.server.writes == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("allowed-regions", "the policy `allowed-regions` is hard, and only soft ones can be overridden"),
        ("small-chnges", "there is no policy `small-chnges` to override"),
        ("", "there is no policy `` to override"),
    ],
)
def test_only_soft_policies_can_be_overridden(policy_project: PolicyProject, name: str, message: str) -> None:
    policy_project.write_policies(
        REGIONS + "  - at-most: {creates: 0}\n    name: small-changes\n    level: soft\n"
    )
    refused = policy_project.run("apply", "--auto-approve", "--override", name, "--reason", "hurry")
    assert refused.exit == 3
    assert f"error[cannot-override]: {message}" in refused.stderr
    assert policy_project.server.writes == []
    if name == "small-chnges":
        assert "did you mean `small-changes`?" in refused.stderr


def test_an_override_without_a_policy_is_refused(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  []\n")
    refused = policy_project.run("apply", "--auto-approve", "--override", "x", "--reason", "y")
    assert refused.exit == 3
    assert "no policy of this project is soft" in refused.stderr


def test_overriding_one_policy_overrides_no_other(policy_project: PolicyProject) -> None:
    policy_project.write_policies(add_level("soft") + "  - at-most: {creates: 0}\n    level: soft\n")
    refused = policy_project.run("apply", "--auto-approve", "--override", "at-most", "--reason", "first run")
    assert refused.exit == 3
    assert policy_project.server.writes == []
    both = ("--override", "at-most", "--override", "allowed-regions")
    assert policy_project.run("apply", "--auto-approve", *both, "--reason", "first run").exit == 0


def test_a_change_cannot_loosen_the_policy_that_judges_it(policy_project: PolicyProject) -> None:
    policy_project.write_policies(REGIONS)
    policy_project.declare_regions(sales="GCP_EUROPE_WEST3")
    commit(policy_project.folder, "base")
    policy_project.write_policies("  - allowed-regions: ['*']\n")
    policy_project.declare_regions(sales="AWS_US_EAST_1")
    assert policy_project.run("plan").exit == 0, "by its own policies"
    for command in (["plan"], ["apply", "--auto-approve"], ["validate"], ["validate", "specs/groups"]):
        refused = policy_project.run(*command, "--settings-from", "base")
        assert refused.exit == 3, refused.stderr
        assert "the policies are those of `specs/reconciler.yaml@base`" in refused.stderr
    assert policy_project.server.writes == []


def test_a_saved_plan_is_evaluated_by_the_policies(policy_project: PolicyProject, tmp_path: Path) -> None:
    policy_project.write_policies(add_level("soft"))
    saved = str(tmp_path / "plan.json")
    planned = policy_project.run("plan", "--out", saved, "--format", "json")
    assert planned.exit == 3
    digest = planned.document["digest"]
    assert policy_project.run("apply", saved).exit == 3
    assert policy_project.run("apply", "--expect", digest).exit == 3
    assert policy_project.server.writes == []
    override = ("--override", "allowed-regions", "--reason", "as agreed")
    assert policy_project.run("apply", saved, *override).exit == 0


def test_a_value_known_only_to_a_plan_is_evaluated_in_the_plan(policy_project: PolicyProject) -> None:
    policy_project.write_policies(REGIONS)
    policy_project.declare_regions(sales="{value: 'env:REGION'}")
    allow_values("AWS_US_EAST_1", "GCP_US_EAST4")
    assert policy_project.run("validate").exit == 0
    assert policy_project.run("plan", REGION="AWS_US_EAST_1").exit == 3
    assert policy_project.run("plan", REGION="GCP_US_EAST4").exit == 0


def test_an_undeclared_field_is_evaluated_with_its_live_value(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy_project.write_policies(REGIONS)
    policy_project.project.write_groups(PAIR.format(key="sales", region="X").replace("      region: X\n", ""))
    assert policy_project.run("validate").exit == 0
    refused = policy_project.run("plan")
    assert refused.exit == 3
    assert "`region`, which the spec does not declare, is `AWS_US_EAST_1`" in refused.stderr


def test_a_scoped_plan_is_evaluated_for_its_scope(policy_project: PolicyProject) -> None:
    policy_project.write_policies(REGIONS)
    policy_project.declare_regions(sales="AWS_US_EAST_1", stock="GCP_US_EAST4")
    assert policy_project.run("plan", "--target", "stock").exit == 0
    assert policy_project.run("plan", "--target", "sales").exit == 3


def test_a_percentage_limit_counts_all_objects_whatever_the_scope(policy_project: PolicyProject) -> None:
    keys = [f"team_{number}" for number in range(4)]
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    policy_project.declare_regions(**dict.fromkeys(keys, "GCP_US_EAST4"))
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy_project.write_policies(
        "  - at-most: {updates: '25%'}\n    where: {key: 'team_*'}\n", "limits: {changed_fraction: 1}\n"
    )
    policy_project.declare_regions(**{**dict.fromkeys(keys, "GCP_US_EAST4"), "team_0": "AWS_US_EAST_1"})
    assert policy_project.run("plan", "--target", "team_0").exit == 0, "one of four"
    policy_project.declare_regions(
        **{**dict.fromkeys(keys, "GCP_US_EAST4"), "team_0": "AWS_US_EAST_1", "team_1": "AWS_US_EAST_1"}
    )
    refused = policy_project.run("plan", "--target", "team_0", "--target", "team_1")
    assert refused.exit == 3
    assert "2 entries of 4 that exist would be updated; at most 25% may be" in refused.stderr


def test_an_entry_out_of_scope_is_evaluated_by_its_spec(policy_project: PolicyProject) -> None:
    regions = {
        "one": "GCP_US_EAST4",
        "two": "GCP_US_EAST4",
        "three": "AWS_US_EAST_1",
        "four": "AWS_US_EAST_1",
    }
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    policy_project.declare_regions(**regions)
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy_project.write_policies(
        "  - at-most: {updates: '25%'}\n    where: {region: 'GCP_*'}\n", "limits: {changed_fraction: 1}\n"
    )
    policy_project.declare_regions(**{**regions, "one": "GCP_EUROPE_WEST3"})
    refused = policy_project.run("plan", "--target", "one")
    assert refused.exit == 3
    assert "1 entry of 2 that exist would be updated" in refused.stderr


def test_a_group_without_destination_needs_no_destination_fields(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  - require: {region: '*', name: 'S*'}\n  - allowed-regions: ['GCP_*']\n")
    policy_project.project.write_groups("  notes: {name: Scratch}\n")
    assert policy_project.run("plan").exit == 0
    policy_project.project.write_groups("  notes: {name: Other}\n")
    refused = policy_project.run("plan")
    assert refused.exit == 3
    assert "group.notes: `name` is `Other`; required is `S*`" in refused.stderr


def test_deletions_are_counted_by_key(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    policy_project.declare_regions(sales_prod="GCP_US_EAST4", sales_dev="GCP_US_EAST4", stock="GCP_US_EAST4")
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy = "  - at-most: {deletes: 0}\n    where: {key: '*_prod', service: big_query}\n"
    for key, code in (("sales_dev", 0), ("sales_prod", 3)):
        [id] = policy_project.dashboard.find_group_ids(key)
        kept = [each for each in ("sales_prod", "sales_dev", "stock") if each != key]
        policy_project.write_policies(policy)
        pairs = "".join(PAIR.format(key=each, region="GCP_US_EAST4") for each in kept)
        policy_project.project.write_groups(f"{pairs}removed:\n  - {{group: {key}, id: {id}}}\n")
        planned = policy_project.run("plan")
        assert planned.exit == code, planned.stderr


def test_a_policy_sees_protection_by_the_project_file(policy_project: PolicyProject) -> None:
    policy_project.declare_regions(sales="GCP_US_EAST4")
    policy = "  - require: {lifecycle.protected: true}\n"
    policy_project.write_policies(policy)
    assert policy_project.run("validate").exit == 3
    policy_project.write_policies(policy, "protected: ['sal*']\n")
    assert policy_project.run("validate").exit == 0


def test_validate_with_paths_reports_violations_of_these_files_only(policy_project: PolicyProject) -> None:
    policy_project.write_policies(REGIONS)
    policy_project.declare_regions(stock="GCP_US_EAST4")
    policy_project.project.write(
        "specs/groups/other.yaml", "version: 1\ngroups:\n" + PAIR.format(key="sales", region="AWS_US_EAST_1")
    )
    assert policy_project.run("validate", "specs/groups/main.yaml").exit == 0
    assert policy_project.run("validate", "specs/groups/other.yaml").exit == 3


@pytest.mark.parametrize("form", ["json", "sarif", "github", "concise"])
def test_every_validate_format_reports_policy_violations(policy_project: PolicyProject, form: str) -> None:
    policy_project.write_policies(REGIONS)
    validated = policy_project.run("validate", "--format", form)
    assert validated.exit == 3
    found: Any = validated.stdout + validated.stderr
    assert "policy-violated" in found
    assert "allowed is `GCP_*`" in found
    if form in {"json", "sarif"}:
        document = validated.document
        code = (
            document["exit"]["code"] if form == "json" else document["runs"][0]["invocations"][0]["exitCode"]
        )
        assert code == 3


def test_a_secret_does_not_bypass_a_policy(policy_project: PolicyProject) -> None:
    """A hidden value may be a forbidden value, or a value selected by a policy."""
    hidden = PAIR.format(key="sales", region="{secret: 'env:REGION'}").replace(
        "acme", "{secret: 'env:PROJECT'}"
    )
    environ = {"REGION": "AWS_US_EAST_1", "PROJECT": "acme-of-nobody-knows-whom"}
    policy_project.project.write_groups(hidden)
    policy_project.write_policies("  - forbid: {config.project_id: [acme-owners, acme-root]}\n")
    refused = policy_project.run("plan", **environ)
    assert refused.exit == 3
    message = "`config.project_id` comes from `env:PROJECT`, so its value is unknown and may be"
    assert message in refused.stderr
    policy_project.write_policies("  - forbid: {config.project_id: 'env:*'}\n")
    assert (
        "`config.project_id` is `env:PROJECT`, which is forbidden"
        in policy_project.run("plan", **environ).stderr
    )
    policy_project.write_policies(
        "  - require: {config.data_set_location: US}\n    where: {region: 'AWS_*'}\n"
    )
    assert policy_project.run("validate").exit == 0
    assert policy_project.run("plan", **environ).exit == 3
    policy_project.write_policies(REGIONS)
    assert policy_project.run("plan", **environ).exit == 3


def test_a_policy_never_reads_a_secret(policy_project: PolicyProject) -> None:
    """A policy sees the source of a secret only."""
    policy_project.project.write_groups(
        PAIR.format(key="sales", region="GCP_US_EAST4").replace(
            "data_set_location: EU", "data_set_location: EU, secret_key: {secret: 'env:SALES_KEY'}"
        )
    )
    policy_project.write_policies("  - forbid: {config.secret_key: '*'}\n    where: {key: sales}\n")
    refused = policy_project.run("plan", SALES_KEY="canary-of-a-policy")
    assert refused.exit == 3
    assert "`config.secret_key` is `env:SALES_KEY`, which is forbidden" in refused.stderr
    assert "canary-of" not in refused.stdout + refused.stderr
    policy_project.write_policies("  - forbid: {config.secret_key: 'canary*'}\n")
    for key in ("canary-of-a-policy", "another-of-a-policy"):
        same = policy_project.run("plan", SALES_KEY=key)
        assert same.exit == 3
        assert (
            "comes from `env:SALES_KEY`, so its value is unknown and may be a value that the policy names"
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
def test_no_type_of_a_value_bypasses_a_policy(policy_project: PolicyProject, forbidden: str) -> None:
    """Covers lists, mappings, other types, and fields unknown to the catalogue; hidden values stay hidden."""
    policy_project.project.write_groups(KAFKA)
    policy_project.write_policies(f"  - forbid: {{{forbidden}}}\n")
    refused = policy_project.run("plan")
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
def test_no_spelling_bypasses_a_policy(policy_project: PolicyProject, policy: str, spec: str) -> None:
    policy_project.project.write_groups(spec)
    policy_project.write_policies(f"  - {policy}\n")
    refused = policy_project.run(
        "plan", SALES_PASSWORD="password-of-sales", SALES_ROLE="role-of-sales", AWS_EU_X="region-of-sales"
    )
    assert refused.exit == 3, refused.stdout + refused.stderr
    assert "error[policy-violated]" in refused.stderr


@pytest.mark.parametrize(
    "policy",
    ["allowed-regions: [US]", "require: {time_zone_offset: 8}", "require: {setup_tests.run: 'true'}"],
)
def test_a_policy_accepts_the_spellings_of_specs(policy_project: PolicyProject, policy: str) -> None:
    policy_project.project.write_groups(snowflake(region="GCP_US_EAST4"))
    policy_project.write_policies(f"  - {policy}\n")
    assert policy_project.run("plan", SALES_PASSWORD="password-of-sales").exit == 0


def test_an_ignored_field_is_evaluated_with_its_live_value(policy_project: PolicyProject) -> None:
    secret = {"SALES_PASSWORD": "password-of-sales"}
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    policy_project.project.write_groups(snowflake("ACCOUNTADMIN"))
    assert policy_project.run("apply", "--auto-approve", **secret).exit == 0
    policy_project.write_policies("  - forbid: {config.role: ACCOUNTADMIN}\n")
    policy_project.project.write_groups(
        snowflake("LOADER", more="lifecycle: {ignore_changes: [config.role]}")
    )
    refused = policy_project.run("plan", **secret)
    assert refused.exit == 3
    assert "`config.role` is `ACCOUNTADMIN`, which is forbidden" in refused.stderr
    # The policy wants the field cleared or changed.
    for role in ("null", "LOADER"):
        policy_project.project.write_groups(snowflake(role))
        assert policy_project.run("plan", **secret).exit == 0


def test_an_entry_leaving_the_selection_of_a_limit_is_counted(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    policy_project.declare_regions(sales="AWS_US_EAST_1")
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy_project.write_policies("  - at-most: {updates: 0}\n    where: {region: 'AWS_*'}\n")
    policy_project.declare_regions(sales="GCP_US_EAST4")
    assert policy_project.run("plan").exit == 3
    policy_project.write_policies("  - at-most: {deletes: 0}\n    where: {config.project_id: other}\n")
    [id] = policy_project.dashboard.find_group_ids("sales")
    policy_project.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n  other: {{}}\nremoved:\n  - {{group: sales, id: {id}}}\n",
    )
    refused = policy_project.run("plan")
    assert refused.exit == 3, "its service is unknown"
    assert "1 entry would be deleted; none may be" in refused.stderr


def test_the_sandbox_evaluates_references_without_values(policy_project: PolicyProject) -> None:
    policy_project.write_policies("  - forbid: {region: 'demo-*'}\n  - allowed-regions: ['GCP_*']\n")
    policy_project.declare_regions(sales="{value: 'env:REGION'}")
    assert policy_project.project.run("plan", "--sandbox").exit == 0


def test_an_undeclared_field_of_a_replacement_is_evaluated_with_the_default(
    policy_project: PolicyProject,
) -> None:
    policy_project.write_policies("  - at-most: {creates: 9}\n")
    assert policy_project.run("apply", "--auto-approve").exit == 0
    policy_project.write_policies("  - allowed-regions: ['AWS_*']\n")
    undeclared = PAIR.format(key="sales", region="X").replace("      region: X\n", "")
    policy_project.project.write_groups(undeclared)
    assert policy_project.run("plan").exit == 0, "it is in such a region"
    again = undeclared.replace("service: big_query", "service: managed_big_query")
    policy_project.project.write_groups(again + "      lifecycle: {allow_replace: true}\n")
    refused = policy_project.run("plan")
    assert refused.exit == 3, refused.stdout + refused.stderr
    assert "`region`, which the spec does not declare, is `GCP_US_EAST4`" in refused.stderr
