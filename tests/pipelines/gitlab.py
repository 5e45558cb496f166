"""Runs a `.gitlab-ci.yml` as GitLab would, as far as the example needs it, and stands for GitLab's API of notes.

The `script:` lines are executed for real, in one shell for each job and in a fresh clone. Emulated are: `rules:`,
stages, `needs:`, artifacts, manual jobs, and which variables a job sees: those of its environment, and protected ones
on the default branch alone. Nothing is done about `resource_group:`. Unknown keys are errors.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipelines.git_server import GitServer, run_script
from pipelines.runner_tools import install_tools
from ruamel.yaml import YAML
from secret_leak_detector import get_detector

PROJECT_ID = "42"
NOTES_TOKEN = "token-that-writes-notes"
_JOB = {
    "stage", "script", "before_script", "rules", "needs", "environment", "artifacts", "variables", "interruptible",
    "resource_group", "allow_failure", "timeout", "image",
}  # fmt: skip
_RULE = {"if", "when", "allow_failure"}
_TERM = re.compile(r'\$(?P<name>\w+)\s*==\s*(?:\$(?P<other>\w+)|"(?P<text>[^"]*)")')


@dataclass(frozen=True)
class Pipeline:
    """The event that starts a pipeline."""

    source: str
    sha: str
    before: str = "0" * 40
    merge_request: int | None = None
    source_project: str = PROJECT_ID

    @property
    def variables(self) -> dict[str, str]:
        """The predefined variables of its jobs."""
        variables = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PIPELINE_SOURCE": self.source,
            "CI_COMMIT_SHA": self.sha,
            "CI_COMMIT_BEFORE_SHA": self.before,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_ID": PROJECT_ID,
        }
        if self.merge_request is None:
            return variables | {"CI_COMMIT_BRANCH": "main"}
        return variables | {
            "CI_MERGE_REQUEST_IID": str(self.merge_request),
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": self.source_project,
        }


@dataclass
class Job:
    """The result of one job, or a manual job that waits for its start."""

    name: str
    status: str = "manual"
    exit: int = 0
    log: str = ""
    artifacts: Path | None = None
    reports: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GitLabServer:
    """GitLab's side. `variables` are those of environments; `protected` are seen on the default branch alone."""

    git_server: GitServer
    api: str
    variables: Mapping[str, Mapping[str, str]]
    protected: Mapping[str, str]
    machine: Mapping[str, str]


class PipelineRun:
    """A pipeline run with its selected jobs. Manual jobs wait for `start_manual`."""

    def __init__(
        self,
        folder: Path,
        server: GitLabServer,
        path: str,
        pipeline: Pipeline,
        *,
        without: Collection[str] = (),
    ) -> None:
        folder.mkdir()
        self._skipped_keys = ("workflow", "stages", "variables", "default", *without)
        self._folder, self._server, self._path, self._pipeline = folder, server, path, pipeline
        self._attempts = itertools.count(1)
        self._check_out(folder / "files")
        self._file = YAML(typ="safe").load((folder / "files" / ".gitlab-ci.yml").read_text())
        shared = {name: str(value) for name, value in self._file["variables"].items()}
        self._variables = {**pipeline.variables, **shared}
        self.jobs: dict[str, Job] = {}
        if _find_rule(self._file["workflow"]["rules"], self._variables) is None:
            return
        for stage in self._file["stages"]:
            self._run_stage(stage)

    @property
    def log(self) -> str:
        """The output of all jobs."""
        return "\n".join(f"== {job.name}: {job.status}\n{job.log}" for job in self.jobs.values())

    @property
    def is_success(self) -> bool:
        """Whether all jobs of the run succeeded."""
        return all(job.status in ("success", "manual", "skipped") for job in self.jobs.values())

    def start_manual(self, name: str) -> Job:
        """Start a manual job, or restart a failed job."""
        assert self.jobs[name].status in ("manual", "failed"), self.log
        self.jobs[name] = self._run_job(name)
        return self.jobs[name]

    def _run_stage(self, stage: str) -> None:
        """Run the jobs of a stage if all earlier jobs succeeded, or if they always run."""
        has_succeeded = all(
            job.status != "failed" or self._file[name].get("allow_failure") for name, job in self.jobs.items()
        )
        for name, job in self._file.items():
            if name in self._skipped_keys or job["stage"] != stage:
                continue
            _check_keys(job, _JOB, name)
            rule = _find_rule(job.get("rules", [{}]), self._variables)
            if rule is None:
                continue
            when = rule.get("when", "on_success")
            assert when in ("on_success", "always", "manual"), when
            if when == "manual":
                self.jobs[name] = Job(name)
            elif when == "always" or has_succeeded:
                self.jobs[name] = self._run_job(name)
            else:
                self.jobs[name] = Job(name, "skipped")

    def _run_job(self, name: str) -> Job:
        job, default = self._file[name], self._file["default"]
        job_folder = self._folder / f"job-{next(self._attempts)}"
        work = job_folder / "builds"
        own_variables = {variable: str(value) for variable, value in job.get("variables", {}).items()}
        if own_variables.get("GIT_STRATEGY") == "none":
            work.mkdir(parents=True)
        else:
            self._check_out(work)
        for needed in job.get("needs", []):
            assert needed in self.jobs, f"{name} needs {needed}, which is not in this pipeline"
            artifacts = self.jobs[needed].artifacts
            if artifacts is not None:
                shutil.copytree(artifacts, work, dirs_exist_ok=True)
        secrets = dict(self._server.variables.get(job.get("environment", {}).get("name", ""), {}))
        if self._pipeline.merge_request is None:
            secrets |= self._server.protected
        get_detector().add_environment(secrets)
        (job_folder / "home").mkdir()
        environ = {
            "PATH": self._path,
            "HOME": str(job_folder / "home"),
            "LANG": "C.UTF-8",
            "CI_API_V4_URL": self._server.api,
            "CI_PROJECT_DIR": str(work),
            **self._variables,
            **own_variables,
            **secrets,
            **self._server.machine,
        }
        lines = ["set -eo pipefail", *job.get("before_script", default["before_script"]), *job["script"]]
        with self._server.git_server.set_push_access(self._pipeline.merge_request is None):
            code, log = run_script("\n".join(lines), ["bash", "{0}"], work, environ)
        result = Job(name, "success" if code == 0 else "failed", code, log)
        if code == 0 or job.get("artifacts", {}).get("when") == "always":
            self._store_artifacts(job.get("artifacts", {}), work, job_folder / "artifacts", result)
        get_detector().add_artefact(f"the log of {name}", log)
        get_detector().add_folder(job_folder / "artifacts")
        return result

    def _check_out(self, folder: Path) -> None:
        number = self._pipeline.merge_request
        ref = "refs/heads/main" if number is None else f"refs/merge-requests/{number}/head"
        # GitLab fetches the one commit's history, not the other branches, and leaves no branch checked out.
        self._server.git_server.check_out(folder, ref, self._pipeline.sha, depth=2147483647)

    def _store_artifacts(self, artifacts: Mapping[str, Any], work: Path, target: Path, result: Job) -> None:
        target.mkdir()
        for path in artifacts.get("paths", []):
            if (work / path).exists():
                shutil.copy(work / path, target / path)
        result.artifacts = target
        for kind, path in artifacts.get("reports", {}).items():
            if (work / path).exists():
                result.reports[kind] = (work / path).read_text()


