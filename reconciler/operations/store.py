"""Where the state of a project is: a file of this machine, or a place that runners share."""

from __future__ import annotations

from reconciler.model.place import LocalPlace
from reconciler.operations.memory import STATE, named_for, place_of
from reconciler.operations.settings import Settings
from reconciler.secrets.base import without_own
from reconciler.spec.files import shown_path
from reconciler.spec.project import Project
from reconciler.state.file import StateFile
from reconciler.state.shelf import Surroundings
from reconciler.state.store import Store, remote_store


def store_of(project: Project, settings: Settings) -> Store:
    """What `state:` says, or else a file beside the project file. The sandbox always has a file of its own.

    Nothing is read or reached yet. Raises `ReconcilerError` where a library is missing.
    """
    place = project.state
    if settings.sandbox or place is None or isinstance(place, LocalPlace):
        path = place_of(project, STATE, sandbox=settings.sandbox)
        return StateFile(path, shown_path(path, settings.directory))
    surroundings = Surroundings(
        project.directory, without_own(settings.environ), settings.clock, settings.entropy, settings.holder
    )
    return remote_store(place, named_for(project, STATE), surroundings)
