"""Check the versions of this program, its libraries and git."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from reconciler import __version__
from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem
from reconciler.model.extras import Extra
from reconciler.runtime.git import GitError, GitRunner
from reconciler.workspace.settings import Settings

_CHECKS = AreaChecks(CheckupArea.PROGRAM)
_LIBRARIES = ("click", "pydantic", "requests", "rich", "ruamel.yaml", "urllib3")
_EXTRAS = {
    Extra.AWS: "boto3",
    Extra.AZURE: "azure-keyvault-secrets",
    Extra.GCP: "google-cloud-secret-manager",
    Extra.OBJECT_STORE: "obstore",
    Extra.SANDBOX: "werkzeug",
}
_MIN_GIT = (2, 31)
_GIT_TIMEOUT = 10.0
_GIT_ADVICE = "install git, version 2.31 or later"


def check_program(settings: Settings, *, needs_git: bool) -> Iterator[CheckupItem]:
    """Check the program and what it runs on. `needs_git` says that the state is in git."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield _CHECKS.pass_check("versions", f"reconciler {__version__}, Python {python}, {platform.system()}")
    yield _CHECKS.pass_check("libraries", ", ".join(map(_describe_library, _LIBRARIES)))
    yield _CHECKS.pass_check("extras", ", ".join(map(_describe_extra, _EXTRAS)))
    yield _check_git(settings, needs_git=needs_git)


def _describe_library(name: str) -> str:
    return f"{name} {find_version(name) or 'missing'}"


def _describe_extra(extra: Extra) -> str:
    found = find_version(_EXTRAS[extra])
    return f"{extra} ({_EXTRAS[extra]} {found})" if found else f"{extra} not installed"


def find_version(package: str) -> str | None:
    """Find the version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _check_git(settings: Settings, *, needs_git: bool) -> CheckupItem:
    try:
        output = GitRunner(settings.directory, settings.environ, _GIT_TIMEOUT).run("--version").out
    except GitError as error:  # a state in git reports it
        return _CHECKS.pass_check("git", f"{error}; only revisions and a state in git need it")
    text = output.decode("utf-8", "replace").strip().removeprefix("git version ")
    found = re.match(r"(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) >= _MIN_GIT:
        return _CHECKS.pass_check("git", text)
    make = _CHECKS.fail if needs_git else _CHECKS.warn
    return make("git", f"git {text} is older than 2.31", _GIT_ADVICE)
