"""Find services and fields of an account that the catalogue does not know. Values are never shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.api.responses import Destination, DestinationSummary
from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.destination import SERVICE, build_observed_destination
from reconciler.runtime.workers import map_parallel

MAX_DESTINATIONS = 200
"""Destinations that are read: a sample is enough to find unknown fields."""
_READERS = 8


@dataclass(frozen=True, slots=True)
class UnknownParts:
    """Unknown services with their numbers of destinations, and unknown fields by service.

    `read` and `refused` are numbers of destinations whose settings could be read or not.
    """

    services: Mapping[str, int]
    fields: Mapping[str, Sequence[str]]
    read: int
    refused: tuple[ApiError, ...]


def find_unknown_parts(client: Client, summaries: Sequence[DestinationSummary]) -> UnknownParts:
    """Read the settings of destinations, and find their unknown services and fields."""
    services: dict[str, int] = defaultdict(int)
    for summary in summaries:
        if load_service(summary.service) is None:
            services[summary.service] += 1
    found, refused = _read_destinations(client, [summary.id for summary in summaries[:MAX_DESTINATIONS]])
    fields: dict[str, set[str]] = defaultdict(set)
    for destination in found:
        fields[destination.service].update(_list_unknown_fields(destination))
    named = {service: sorted(names) for service, names in sorted(fields.items()) if names}
    return UnknownParts(dict(sorted(services.items())), named, len(found), tuple(refused))


def _read_destinations(client: Client, ids: Iterable[str]) -> tuple[list[Destination], list[ApiError]]:
    def read(id: str) -> Destination | ApiError:
        try:
            return client.get_destination(id)
        except ApiError as error:
            return error

    answers = [answer for _, answer in map_parallel(read, ids, _READERS)]
    return (
        [answer for answer in answers if isinstance(answer, Destination)],
        [answer for answer in answers if isinstance(answer, ApiError)],
    )


def _list_unknown_fields(destination: Destination) -> Iterable[str]:
    """List the fields that the catalogue lacks, without the fields of an unknown service."""
    service = load_service(destination.service)
    known = load_destination_facts().fields
    for path in build_observed_destination(destination).fields:
        if path[0] != CONFIG:
            if path != SERVICE and path[0] not in known:
                yield path[0]
        elif service is not None and not service.free_form and path[1] not in service.fields:
            yield f"{CONFIG}.{path[1]}"
