"""A sender that remembers reads sends each once, and never writes."""

from __future__ import annotations

import pytest
from importable_account import SNOWFLAKE, make_group
from in_process_harness import open_project

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, NotFound
from reconciler.api.remembered_reads import RememberingSender
from reconciler.emulator.seed import Seed
from reconciler.workspace.specs import load_specs


def test_each_read_is_sent_once_and_its_answer_or_error_stays() -> None:
    with open_project() as project:
        groups = [make_group("one_id", "One", SNOWFLAKE)]
        project.app.load_seed(Seed.model_validate({"version": 1, "groups": groups}))
        project.write_project_file(specs=["main.yaml"])
        project.declare({"one": {}})
        with project.open_workspace(load_specs(project.build_settings())) as workspace:
            client = Client(RememberingSender(workspace.sender))
            answers = [
                (client.list_groups(), client.get_destination("one_id"), _get_error(client)) for _ in range(3)
            ]
            with pytest.raises(RuntimeError, match="POST"):
                client.create_group("Two")
        paths = [entry.path for entry in project.read_new_history()]
    assert answers[0] == answers[1] == answers[2]
    assert paths == ["/v1/groups", "/v1/destinations/one_id", "/v1/destinations/nothing_there"]


def _get_error(client: Client) -> ApiError:
    with pytest.raises(NotFound) as caught:
        client.get_destination("nothing_there")
    return caught.value
