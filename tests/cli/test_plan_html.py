"""`plan --format html` and `show PLAN --format html`: one page on standard output, whatever the run ends with."""

from __future__ import annotations

import io
import sys
from datetime import timedelta

import pytest
from cli_harness import EmulatedFivetran, Project
from fake_clock import HastyClock
from plan_pages import parse_page

ENTRY = """\
  orders:
    name: "<script>alert(1)</script> Größe"
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US, secret_key: {secret: "env:THE_KEY"}}
"""
KEYS = {"THE_KEY": "<one key & no other>"}


def test_a_plan_is_one_page_with_the_exit_code_of_a_plan(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(ENTRY)
    result = project.run_against(server, "plan", "--format", "html", "--detailed-exitcode", environ=KEYS)
    assert (result.exit, result.stderr) == (2, "")
    page = parse_page(result.stdout)
    assert page.find("h1").text == "Plan: 2 to add, 0 to change, 0 to destroy."
    assert "Needs approval by its digest" in page.text
    assert '"<script>alert(1)</script> Größe"' in page.text
    assert "(secret env:THE_KEY)" in page.text
    assert "specs/groups/main.yaml:3" in page.text
    assert "POST destination.orders" in page.text
    digest = project.run_against(server, "plan", "--format", "json", environ=KEYS).document["digest"]
    assert page.find("code", "digest").text == digest


def test_a_failed_plan_is_a_page_with_the_diagnostics(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups(ENTRY.replace("big_query", "big_qery"))
    result = project.run_against(server, "plan", "--format", "html", environ=KEYS)
    assert result.exit == 1
    assert "error[unknown-service]" in result.stderr
    page = parse_page(result.stdout)
    assert page.find("h1").text == "No plan: 1 error"
    assert "There is no plan." in page.text
    assert "service: big_qery" in page.find("pre").text
    assert "Exit code 1 (failed)" in page.text


def test_a_saved_plan_is_shown_with_its_end(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_groups(ENTRY)
    options = ("--out", "plan.json", "--expires", "1m", "--format", "html")
    planned = parse_page(project.run_against(server, "plan", *options, environ=KEYS).stdout)
    assert "Apply exactly this plan with: reconciler apply plan.json" in planned.text
    shown = project.run("show", "plan.json", "--format", "html")
    assert (shown.exit, shown.stderr) == (0, "")
    page = parse_page(shown.stdout)
    assert page.find("code", "digest").text == planned.find("code", "digest").text
    assert [each.text for each in page.find_all("article")] == [
        each.text for each in planned.find_all("article")
    ]
    assert "valid until" in page.text
    assert "expired" not in page.text
    monkeypatch.setattr(HastyClock, "ahead", timedelta(seconds=61))
    expired = parse_page(project.run("show", "plan.json", "--format", "html").stdout)
    assert "This saved plan has expired. No apply takes it any more." in expired.text
    assert "expired since" in expired.text


def test_a_plan_that_is_no_file_of_ours_is_a_page_too(project: Project) -> None:
    project.write("plan.json", "{}")
    result = project.run("show", "plan.json", "--format", "html")
    assert result.exit == 4
    page = parse_page(result.stdout)
    assert page.find("h1").text == "No plan: 1 error"
    assert "Exit code 4" in page.text


def test_a_page_survives_an_output_of_another_charset(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_groups(ENTRY)
    output = io.BytesIO()
    stream = io.TextIOWrapper(output, encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        project.run_against(server, "plan", "--format", "html", environ=KEYS)
    stream.flush()
    assert "Größe" in parse_page(output.getvalue().decode("ascii")).text
