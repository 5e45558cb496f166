"""Runs workflow files as GitHub Actions would, as far as the examples need it.

The `run:` lines are executed for real, in a fresh clone for each job, with the environment that the file itself
gives them. Emulated are: the three actions that the examples use, matrices, `if:`, `needs`, outputs and step
summaries, what secrets an environment gives and to whom, and what the token of a job may do. Nothing is done
about `concurrency:` and `timeout-minutes:`; the tests of the files look whether they are there. Unknown keys
are errors.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.expressions import (
    BUILTIN_FUNCTIONS,
    ExpressionError,
    ExpressionScope,
    Function,
    interpolate,
    is_met,
    to_text,
)
from pipelines.git_server import GitServer, run_script
from pipelines.github_store import build_token
from pipelines.runner_tools import install_tools
from ruamel.yaml import YAML
from secret_leak_detector import get_detector

REPOSITORY = "acme/fivetran"
_CHECKOUT = {"fetch-depth", "persist-credentials"}
_UPLOAD = {"name", "path", "retention-days", "include-hidden-files", "if-no-files-found"}
_JOB = {
    "if", "needs", "runs-on", "timeout-minutes", "environment", "permissions", "concurrency", "strategy", "env",
    "steps", "outputs",
}  # fmt: skip
_STEP = {"name", "id", "if", "uses", "with", "env", "run"}


@dataclass(frozen=True)
class Event:
    """The event that starts a workflow. `data` is `github.event`."""

    name: str
    ref: str
    sha: str
    data: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    from_fork: bool = False


@dataclass
class Job:
    """The result of one job of a run."""

    name: str
    matrix: Mapping[str, str]
    conclusion: str
    log: str = ""
    summary: str = ""
    exit: int = 0
    environment: str = ""
    secrets: tuple[str, ...] = ()
    uploads: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Run:
    """The result of one workflow run."""

    jobs: list[Job]

    @property
    def is_success(self) -> bool:
        """Whether all jobs of the run succeeded."""
        return all(job.conclusion in ("success", "skipped") for job in self.jobs)

    def get_job(self, name: str, **matrix: str) -> Job:
        """Get the job with this name and these matrix values."""
        matching = [job for job in self.jobs if job.name == name and matrix.items() <= job.matrix.items()]
        assert len(matching) == 1, [(job.name, job.matrix) for job in self.jobs]
        return matching[0]

    @property
    def log(self) -> str:
        """The output of all jobs."""
        return "\n".join(f"== {job.name} {dict(job.matrix)}\n{job.log}" for job in self.jobs)


@dataclass(frozen=True)
class GitHubServer:
    """GitHub's side. `secrets` are those of environments; `settings` are variables that a machine has beside those of
    the file, by environment: here, where Fivetran is. `only` leaves out every job of a matrix that has another value.
    """

    git_server: GitServer
    hub: Path
    secrets: Mapping[str, Mapping[str, str]]
    machine_environ: Mapping[str, Mapping[str, str]]
    matrix_filter: Mapping[str, str]


class Runner:
    """Runs workflow files as they are in a commit."""

    def __init__(self, folder: Path, server: GitHubServer) -> None:
        folder.mkdir()
        self._folder, self._server = folder, server
        self._path = install_tools(folder / "tools")
        self._numbers = itertools.count(1)

    def run(self, workflow: str, event: Event, attempt: int = 1, jobs: Collection[str] | None = None) -> Run:
        """Run the workflow file of this name from the commit of the event; with `jobs`, only these jobs."""
        run_folder = self._folder / f"run-{next(self._numbers)}"
        run_folder.mkdir()
        self._server.git_server.check_out(run_folder / "files", event.ref, event.sha, depth=1)
        text = (run_folder / "files" / ".github" / "workflows" / workflow).read_text()
        file = YAML(typ="safe").load(text)
        contexts: dict[str, Any] = {
            "github": _build_github_context(event, attempt),
            "inputs": event.inputs,
            "vars": {},
            "needs": {},
        }
        run = Run([])
        for name, job in _sort_jobs(file["jobs"]):
            _check_keys(job, _JOB, name)
            if jobs is not None and name not in jobs:
                continue
            scope = ExpressionScope(contexts, BUILTIN_FUNCTIONS)
            if not is_met(job.get("if", "true"), scope.restrict("github", "inputs", "needs", "vars")):
                run.jobs.append(Job(name, {}, "skipped"))
                continue
            job_results = []
            for number, matrix in enumerate(_expand_matrix(job, scope)):
                if self._server.matrix_filter.items() <= matrix.items():
                    job_folder = run_folder / f"{name}-{number}"
                    job_results.append(
                        _JobRun(self._server, self._path, job_folder, file, job, event).run(
                            name, matrix, contexts
                        )
                    )
            run.jobs += job_results
            result = (
                "success"
                if all(job_result.conclusion == "success" for job_result in job_results)
                else "failure"
            )
            contexts["needs"] = {**contexts["needs"], name: {"result": result}}
        return run


def _build_github_context(event: Event, attempt: int) -> dict[str, Any]:
    return {
        "repository": REPOSITORY,
        "event_name": event.name,
        "ref": event.ref,
        "sha": event.sha,
        "event": event.data,
        "run_attempt": str(attempt),
    }


@dataclass
class _JobRun:
    """One job on one machine."""

    server: GitHubServer
    path: str
    folder: Path
    file: Mapping[str, Any]
    job: Mapping[str, Any]
    event: Event
    contexts: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def work_folder(self) -> Path:
        """The working folder of the steps."""
        return self.folder / "work"

    @property
    def permissions(self) -> dict[str, str]:
        """The permissions of the token. The token of a fork's pull request can only read."""
        requested = dict(self.job.get("permissions", self.file.get("permissions", {})))
        return dict.fromkeys(requested, "read") if self.event.from_fork else requested

    def run(self, name: str, matrix: Mapping[str, str], contexts: Mapping[str, Any]) -> Job:
        """Run all steps in order."""
        self.folder.mkdir()
        scope = ExpressionScope({**contexts, "matrix": matrix}, BUILTIN_FUNCTIONS)
        name_scope = scope.restrict("github", "needs", "matrix", "inputs", "vars")
        environment = str(interpolate(self.job.get("environment", ""), name_scope))
        secrets = {} if self.event.from_fork else dict(self.server.secrets.get(environment, {}))
        get_detector().add_environment(secrets)
        token = build_token(self.permissions)
        self.contexts = {
            **scope.contexts,
            "secrets": secrets,
            "steps": {},
            "github": {**contexts["github"], "token": token},
        }
        scope = ExpressionScope(self.contexts, BUILTIN_FUNCTIONS)
        job_scope = scope.restrict("github", "needs", "matrix", "vars", "secrets", "inputs")
        self.environ = {
            **self._build_environment(environment),
            **_interpolate_values(self.file.get("env", {}), scope.restrict("github", "inputs", "vars")),
            **_interpolate_values(self.job.get("env", {}), job_scope),
        }
        job = Job(name, matrix, "success", environment=environment, secrets=tuple(secrets))
        with self.server.git_server.set_push_access(self.permissions.get("contents") == "write"):
            for step in self.job["steps"]:
                self._run_step(step, job)
        get_detector().add_artefact(f"the log of {name}", job.log)
        get_detector().add_artefact(f"the summary of {name}", job.summary)
        get_detector().add_folder(self.work_folder)
        return job

    def _build_environment(self, environment: str) -> dict[str, str]:
        """Build the environment of a step: variables of every runner, and the address of Fivetran."""
        (self.folder / "home").mkdir()
        return {
            "PATH": self.path,
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": self.event.name,
            "GITHUB_REF": self.event.ref,
            "GITHUB_SHA": self.event.sha,
            "GITHUB_WORKSPACE": str(self.work_folder),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_ACTOR": "somebody",
            "GITHUB_RUN_ID": "1",
            "RUNNER_TEMP": str(self.folder),
            "HUB_OF_THE_TESTS": str(self.server.hub),
            **self.server.machine_environ.get(environment, {}),
        }

    def _run_step(self, step: Mapping[str, Any], job: Job) -> None:
        _check_keys(step, _STEP, "a step")
        title = step.get("name", step.get("uses", "run"))
        scope = ExpressionScope(self.contexts, self._build_functions(job))
        if not is_met(_get_condition(step), scope.restrict(*(self.contexts.keys() - {"secrets"}))):
            job.log += f"-- {title}: skipped\n"
            return
        if "uses" in step:
            options = {name: interpolate(value, scope) for name, value in step.get("with", {}).items()}
            self._run_action(str(step["uses"]).partition("@")[0], options, job)
            return
        files = {name: self.folder / f"{name}-{len(job.log)}" for name in ("output", "step_summary", "env")}
        for file in files.values():
            file.touch()
        environ = {**self.environ, **_interpolate_values(step.get("env", {}), scope)}
        environ |= {f"GITHUB_{name.upper()}": str(file) for name, file in files.items()}
        shell = shlex.split(self.file.get("defaults", {}).get("run", {}).get("shell", "bash -e {0}"))
        code, text = run_script(step["run"], shell, self.work_folder, environ)
        job.log += f"-- {title}: exit {code}\n{text}"
        job.summary += files["step_summary"].read_text()
        assert not files["env"].read_text(), "a step sets variables of later ones, which is not known here"
        if "id" in step:
            outputs = dict(line.split("=", 1) for line in files["output"].read_text().splitlines())
            self.contexts["steps"] = {**self.contexts["steps"], step["id"]: {"outputs": outputs}}
        if code and job.conclusion == "success":
            job.conclusion, job.exit = "failure", code

    def _build_functions(self, job: Job) -> dict[str, Function]:
        return {
            **BUILTIN_FUNCTIONS,
            "success": lambda: job.conclusion == "success",
            "failure": lambda: job.conclusion == "failure",
            "cancelled": lambda: False,
            "always": lambda: True,
            "hashFiles": lambda name: "some hash" if (self.work_folder / name).is_file() else "",
        }

    def _run_action(self, name: str, options: Mapping[str, Any], job: Job) -> None:
        job.log += f"-- {name}\n"
        if name == "actions/checkout":
            _check_keys(options, _CHECKOUT, name)
            assert self.permissions.get("contents") in ("read", "write"), (
                "the token cannot read the repository"
            )
            self.server.git_server.check_out(
                self.work_folder,
                self.event.ref,
                self.event.sha,
                depth=int(options.get("fetch-depth", 1)),
                keeps_credentials=options.get("persist-credentials", True) is True,
            )
        elif name == "actions/setup-python":
            _check_keys(options, {"python-version"}, name)
        elif name == "actions/upload-artifact":
            _check_keys(options, _UPLOAD, name)
            job.uploads[to_text(options["name"])] = self._list_uploads(options)
        else:
            raise ExpressionError(f"the action `{name}` is not known to these tests")

    def _list_uploads(self, options: Mapping[str, Any]) -> list[str]:
        """List the uploaded files that match the patterns of `path`."""
        files = [file for line in to_text(options["path"]).split() for file in self.work_folder.glob(line)]
        names = [str(file.relative_to(self.work_folder)) for file in files]
        if options.get("include-hidden-files") is not True:
            names = [name for name in names if "/." not in f"/{name}"]
        assert names or options.get("if-no-files-found") == "ignore"
        return names


