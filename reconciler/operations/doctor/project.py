"""Check the project file, the specs that it names, and its policies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from dataclasses import dataclass

from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem
from reconciler.model.diagnostic import ReconcilerError
from reconciler.planning.policies import evaluate_spec_policies
from reconciler.spec.project import Project, read_project
from reconciler.workspace.settings import Settings
from reconciler.workspace.spec_secrets import add_spec_secrets
from reconciler.workspace.specs import Specs, load_specs

_CHECKS = AreaChecks(CheckupArea.PROJECT)
_NO_FILE = "there is no project file"
_ALL_FINDINGS = "`reconciler validate` shows every finding with its line"


@dataclass(frozen=True, slots=True)
class ExaminedProject:
    """Project and specs, as far as they could be read.

    `obstacle` is the reason why there is no project, `specs_obstacle` the reason why there are no specs.
    """

    items: tuple[CheckupItem, ...]
    project: Project | None = None
    specs: Specs | None = None
    obstacle: str = ""
    specs_obstacle: str = ""


def check_project(settings: Settings) -> ExaminedProject:
    """Read the project file and its specs. Sends nothing."""
    if not settings.is_project_named and not os.path.lexists(settings.directory / settings.project):
        advice = "`reconciler init` begins a project; `--project FILE` names a file elsewhere"
        items = (
            _CHECKS.skip("project file", f"{_NO_FILE} here or in a folder above", advice),
            _CHECKS.skip("specs", _NO_FILE),
        )
        return ExaminedProject(items, obstacle=_NO_FILE, specs_obstacle=_NO_FILE)
    try:
        project = read_project(settings.project, settings.directory)
    except ReconcilerError as error:
        obstacle = "the project file cannot be read"
        failed = _CHECKS.judge(
            "project file", "", error.diagnostics, f"`{settings.project}` has errors", _ALL_FINDINGS
        )
        items = (failed, _CHECKS.skip("specs", obstacle))
        return ExaminedProject(items, obstacle=obstacle, specs_obstacle=obstacle)
    origin = "named by you" if settings.is_project_named else "found"
    found = _CHECKS.pass_check("project file", f"`{project.shown}`, {origin}")
    try:
        specs = load_specs(settings)
    except ReconcilerError as error:
        failed = _CHECKS.judge("specs", "", error.diagnostics, "the specs have errors", _ALL_FINDINGS)
        return ExaminedProject((found, failed), project, specs_obstacle="the specs have errors")
    add_spec_secrets(settings.redactor, specs, settings.directory)
    return ExaminedProject((found, *_check_specs(specs)), project, specs)


def _check_specs(specs: Specs) -> Iterator[CheckupItem]:
    objects = f"{_count(specs.groups, 'group')}, {_count(specs.destinations, 'destination')}"
    counts = f"{objects} in {_count(specs.files, 'file')}"
    summary = f"{counts}, with {_count(specs.warnings, 'warning')}"
    yield _CHECKS.judge("specs", counts, specs.warnings, summary, _ALL_FINDINGS)
    results = evaluate_spec_policies(specs)
    findings = [finding for result in results for finding in result.findings]
    if results:
        yield _CHECKS.judge(
            "policies", f"{len(results)} checked", findings, "not all of them pass", _ALL_FINDINGS
        )


def _count(items: Sized, noun: str) -> str:
    return f"{len(items):,} {noun}" + ("" if len(items) == 1 else "s")
