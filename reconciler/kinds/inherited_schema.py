"""JSON Schema of what destinations inherit in one project: the names of its profiles, and the fields of `config` if the
service comes from a profile, from the defaults or from another file."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.load import load_service
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.project_services import ProjectServices
from reconciler.kinds.schema_parts import Schema, build_condition, name_config, ref
from reconciler.spec.merge_files import PROFILE

_OVERRIDDEN = "overridden_destination"
_PROPOSALS = "proposed_config"


def build_profile_name(project: ProjectServices, variable: Schema) -> Schema:
    """Build the schema of the name of a profile: any text, as long as the project has no profiles."""
    description = "The profile to start from."
    if not project.by_profile:
        return {"type": "string", "description": description}
    names = [{"const": name, **_describe(service)} for name, service in project.by_profile.items()]
    return {"description": description, "anyOf": [*names, variable]}


def build_entry_conditions(project: ProjectServices) -> Iterator[Schema]:
    """Build the rules of an entry that names no service: it has the service of its profile, else of the defaults."""
    profiles_by_service: dict[str, list[str]] = {}
    for profile, service in project.by_profile.items():
        if service is not None:
            profiles_by_service.setdefault(service, []).append(profile)
    for service, profiles in sorted(profiles_by_service.items()):
        found = {SERVICE[0]: False, PROFILE: {"enum": profiles}}
        yield build_condition(found, {CONFIG: ref(name_config(service))}, [PROFILE])
    if project.default is not None:
        found = {SERVICE[0]: False, PROFILE: False}
        yield build_condition(found, {CONFIG: ref(name_config(project.default))}, [])


def build_profile_conditions(project: ProjectServices) -> Iterator[Schema]:
    """Build the rule of a profile that names no service: see `build_proposals`."""
    if project.default is not None:
        yield build_condition({SERVICE[0]: False}, {CONFIG: ref(_PROPOSALS)}, [])


def build_proposals(config: Schema) -> dict[str, Schema]:
    """Build the definition of the config of a profile that names no service, from the config of the service of the
    defaults. Editors propose its fields and check nothing, since an entry may name another service."""
    descriptions = {
        name: {"description": field["description"]}
        for name, field in config["properties"].items()
        if "description" in field
    }
    return {_PROPOSALS: {"type": "object", "properties": descriptions}}


def build_overridden(layer: Schema, project: ProjectServices) -> dict[str, Schema]:
    """Build the definitions of destinations that several files describe. The services are those of the merged
    destinations, whatever one of the files says. `layer` is a destination without such rules."""
    services = set(project.by_overridden_key.values())
    return ({_OVERRIDDEN: layer} if services else {}) | {
        name_overridden(service): {
            "type": "object",
            "allOf": [ref(_OVERRIDDEN)],
            "properties": {CONFIG: ref(name_config(service))},
        }
        for service in sorted(service for service in services if service is not None)
    }


def name_overridden(service: str | None) -> str:
    """Name the definition of a destination that several files describe."""
    return _OVERRIDDEN if service is None else f"{_OVERRIDDEN}_of_{service}"


def _describe(service_name: str | None) -> Schema:
    """Describe a profile by its service, if that is certain."""
    service = load_service(service_name) if service_name is not None else None
    return {"description": f"{service.title}."} if service is not None else {}