class Runner:
    """Runs pipelines."""

    def __init__(self, folder: Path, server: GitLabServer) -> None:
        folder.mkdir()
        self._folder, self._server = folder, server
        self._path = install_tools(folder / "tools")
        self._numbers = itertools.count(1)

    def run(self, pipeline: Pipeline, *, without: Collection[str] = ()) -> PipelineRun:
        """Run all automatic jobs."""
        folder = self._folder / f"pipeline-{next(self._numbers)}"
        return PipelineRun(folder, self._server, self._path, pipeline, without=without)


def _find_rule(rules: list[Mapping[str, Any]], variables: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Find the first matching rule."""
    for rule in rules:
        _check_keys(rule, _RULE, "a rule")
        if _is_met(rule.get("if"), variables):
            return rule
    return None


def _is_met(condition: str | None, variables: Mapping[str, str]) -> bool:
    if condition is None:
        return True
    terms = [_TERM.fullmatch(term.strip()) for term in condition.split("&&")]
    assert all(terms), f"not understood: {condition}"
    return all(
        variables.get(term["name"]) == (variables.get(term["other"]) if term["other"] else term["text"])
        for term in terms
        if term is not None
    )


def _check_keys(given: Mapping[str, Any], known: Collection[str], owner: str) -> None:
    assert not given.keys() - known, f"{owner} has {sorted(given.keys() - known)}, which is not known here"


@dataclass
class NotesApi:
    """Notes of merge requests, and the user of the token."""

    url: str
    notes: list[dict[str, Any]] = field(default_factory=list)
    bot_id: int = 7

    def add_note(self, number: int, body: str, author: int) -> dict[str, Any]:
        """Add a note by another user. The newest note comes first."""
        note = {"id": 1000 + len(self.notes), "iid": number, "author": {"id": author}, "body": body}
        self.notes.insert(0, note)
        return note

    def list_notes(self, number: int) -> list[str]:
        """List the notes of the bot, newest first."""
        return [
            note["body"]
            for note in self.notes
            if (note["iid"], note["author"]["id"]) == (number, self.bot_id)
        ]


@contextmanager
def serve_notes() -> Iterator[NotesApi]:
    """Serve GitLab's API on a socket: the user of a token, and list, create and edit of notes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(self._get)

        def do_POST(self) -> None:
            self._answer(
                lambda path, query: (201, notes.add_note(self._number(path), self._body(), notes.bot_id))
            )

        def do_PUT(self) -> None:
            self._answer(self._put)

        def _get(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
            if path == "/api/v4/user":
                return 200, {"id": notes.bot_id}
            found = [each for each in notes.notes if each["iid"] == self._number(path)]
            size, page = (int(query[name][0]) for name in ("per_page", "page"))
            assert size <= 100
            return 200, found[(page - 1) * size : page * size]

        def _put(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
            collection, _, id = path.rpartition("/")
            note = next(each for each in notes.notes if each["id"] == int(id))
            assert note["iid"] == self._number(collection)
            note["body"] = self._body()
            return 200, note

        def _number(self, path: str) -> int:
            found = re.fullmatch(rf"/api/v4/projects/{PROJECT_ID}/merge_requests/(\d+)/notes", path)
            assert found, path
            return int(found[1])

        def _body(self) -> str:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            return form["body"][0]

        def _answer(self, work: Any) -> None:
            parts = urlsplit(self.path)
            if self.headers.get("PRIVATE-TOKEN") == NOTES_TOKEN:
                status, data = work(parts.path, parse_qs(parts.query))
            else:
                status, data = 401, {"message": "401 Unauthorized"}
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def log_message(self, *arguments: Any) -> None:
            """Keep the terminal of the tests silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        notes = NotesApi(f"http://127.0.0.1:{server.server_port}/api/v4")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield notes
        finally:
            server.shutdown()
            thread.join()
