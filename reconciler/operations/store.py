"""Where the state of a project is: a file of this machine, or a place that runners share."""

from __future__ import annotations

import threading

from reconciler.model.place import LocalPlace
from reconciler.operations.memory import STATE, named_for, place_of
from reconciler.operations.settings import Settings
from reconciler.secrets.base import without_own
from reconciler.spec.files import shown_path
from reconciler.spec.project import Project
from reconciler.state.file import StateFile
from reconciler.state.shelf import Surroundings
from reconciler.state.store import Store, remote_store


def store_of(project: Project, settings: Settings, leaving: threading.Event | None = None) -> Store:
    """What `state:` says, or else a file beside the project file. The sandbox always has a file of its own. Once
    `leaving` is set, remote places are not waited for any longer than a few seconds.

    Nothing is read or reached yet. Raises `ReconcilerError` where a library is missing.
    """
    place = project.state
    if settings.sandbox or place is None or isinstance(place, LocalPlace):
        path = place_of(project, STATE, sandbox=settings.sandbox)
        return StateFile(path, shown_path(path, settings.directory))
    surroundings = Surroundings(
        project.directory,
        without_own(settings.environ),
        settings.clock,
        settings.entropy,
        settings.holder,
        leaving or threading.Event(),
    )
    return remote_store(place, shared_name(project), surroundings)


def shared_name(project: Project) -> str:
    """The name of a project's state where those of others may stand beside it: the path of the project file from the
    top of its repository, with dots for slashes. What most repositories have is left out: `specs/`, and
    `reconciler.yaml`.

        specs/reconciler.yaml · reconciler.yaml      state.json
        specs/prod.yaml                              prod.state.json
        envs/prod/reconciler.yaml                    envs.prod.state.json
    """
    folder = project.path.absolute().parent
    top = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)
    parts = folder.relative_to(top).parts
    return ".".join([*(() if parts == ("specs",) else parts), named_for(project, STATE)])