def _get_condition(step: Mapping[str, Any]) -> str:
    """Get the `if:` of a step, which is `success()` by default."""
    condition = str(step.get("if", "success()")).strip().removeprefix("${{").removesuffix("}}")
    if any(f"{function}()" in condition for function in ("success", "failure", "cancelled", "always")):
        return condition
    return f"success() && ({condition})"


def _sort_jobs(jobs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Sort jobs behind the jobs in their `needs`."""
    sorted_jobs: list[tuple[str, Any]] = []
    pending = dict(jobs)
    while pending:
        known = {name for name, _ in sorted_jobs}
        ready = [name for name, job in pending.items() if set(_as_list(job.get("needs", []))) <= known]
        assert ready, "jobs wait for each other"
        sorted_jobs += [(name, pending.pop(name)) for name in ready]
    return sorted_jobs


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _expand_matrix(job: Mapping[str, Any], scope: ExpressionScope) -> list[dict[str, str]]:
    matrix = job.get("strategy", {}).get("matrix", {})
    job_scope = scope.restrict("github", "needs", "vars", "inputs")
    axes = {name: interpolate(values, job_scope) for name, values in matrix.items()}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _interpolate_values(values: Mapping[str, Any], scope: ExpressionScope) -> dict[str, str]:
    return {name: to_text(interpolate(value, scope)) for name, value in values.items()}


def _check_keys(given: Mapping[str, Any], known: set[str], owner: str) -> None:
    unknown = given.keys() - known
    if unknown:
        raise ExpressionError(f"{owner} has {sorted(unknown)}, which is not known to these tests")
