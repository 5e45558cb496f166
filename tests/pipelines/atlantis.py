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

from git_repo import run_git
from pipelines.git_server import Branch, GitServer, run_script
from pipelines.runner_tools import install_tools
from ruamel.yaml import YAML
from secret_leak_detector import get_detector


@dataclass(frozen=True)
class ProjectComment:
    """The result of one project, and the comment of Atlantis on the pull request."""

    project: str
    exit: int | None
    text: str


class Atlantis:
    """A server with its own settings. `environ` is the environment of the process; `workspace_environ` has variables
    per workspace, here the address of Fivetran. Projects of other workspaces are left out."""

    def __init__(
        self,
        folder: Path,
        git_server: GitServer,
        settings: Path,
        environ: Mapping[str, str],
        workspace_environ: Mapping[str, Mapping[str, str]],
    ) -> None:
        folder.mkdir()
        self._folder, self._git_server, self._environ, self._workspace_environ = (
            folder,
            git_server,
            environ,
            workspace_environ,
        )
        server = YAML(typ="safe").load(settings.read_text())
        (self._repo,) = server["repos"]
        self._workflow = server["workflows"][self._repo["workflow"]]
        assert not self._repo["allow_custom_workflows"]
        assert not self._repo["allowed_overrides"]
        self._path = install_tools(folder / "tools")
        self._locks: dict[str, int] = {}
        self.approved: set[int] = set()
        get_detector().add_environment(environ)

    def plan(self, number: int, branch: Branch) -> list[ProjectComment]:
        """Run the automatic plan of an opened or updated pull request."""
        comments = []
        for project in self._list_projects(branch):
            holder = self._locks.setdefault(project["workspace"], number)
            if holder != number:
                text = f"This project is currently locked by an unapplied plan from pull #{holder}."
                comments.append(ProjectComment(project["name"], None, text))
                continue
            clone = self._folder / f"{number}-{project['workspace']}-{branch.head[:8]}" / "clone"
            clone.mkdir(parents=True)
            run_git(clone, "clone", "-q", "--branch", "main", "--single-branch", self._git_server.url, ".")
            run_git(clone, "fetch", "-q", "origin", branch.head)
            run_git(clone, "merge", "-q", "--no-ff", "-m", "atlantis-merge", "FETCH_HEAD")
            comments.append(self._run("plan", number, branch, project, clone))
        return comments

    def apply(self, number: int, branch: Branch) -> list[ProjectComment]:
        """Run the comment `atlantis apply`: apply all plans of this pull request."""
        comments = []
        for project in self._list_projects(branch):
            clone = self._folder / f"{number}-{project['workspace']}-{branch.head[:8]}" / "clone"
            missing = self._find_unmet_requirement(number, clone)
            if missing:
                comments.append(ProjectComment(project["name"], None, f"Apply Failed: {missing}"))
            else:
                comments.append(self._run("apply", number, branch, project, clone))
        return comments

    def merge(self, number: int, branch: Branch) -> None:
        """Merge after a complete apply, as `automerge` does, and release the locks."""
        self._git_server.merge(branch)
        self.unlock(number)

    def unlock(self, number: int) -> None:
        """Release the locks of a pull request, as `atlantis unlock`, a merge or a closed pull request does."""
        self._locks = {name: holder for name, holder in self._locks.items() if holder != number}

    def _list_projects(self, branch: Branch) -> list[Mapping[str, Any]]:
        """List the projects of the pull request's own atlantis.yaml that it touches."""
        file = YAML(typ="safe").load(
            run_git(self._git_server.bare_repo, "show", f"{branch.merge}:atlantis.yaml")
        )
        changed = run_git(
            self._git_server.bare_repo, "diff", "--name-only", branch.base, branch.merge
        ).splitlines()
        return [
            project
            for project in file["projects"]
            if project["workspace"] in self._workspace_environ
            and any(
                fnmatchcase(name, f"{project['dir']}/{pattern}")
                for name in changed
                for pattern in project["autoplan"]["when_modified"]
            )
        ]

    def _find_unmet_requirement(self, number: int, clone: Path) -> str:
        required = self._repo["apply_requirements"]
        assert set(required) <= {"approved", "mergeable", "undiverged"}
        if "approved" in required and number not in self.approved:
            return "Pull request must be approved according to the project's approval rules before running apply."
        if (
            "undiverged" in required
            and run_git(clone, "rev-parse", "origin/main") != self._git_server.main_commit
        ):
            return "Default branch must be rebased onto pull request before running apply."
        return ""

    def _run(
        self, command: str, number: int, branch: Branch, project: Mapping[str, Any], clone: Path
    ) -> ProjectComment:
        directory = clone / project["dir"]
        name, workspace = project["name"], project["workspace"]
        environ = {
            **self._environ,
            **self._workspace_environ[workspace],
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
        for step in self._workflow[command]["steps"]:
            ((kind, settings),) = step.items()
            with self._git_server.set_push_access(True):
                code, output = run_script(settings["command"], ["sh", "{0}"], directory, environ)
            if kind == "env":
                assert settings.keys() == {"name", "command"}, step
                assert code == 0, output
                environ[settings["name"]] = output.rstrip("\n")
                continue
            assert kind == "run", step
            assert settings.keys() == {"command", "output"}, step
            text += output
            if code:
                break
        get_detector().add_artefact(f"the comment about {name}", text)
        get_detector().add_folder(directory)
        return ProjectComment(name, code, text)
