"""Runs `atlantis.yaml` and `repos.yaml` as an Atlantis server would, as far as the example needs it.

The `run:` lines are executed for real by `sh -c`, in a clone of the base branch into which the pull request is merged,
one clone for each workspace, with the variables that Atlantis gives. Emulated are: which projects a change touches,
the lock that a plan takes until the merge, the requirements of an apply, and the merge behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from canaries import watch
from git_folder import git
from pipelines.forge import Branch, Forge, run_script
from pipelines.tools import tools
from ruamel.yaml import YAML


@dataclass(frozen=True)
class Answer:
    """How one project fared, and what Atlantis writes below the pull request."""

    project: str
    exit: int | None
    text: str


class Atlantis:
    """A server with its own settings. `environ` is what the process has; `machines` are variables for one workspace
    each, here where its Fivetran is. Projects of other workspaces are left out."""

    def __init__(
        self,
        folder: Path,
        forge: Forge,
        settings: Path,
        environ: Mapping[str, str],
        machines: Mapping[str, Mapping[str, str]],
    ) -> None:
        folder.mkdir()
        self._folder, self._forge, self._environ, self._machines = folder, forge, environ, machines
        server = YAML(typ="safe").load(settings.read_text())
        (self._repo,) = server["repos"]
        self._workflow = server["workflows"][self._repo["workflow"]]
        assert not self._repo["allow_custom_workflows"]
        assert not self._repo["allowed_overrides"]
        self._path = tools(folder / "tools")
        self._locks: dict[str, int] = {}
        self.approved: set[int] = set()
        watch().environment(environ)

    def plan(self, number: int, branch: Branch) -> list[Answer]:
        """What happens by itself when a pull request is opened or pushed to."""
        answers = []
        for project in self._projects(branch):
            holder = self._locks.setdefault(project["workspace"], number)
            if holder != number:
                text = f"This project is currently locked by an unapplied plan from pull #{holder}."
                answers.append(Answer(project["name"], None, text))
                continue
            clone = self._folder / f"{number}-{project['workspace']}-{branch.head[:8]}" / "clone"
            clone.mkdir(parents=True)
            git(clone, "clone", "-q", "--branch", "main", "--single-branch", self._forge.url, ".")
            git(clone, "fetch", "-q", "origin", branch.head)
            git(clone, "merge", "-q", "--no-ff", "-m", "atlantis-merge", "FETCH_HEAD")
            answers.append(self._run("plan", number, branch, project, clone))
        return answers

    def apply(self, number: int, branch: Branch) -> list[Answer]:
        """Somebody comments `atlantis apply`: everything that was planned for this pull request."""
        answers = []
        for project in self._projects(branch):
            clone = self._folder / f"{number}-{project['workspace']}-{branch.head[:8]}" / "clone"
            missing = self._missing(number, clone)
            if missing:
                answers.append(Answer(project["name"], None, f"Apply Failed: {missing}"))
            else:
                answers.append(self._run("apply", number, branch, project, clone))
        return answers

    def merge(self, number: int, branch: Branch) -> None:
        """What `automerge` does when everything is applied; its locks end."""
        self._forge.merge(branch)
        self.unlock(number)

    def unlock(self, number: int) -> None:
        """What `atlantis unlock`, a merge or a closed pull request does."""
        self._locks = {name: holder for name, holder in self._locks.items() if holder != number}

    def _projects(self, branch: Branch) -> list[Mapping[str, Any]]:
        """The projects of the pull request's own atlantis.yaml that it touches."""
        file = YAML(typ="safe").load(git(self._forge.server, "show", f"{branch.merge}:atlantis.yaml"))
        changed = git(self._forge.server, "diff", "--name-only", branch.base, branch.merge).splitlines()
        return [
            project
            for project in file["projects"]
            if project["workspace"] in self._machines
            and any(
                fnmatchcase(name, f"{project['dir']}/{pattern}")
                for name in changed
                for pattern in project["autoplan"]["when_modified"]
            )
        ]

    def _missing(self, number: int, clone: Path) -> str:
        required = self._repo["apply_requirements"]
        assert set(required) <= {"approved", "mergeable", "undiverged"}
        if "approved" in required and number not in self.approved:
            return "Pull request must be approved according to the project's approval rules before running apply."
        if "undiverged" in required and git(clone, "rev-parse", "origin/main") != self._forge.main:
            return "Default branch must be rebased onto pull request before running apply."
        return ""

    def _run(self, what: str, number: int, branch: Branch, project: Mapping[str, Any], clone: Path) -> Answer:
        directory = clone / project["dir"]
        name, workspace = project["name"], project["workspace"]
        environ = {
            **self._environ,
            **self._machines[workspace],
            "PATH": self._path,
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "WORKSPACE": workspace,
            "PROJECT_NAME": name,
            "DIR": str(directory),
            "REPO_REL_DIR": project["dir"],
            "PLANFILE": str(directory / f"{name}-{workspace}.tfplan"),
            "BASE_BRANCH_NAME": "main",
            "HEAD_BRANCH_NAME": branch.name,
            "HEAD_COMMIT": branch.head,
            "PULL_NUM": str(number),
        }
        text, code = "", 0
        for step in self._workflow[what]["steps"]:
            ((kind, told),) = step.items()
            with self._forge.pushes(True):
                code, said = run_script(told["command"], ["sh", "{0}"], directory, environ)
            if kind == "env":
                assert told.keys() == {"name", "command"}, step
                assert code == 0, said
                environ[told["name"]] = said.rstrip("\n")
                continue
            assert kind == "run", step
            assert told.keys() == {"command", "output"}, step
            text += said
            if code:
                break
        watch().artefact(f"the comment about {name}", text)
        watch().folder(directory)
        return Answer(name, code, text)
