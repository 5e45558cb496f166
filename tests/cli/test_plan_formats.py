"""`plan --format markdown` in a job of a pull request, and the stability of the digest."""

from __future__ import annotations

from cli_harness import EmulatedFivetran, Project

ENTRY = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US, secret_key: {{secret: "env:THE_KEY"}}}}
"""
KEYS = {"THE_KEY": "one-key"}


def test_a_failure_comment_replaces_the_plan_comment(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(ENTRY.format(key="orders"))
    plan = project.run_against(server, "plan", "--format", "markdown", environ=KEYS)
    assert plan.exit == 0
    assert plan.stdout.splitlines()[:2] == [
        "<!-- reconciler plan specs/reconciler.yaml -->",
        "## Needs approval: 2 to do · Plan: 2 to add, 0 to change, 0 to destroy.",
    ]
    project.write_groups(ENTRY.format(key="orders").replace("big_query", "big_qery"))
    failure = project.run_against(server, "plan", "--format", "markdown", environ=KEYS)
    assert failure.exit == 1
    assert failure.stdout.splitlines()[:2] == [plan.stdout.splitlines()[0], "## No plan: 1 error"]
    for stream in (failure.stdout, failure.stderr):
        assert "error[unknown-service]" in stream
        assert "service: big_qery" in stream


def test_a_digest_is_independent_of_the_layout_of_specs(project: Project, server: EmulatedFivetran) -> None:
    def digest() -> str:
        plan = project.run_against(server, "plan", "--format", "json", environ=KEYS)
        assert plan.exit == 0, plan.stdout
        return str(plan.document["digest"])

    orders, events = ENTRY.format(key="orders"), ENTRY.format(key="events")
    project.write_groups(orders + events)
    first = digest()
    other_order = orders.replace(
        "project_id: acme, data_set_location: US", "data_set_location: US, project_id: acme"
    )
    assert other_order != orders
    project.write_groups("\n\n" + events + other_order)
    assert digest() == first
    project.write_groups(events)
    project.write_groups(orders, file="another")
    assert digest() == first
    project.write_groups(events.replace("project_id: acme", "project_id: other"))
    assert digest() != first


def test_the_text_format_shows_the_digest_prefix(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(ENTRY.format(key="orders"))
    digest = project.run_against(server, "plan", "--format", "json", environ=KEYS).document["digest"]
    assert f"digest {digest[:8]}…" in project.run_against(server, "plan", environ=KEYS).stdout
    assert digest in project.run_against(server, "plan", "--format", "markdown", environ=KEYS).stdout
