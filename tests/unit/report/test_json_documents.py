from __future__ import annotations

import json

from report_values import (
    CREATED,
    FULL_PLAN,
    SKIPPED,
    TESTED,
    build_apply_result,
    build_plan,
    destination_address,
)

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import UnmanagedGroup
from reconciler.report.apply import serialize_apply_result
from reconciler.report.json_document import (
    build_document,
    build_failure_document,
    dump_document,
    iterate_blocks,
)
from reconciler.report.plan_json import serialize_plan


def test_a_plan_document_has_every_fact_of_the_text() -> None:
    data = json.loads(dump_document(build_document(2, "changes", serialize_plan(FULL_PLAN))))
    assert data["format"] == 1
    assert data["tool"]["name"] == "reconciler"
    assert data["exit"] == {"code": 2, "reason": "changes"}
    assert data["account"] == {"id": "intently_yarn", "name": "Acme"}
    assert [(change["address"], change["action"]) for change in data["changes"]] == [
        ("group.finance_prod", "create"),
        ("destination.finance_prod", "create"),
        ("destination.analytics_prod", "update"),
        ("destination.lake", "verify"),
    ]
    assert data["counts"] == {"create": 2, "update": 1, "adopt": 0, "verify": 1} | {
        "replace": 0,
        "delete": 0,
        "forget": 0,
        "approve": 0,
        "revoke": 0,
        "no-op": 2,
    }
    assert data["requests"] == 14
    assert data["unmanaged"] == [{"id": "loose_end", "name": "hackathon"}]
    assert data["owned_elsewhere"] == []
    assert data["unchanged"][1] == {
        "address": "destination.old",
        "id": "old_mole",
        "uncomparable": [["config", "password"], ["config", "server_host_name"]],
        "rewritten": [["config", "server_host_name"]],
        "secrets": {
            "changed": [],
            "unchanged": [["config", "passphrase"]],
            "uncomparable": [["config", "password"]],
        },
    }


def test_a_change_has_its_fields_risk_and_span() -> None:
    change = serialize_plan(FULL_PLAN)["changes"][2]
    assert change["risk"] == "interrupts-syncs"
    assert change["reasons"] == ["fields-differ"]
    assert change["id"] == "decent_dropsy"
    assert change["span"]["path"] == "specs/groups/analytics.yaml"
    assert change["fields"][0] == {
        "path": ["region"],
        "before": "GCP_US_EAST4",
        "after": "AWS_US_EAST_1",
        "shown": "clear",
        "origin": "spec",
        "forces_replace": False,
        "risk": "region",
        "span": None,
    }


def test_an_apply_document_has_one_outcome_for_each_change() -> None:
    data = serialize_apply_result(
        build_apply_result(CREATED, TESTED, SKIPPED, remaining=(destination_address("analytics_prod"),))
    )
    assert [outcome["status"] for outcome in data["outcomes"]] == ["done", "done", "skipped"]
    assert data["outcomes"][0]["setup_tests"] is None
    assert data["outcomes"][1]["setup_tests"][0] == {"title": "Connect", "status": "PASSED", "message": ""}
    assert data["counts"]["done"] == 2
    assert data["remaining"] == ["destination.analytics_prod"]


def test_remaining_is_null_without_a_convergence_check() -> None:
    assert serialize_apply_result(build_apply_result(CREATED, remaining=None))["remaining"] is None


def test_a_failure_is_a_document_too() -> None:
    data = json.loads(
        dump_document(build_failure_document(1, "failed", [Diagnostic("unreachable", "no answer")]))
    )
    assert data["diagnostics"][0]["message"] == "no answer"
    assert data["exit"] == {"code": 1, "reason": "failed"}


def test_a_large_document_is_written_in_blocks_of_whole_lines() -> None:
    document = {"rows": [{"name": f"##{number}\n", "empty": []} for number in range(60_000)]}
    blocks = list(iterate_blocks(document))
    assert len(blocks) == 1 + sum(map(len, blocks)) // (1024 * 1024 + 100)
    assert "\n".join(blocks) == json.dumps(document, indent=2).replace("##", "\\u0023\\u0023")


def test_a_document_is_ascii_without_runner_commands() -> None:
    hostile = "\x1b[2J \u202e \ud800 ##[error]x ##vso[y]"
    text = dump_document(serialize_plan(build_plan(unmanaged=(UnmanagedGroup("x", hostile),))))
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert "##" not in text
    assert json.loads(text)["unmanaged"][0]["name"] == hostile
