"""Serve an account that exists already, and begin a project for it, for tests of `import`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli_harness import CommandResult, EmulatedFivetran, Project
from secret_leak_detector import get_detector

from reconciler.emulator.seed import Seed
from reconciler.emulator.serve import serve_in_thread

PASSWORD = "Clear-Password-0451"
SNOWFLAKE: Mapping[str, Any] = {
    "service": "snowflake",
    "region": "AWS_EU_CENTRAL_1",
    "time_zone_offset": "0",
    "setup_status": "connected",
    "config": {
        "host": "acme.snowflakecomputing.com",
        "port": 443,
        "database": "RAW",
        "auth": "PASSWORD",
        "user": "LOADER",
        "password": PASSWORD,
    },
}
BIG_QUERY: Mapping[str, Any] = {
    "service": "big_query",
    "region": "GCP_EUROPE_WEST3",
    "time_zone_offset": "0",
    "setup_status": "connected",
    "config": {"project_id": "acme-raw", "data_set_location": "EU"},
}


def make_group(id: str, name: str, destination: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """Make a group of a seed."""
    return {"id": id, "name": name, **({} if destination is None else {"destination": destination}), **more}


def load_groups(server: EmulatedFivetran, *groups: Any) -> None:
    """Load groups into the account. No artefact of a command may have their secrets."""
    get_detector().add_environment({"CLEAR_PASSWORD": PASSWORD})
    document = {"version": 1, "account": {"id": "acme_id", "name": "Acme"}, "groups": list(groups)}
    server.app.load_seed(Seed.model_validate(document))


def load_usual_groups(server: EmulatedFivetran) -> None:
    """Load three groups: one of Snowflake, one of BigQuery, one without a destination."""
    load_groups(
        server,
        make_group("first_id", "Zürich & Sales", SNOWFLAKE),
        make_group("second_id", "finance", BIG_QUERY),
        make_group("third_id", "Empty One"),
    )


def read_texts(folder: Path) -> dict[str, str]:
    """Read the spec files, override files and the project file of a project, by path from the folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes().decode()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".reconciler" not in file.parts and ".git" not in file.parts
    }


def check_empty_plan(project: Project, server: EmulatedFivetran, *options: str) -> None:
    """Check that a plan of all specs has no change."""
    result = project.run_against(server, "plan", "--secrets", "skip", "--format", "json", *options)
    assert result.exit == 0, result.stdout + result.stderr
    actions = {change["action"] for change in result.document["changes"]}
    assert actions <= {"adopt", "no-op"}, result.stdout


def list_keys(result: CommandResult) -> dict[str, str]:
    """List the keys of imported groups by id, from a JSON document."""
    return {entry["id"]: entry["key"] for entry in result.document["imported"]}


def list_left_out(result: CommandResult) -> dict[str, str]:
    """List the reasons of left out groups by id, from a JSON document."""
    return {each["id"]: each["reason"] for each in result.document["left_out"]}


@contextmanager
def act_during(server: EmulatedFivetran, path: str, act: Callable[[], None]) -> Iterator[str]:
    """Serve the account at another address, and act once, right before the first request for a path is answered."""
    pending = [act]

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith(path) and pending:
            pending.pop()()
        response: Iterable[bytes] = server.app(environ, start_response)
        return response

    with serve_in_thread(serve) as url:
        yield url
    assert not pending, "no such request came"
