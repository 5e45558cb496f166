"""Runs workflow files as GitHub Actions would, as far as the examples need it.

The `run:` lines are executed for real, in a fresh clone for each job, with the environment that the file itself
gives them. Emulated are: the three actions that the examples use, matrices, `if:`, `needs`, outputs and step
summaries, what secrets an environment gives and to whom, and what the token of a job may do. Nothing is done
about `concurrency:` and `timeout-minutes:`; the tests of the files look whether they are there. Whatever is not known
here is an error.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canaries import watch
from pipelines.expressions import PURE, ExpressionError, Function, Surroundings, as_text, filled, is_met
from pipelines.forge import Forge, run_script
from pipelines.hub import token_for
from pipelines.tools import tools
from ruamel.yaml import YAML

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
    """Why a workflow runs. `data` is `github.event`."""

    name: str
    ref: str
    sha: str
    data: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    from_fork: bool = False


@dataclass
class Job:
    """How one job of a run ended."""

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
    """How one workflow ended."""

    jobs: list[Job]

    @property
    def is_success(self) -> bool:
        """Whether everything that ran went well."""
        return all(job.conclusion in ("success", "skipped") for job in self.jobs)

    def job(self, name: str, **matrix: str) -> Job:
        """The one job of this name and these values of the matrix."""
        found = [job for job in self.jobs if job.name == name and matrix.items() <= job.matrix.items()]
        assert len(found) == 1, [(job.name, job.matrix) for job in self.jobs]
        return found[0]

    @property
    def log(self) -> str:
        """What all jobs wrote."""
        return "\n".join(f"== {job.name} {dict(job.matrix)}\n{job.log}" for job in self.jobs)


@dataclass(frozen=True)
class Server:
    """GitHub's side. `secrets` are those of environments; `settings` are variables that a machine has beside those of
    the file, by environment: here, where Fivetran is. `only` leaves out every job of a matrix that has another value.
    """

    forge: Forge
    hub: Path
    secrets: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, Mapping[str, str]]
    only: Mapping[str, str]


class Runner:
    """Runs workflow files as they are in a commit."""

    def __init__(self, folder: Path, server: Server) -> None:
        folder.mkdir()
        self._folder, self._server = folder, server
        self._path = tools(folder / "tools")
        self._numbers = itertools.count(1)

    def run(self, workflow: str, event: Event, attempt: int = 1, jobs: Collection[str] | None = None) -> Run:
        """Run the workflow file of this name that is in the commit of the event; with `jobs`, only these of it."""
        where = self._folder / f"run-{next(self._numbers)}"
        where.mkdir()
        self._server.forge.check_out(where / "files", event.ref, event.sha, depth=1)
        text = (where / "files" / ".github" / "workflows" / workflow).read_text()
        file = YAML(typ="safe").load(text)
        contexts: dict[str, Any] = {
            "github": _github(event, attempt),
            "inputs": event.inputs,
            "vars": {},
            "needs": {},
        }
        run = Run([])
        for name, job in _in_order(file["jobs"]):
            _only_known(job, _JOB, name)
            if jobs is not None and name not in jobs:
                continue
            around = Surroundings(contexts, PURE)
            if not is_met(job.get("if", "true"), around.only("github", "inputs", "needs", "vars")):
                run.jobs.append(Job(name, {}, "skipped"))
                continue
            done = []
            for number, matrix in enumerate(_matrix(job, around)):
                if self._server.only.items() <= matrix.items():
                    place = where / f"{name}-{number}"
                    done.append(
                        _Attempt(self._server, self._path, place, file, job, event).run(
                            name, matrix, contexts
                        )
                    )
            run.jobs += done
            result = "success" if all(each.conclusion == "success" for each in done) else "failure"
            contexts["needs"] = {**contexts["needs"], name: {"result": result}}
        return run


def _github(event: Event, attempt: int) -> dict[str, Any]:
    return {
        "repository": REPOSITORY,
        "event_name": event.name,
        "ref": event.ref,
        "sha": event.sha,
        "event": event.data,
        "run_attempt": str(attempt),
    }


@dataclass
class _Attempt:
    """One job on one machine."""

    server: Server
    path: str
    where: Path
    file: Mapping[str, Any]
    job: Mapping[str, Any]
    event: Event
    contexts: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The folder that steps work in."""
        return self.where / "work"

    @property
    def permissions(self) -> dict[str, str]:
        """What the token may do. That of a fork's pull request can only read."""
        asked = dict(self.job.get("permissions", self.file.get("permissions", {})))
        return dict.fromkeys(asked, "read") if self.event.from_fork else asked

    def run(self, name: str, matrix: Mapping[str, str], contexts: Mapping[str, Any]) -> Job:
        """All steps, one after the other."""
        self.where.mkdir()
        around = Surroundings({**contexts, "matrix": matrix}, PURE)
        named = around.only("github", "needs", "matrix", "inputs", "vars")
        environment = str(filled(self.job.get("environment", ""), named))
        secrets = {} if self.event.from_fork else dict(self.server.secrets.get(environment, {}))
        watch().environment(secrets)
        token = token_for(self.permissions)
        self.contexts = {
            **around.contexts,
            "secrets": secrets,
            "steps": {},
            "github": {**contexts["github"], "token": token},
        }
        around = Surroundings(self.contexts, PURE)
        inside = around.only("github", "needs", "matrix", "vars", "secrets", "inputs")
        self.environ = {
            **self._machine(environment),
            **_texts(self.file.get("env", {}), around.only("github", "inputs", "vars")),
            **_texts(self.job.get("env", {}), inside),
        }
        done = Job(name, matrix, "success", environment=environment, secrets=tuple(secrets))
        with self.server.forge.pushes(self.permissions.get("contents") == "write"):
            for step in self.job["steps"]:
                self._step(step, done)
        watch().artefact(f"the log of {name}", done.log)
        watch().artefact(f"the summary of {name}", done.summary)
        watch().folder(self.work)
        return done

    def _machine(self, environment: str) -> dict[str, str]:
        """The variables that every runner has, and where Fivetran is."""
        (self.where / "home").mkdir()
        return {
            "PATH": self.path,
            "HOME": str(self.where / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": self.event.name,
            "GITHUB_REF": self.event.ref,
            "GITHUB_SHA": self.event.sha,
            "GITHUB_WORKSPACE": str(self.work),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_ACTOR": "somebody",
            "GITHUB_RUN_ID": "1",
            "RUNNER_TEMP": str(self.where),
            "HUB_OF_THE_TESTS": str(self.server.hub),
            **self.server.settings.get(environment, {}),
        }

    def _step(self, step: Mapping[str, Any], done: Job) -> None:
        _only_known(step, _STEP, "a step")
        told = step.get("name", step.get("uses", "run"))
        around = Surroundings(self.contexts, self._functions(done))
        if not is_met(_condition(step), around.only(*(self.contexts.keys() - {"secrets"}))):
            done.log += f"-- {told}: skipped\n"
            return
        if "uses" in step:
            options = {name: filled(value, around) for name, value in step.get("with", {}).items()}
            self._action(str(step["uses"]).partition("@")[0], options, done)
            return
        files = {name: self.where / f"{name}-{len(done.log)}" for name in ("output", "step_summary", "env")}
        for file in files.values():
            file.touch()
        environ = {**self.environ, **_texts(step.get("env", {}), around)}
        environ |= {f"GITHUB_{name.upper()}": str(file) for name, file in files.items()}
        shell = shlex.split(self.file.get("defaults", {}).get("run", {}).get("shell", "bash -e {0}"))
        code, text = run_script(step["run"], shell, self.work, environ)
        done.log += f"-- {told}: exit {code}\n{text}"
        done.summary += files["step_summary"].read_text()
        assert not files["env"].read_text(), "a step sets variables of later ones, which is not known here"
        if "id" in step:
            outputs = dict(line.split("=", 1) for line in files["output"].read_text().splitlines())
            self.contexts["steps"] = {**self.contexts["steps"], step["id"]: {"outputs": outputs}}
        if code and done.conclusion == "success":
            done.conclusion, done.exit = "failure", code

    def _functions(self, done: Job) -> dict[str, Function]:
        return {
            **PURE,
            "success": lambda: done.conclusion == "success",
            "failure": lambda: done.conclusion == "failure",
            "cancelled": lambda: False,
            "always": lambda: True,
            "hashFiles": lambda name: "some hash" if (self.work / name).is_file() else "",
        }

    def _action(self, name: str, options: Mapping[str, Any], done: Job) -> None:
        done.log += f"-- {name}\n"
        if name == "actions/checkout":
            _only_known(options, _CHECKOUT, name)
            assert self.permissions.get("contents") in ("read", "write"), (
                "the token cannot read the repository"
            )
            self.server.forge.check_out(
                self.work,
                self.event.ref,
                self.event.sha,
                depth=int(options.get("fetch-depth", 1)),
                keeps_credentials=options.get("persist-credentials", True) is True,
            )
        elif name == "actions/setup-python":
            _only_known(options, {"python-version"}, name)
        elif name == "actions/upload-artifact":
            _only_known(options, _UPLOAD, name)
            done.uploads[as_text(options["name"])] = self._uploaded(options)
        else:
            raise ExpressionError(f"the action `{name}` is not known to these tests")

    def _uploaded(self, options: Mapping[str, Any]) -> list[str]:
        """The files that are kept of the patterns of `path`."""
        files = [file for line in as_text(options["path"]).split() for file in self.work.glob(line)]
        names = [str(file.relative_to(self.work)) for file in files]
        if options.get("include-hidden-files") is not True:
            names = [name for name in names if "/." not in f"/{name}"]
        assert names or options.get("if-no-files-found") == "ignore"
        return names


def _condition(step: Mapping[str, Any]) -> str:
    """The `if:` of a step, which means success unless it says otherwise."""
    condition = str(step.get("if", "success()")).strip().removeprefix("${{").removesuffix("}}")
    if any(f"{each}()" in condition for each in ("success", "failure", "cancelled", "always")):
        return condition
    return f"success() && ({condition})"


def _in_order(jobs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Jobs behind those that they need."""
    done: list[tuple[str, Any]] = []
    waiting = dict(jobs)
    while waiting:
        known = {name for name, _ in done}
        ready = [name for name, job in waiting.items() if set(_list(job.get("needs", []))) <= known]
        assert ready, "jobs wait for each other"
        done += [(name, waiting.pop(name)) for name in ready]
    return done


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _matrix(job: Mapping[str, Any], around: Surroundings) -> list[dict[str, str]]:
    matrix = job.get("strategy", {}).get("matrix", {})
    inside = around.only("github", "needs", "vars", "inputs")
    axes = {name: filled(values, inside) for name, values in matrix.items()}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _texts(values: Mapping[str, Any], around: Surroundings) -> dict[str, str]:
    return {name: as_text(filled(value, around)) for name, value in values.items()}


def _only_known(given: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = given.keys() - known
    if unknown:
        raise ExpressionError(f"{where} has {sorted(unknown)}, which is not known to these tests")
