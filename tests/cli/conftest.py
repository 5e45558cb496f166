"""Fixtures of commands for two projects of one account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cli_harness import EmulatedFivetran, Project
from owned_projects import PLACES, OwnedProjects, SharedPlace, open_place


@pytest.fixture(params=PLACES)
def place_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def place(
    place_kind: str, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedPlace]:
    with open_place(place_kind, project.folder, tmp_path_factory.mktemp("server")) as opened:
        yield opened


@pytest.fixture
def projects(project: Project, server: EmulatedFivetran, place: SharedPlace) -> OwnedProjects:
    return OwnedProjects(project, server, place)
