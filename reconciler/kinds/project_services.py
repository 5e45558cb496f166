"""Find the services that the destinations of a project inherit, for the schemas of its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.load import load_service
from reconciler.spec.load import GroupSpec, LoadedProject
from reconciler.spec.nodes import FilledScalar, MappingNode, Scalar


@dataclass(frozen=True, slots=True)
class ProjectServices:
    """Services of a project as far as they are certain and their fields are known; None for every other service.

    `by_profile` has the service of an entry that names a profile and no service, `default` that of an entry that names
    neither. `by_overridden_key` has the final service of each entry that several files describe.
    """

    by_profile: Mapping[str, str | None] = field(default_factory=dict)
    default: str | None = None
    by_overridden_key: Mapping[str, str | None] = field(default_factory=dict)


NO_SERVICES = ProjectServices()
"""Services of a project without files."""


def find_services(loaded: LoadedProject) -> ProjectServices:
    """Find the services of a project. All its files were readable."""
    services = {name: _find_service(base) for name, base in loaded.bases.items()}
    return ProjectServices(
        {name: services[name] for name in sorted(name for name in services if name is not None)},
        services.get(None),
        {
            group.key: _find_final_service(group, services)
            for group in loaded.groups
            if group.is_overridden and group.destination is not None
        },
    )


def _find_final_service(group: GroupSpec, profiles: Collection[str | None]) -> str | None:
    """Find the service of an entry. A profile that a variable names may be another one in the next run, and an unknown
    profile may have any service."""
    profile = group.profile
    if group.destination is None or isinstance(profile, FilledScalar):
        return None
    if profile is not None and profile.value not in profiles:
        return None
    return _find_service(group.destination)


def _find_service(settings: MappingNode) -> str | None:
    node = settings.get(SERVICE[0])
    if not isinstance(node, Scalar) or isinstance(node, FilledScalar) or not isinstance(node.value, str):
        return None
    service = load_service(node.value)
    return service.name if service is not None and not service.free_form else None
