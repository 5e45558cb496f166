"""Apply a pair of every service of the catalogue."""

from __future__ import annotations

from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from spec_matrix import CONFIGS, SpecModel, build_right_spec

SPECS = "specs/groups/main.yaml"


def apply_all_services(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Apply one pair per service, whose key is the name of the service."""
    specs = {service: build_right_spec(service) for service in sorted(CONFIGS)}
    environ = {name: value for spec in specs.values() for name, value in spec.environ.items()}
    applied_project = AppliedProject(project, server, environ)
    applied_project.apply_once("".join(_render_entry(key, spec) for key, spec in specs.items()))
    return applied_project


def _render_entry(key: str, spec: SpecModel) -> str:
    return spec.render().partition("groups:\n")[2].replace("  orders:\n", f"  {key}:\n", 1)
