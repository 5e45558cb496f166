"""Rules for every workflow of the example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}")
_SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
_SECRETS = re.compile(r"secrets\.(\w+)")
_KEYS = {"FIVETRAN_APIKEY", "FIVETRAN_APISECRET"}
_TRIGGERS = {"pull_request", "push", "workflow_dispatch", "schedule"}
WRITE_ENVIRONMENT = "${{ matrix.project }}"
"""The environments whose keys may write."""
PLAN_ENVIRONMENT = "${{ matrix.project }}-plan"
"""Those of pull requests: keys that read, and nothing that specs refer to."""
NIGHTLY_ENVIRONMENT = "${{ matrix.project }}-night"
"""Those that read accounts and secrets, for main alone."""


def find_problems(workflow: Mapping[str, Any]) -> list[str]:
    """Find all violations of the rules."""
    found = list(_check_file(workflow))
    for name, job in workflow["jobs"].items():
        found += [f"{name}: {problem}" for problem in _check_job(job, workflow)]
    return found


def _check_file(workflow: Mapping[str, Any]) -> Iterator[str]:
    if not set(_list_triggers(workflow)) <= _TRIGGERS:
        yield "starts by something that runs foreign code with rights"
    if workflow.get("permissions") != {}:
        yield "gives permissions to all jobs"
    if workflow.get("defaults", {}).get("run", {}).get("shell") != "bash -euo pipefail {0}":
        yield "goes on after errors"
    if "secrets." in str(workflow.get("env", "")):
        yield "gives a secret to all jobs"


def _check_job(job: Mapping[str, Any], workflow: Mapping[str, Any]) -> Iterator[str]:
    environment = job.get("environment")
    is_untrusted = "pull_request" in _list_triggers(workflow) and _SAME_REPOSITORY not in str(
        job.get("if", "")
    )
    if not 0 < job.get("timeout-minutes", 0) <= 120:
        yield "may hang"
    if "permissions" not in job:
        yield "does not say what it may do"
    if not job.get("concurrency", {}).get("group"):
        yield "may run twice at once"
    if "secrets." in str({**job, "steps": None}):
        yield "gives a secret to all steps"
    if "secrets." in str(job["steps"]) and environment not in (
        WRITE_ENVIRONMENT,
        PLAN_ENVIRONMENT,
        NIGHTLY_ENVIRONMENT,
    ):
        yield "has a secret of no environment"
    if is_untrusted and (
        "secrets." in str(job) or environment or "write" in job.get("permissions", {}).values()
    ):
        yield "gives something to strangers"
    if is_untrusted and any(
        "persist-credentials" not in step.get("with", {}) for step in _list_checkouts(job)
    ):
        yield "leaves its token to strangers"
    if "pull_request" in _list_triggers(workflow) and set(_SECRETS.findall(str(job["steps"]))) - _KEYS:
        yield "gives secrets of the specs to a branch"
    if environment == NIGHTLY_ENVIRONMENT and job.get("if") != "github.ref == 'refs/heads/main'":
        yield "gives secrets of the specs to a branch"
    if job.get("permissions", {}).get("contents") == "write" and environment != WRITE_ENVIRONMENT:
        yield "may push without an approval"
    if environment == WRITE_ENVIRONMENT:
        yield from _check_apply_job(job, workflow)
    for step in job["steps"]:
        yield from _check_step(step)


def _check_apply_job(job: Mapping[str, Any], workflow: Mapping[str, Any]) -> Iterator[str]:
    if set(_list_triggers(workflow)) != {"push", "workflow_dispatch"} or workflow["on"]["push"] != {
        "branches": ["main"]
    }:
        yield "writes for something else than main"
    if job.get("if") != "github.ref == 'refs/heads/main'":
        yield "writes for any branch"
    if job.get("concurrency", {}).get("cancel-in-progress") is not False:
        yield "may be cancelled half-way"
    if job.get("concurrency", {}).get("queue") != "max":
        yield "may be dropped while it waits"
    scripts = [step["run"] for step in job["steps"] if "reconciler apply" in step.get("run", "")]
    if not scripts or not all("--expect" in script and "--auto-approve" not in script for script in scripts):
        yield "applies an unreviewed plan"


def _check_step(step: Mapping[str, Any]) -> Iterator[str]:
    if "${{" in step.get("run", ""):
        yield "lets an event write its script"
    if "uses" in step and not _PINNED.fullmatch(step["uses"]):
        yield "uses what may change overnight"
    if "pip install" in step.get("run", "") and "secrets." in str(step.get("env", "")):
        yield "shows a secret to what it installs"


def _list_triggers(workflow: Mapping[str, Any]) -> list[str]:
    return list(workflow["on"])


def _list_checkouts(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
