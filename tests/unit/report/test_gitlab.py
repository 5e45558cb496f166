"""Test counts for the GitLab widget: three whole numbers of at most six digits."""

from __future__ import annotations

import json
from dataclasses import replace

from report_values import (
    CHANGED_DESTINATION,
    FULL_PLAN,
    NEW_GROUP,
    UNTESTED_DESTINATION,
    build_plan,
    destination_address,
)

from reconciler.model.plan import Action
from reconciler.report.gitlab import MAX_COUNT, render_gitlab_counts


def test_the_three_counts_equal_those_of_the_plan() -> None:
    assert json.loads(render_gitlab_counts(FULL_PLAN)) == {"create": 2, "update": 1, "delete": 0}


def test_a_replacement_counts_twice_and_a_test_run_not_at_all() -> None:
    replaced = replace(CHANGED_DESTINATION, action=Action.REPLACE)
    deleted = replace(CHANGED_DESTINATION, action=Action.DELETE, address=destination_address("old"))
    counted = json.loads(render_gitlab_counts(build_plan(replaced, deleted, UNTESTED_DESTINATION)))
    assert counted == {"create": 1, "update": 0, "delete": 2}


def test_counts_are_capped_at_the_limit_of_gitlab() -> None:
    assert MAX_COUNT == 999_999
    for number in (MAX_COUNT, MAX_COUNT + 1):
        plan = build_plan(*[NEW_GROUP] * number)
        assert json.loads(render_gitlab_counts(plan))["create"] == MAX_COUNT
    assert (
        json.loads(render_gitlab_counts(build_plan(*[NEW_GROUP] * (MAX_COUNT - 1))))["create"]
        == MAX_COUNT - 1
    )
