"""Choose the store of a project: a file of this machine, or a place that runners share."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

from reconciler.model.state_location import LocalFile, StateLocation
from reconciler.runtime import own_folder
from reconciler.runtime.git import find_work_tree
from reconciler.secrets.base import strip_own_variables
from reconciler.spec.files import display_path
from reconciler.spec.project import Project
from reconciler.state.backend import BackendContext
from reconciler.state.file import StateFile
from reconciler.state.remote import build_remote_store
from reconciler.state.store import Store
from reconciler.workspace.project_state import STATE, file_name_for, path_for
from reconciler.workspace.settings import Settings


def build_store(project: Project, settings: Settings, cancelled: threading.Event | None = None) -> Store:
    """Build the store that `state:` names, or else a file beside the project file. A sandbox has its own file.

    Once `cancelled` is set, requests to a remote place get a few seconds at most.
    Sends nothing. Raises `ReconcilerError` if a library is missing.
    """
    place = project.content.state
    if settings.sandbox or place is None or isinstance(place, LocalFile):
        path = path_for(project, STATE, sandbox=settings.sandbox)
        return StateFile(path, display_path(path, settings.directory), settings.fallback_dir)
    context = build_backend_context(project, settings, cancelled)
    return build_remote_store(place, build_shared_name(project), context, settings.fallback_dir)


def build_backend_context(
    project: Project, settings: Settings, cancelled: threading.Event | None = None
) -> BackendContext:
    """Build the context of requests to a remote place."""
    return BackendContext(
        project.directory,
        strip_own_variables(settings.environ),
        settings.clock,
        settings.entropy,
        settings.holder,
        cancelled or threading.Event(),
    )


def build_empty_store(project: Project) -> Store:
    """Build a store without a state, for a run that cannot read its state. No run writes to its place."""
    path = project.directory / own_folder.NAME / "unread" / STATE
    return StateFile(path, display_path(path, project.directory))


def with_state(project: Project, place: StateLocation) -> Project:
    """Replace the place of the state, as if the project file named this place."""
    return replace(project, content=project.content.model_copy(update={"state": place}))


def get_place(project: Project) -> StateLocation:
    """Get the place of the state: the place that `state:` names, or else the usual file."""
    return get_default_place(project) if project.content.state is None else project.content.state


def get_default_place(project: Project) -> LocalFile:
    """Get the file beside the project file that holds the state of a project without `state:`."""
    return LocalFile(f"{own_folder.NAME}/{file_name_for(project, STATE)}")


def is_same_place(project: Project, one: StateLocation, other: StateLocation) -> bool:
    """Check whether two places are the same. Different spellings of a remote count as different places."""
    if isinstance(one, LocalFile) and isinstance(other, LocalFile):
        paths = (os.path.realpath(project.directory / place.path) for place in (one, other))
        return next(paths) == next(paths)
    return str(one) == str(other)


def build_shared_name(project: Project) -> str:
    """Build the name of a project's state in a place that several projects share.

    It is the path of the project file from the top of its repository, with dots for slashes. The usual parts are left
    out: `specs/` and `reconciler.yaml`.

        specs/reconciler.yaml · reconciler.yaml      state.json
        specs/prod.yaml                              prod.state.json
        envs/prod/reconciler.yaml                    envs.prod.state.json
    """
    folder = project.path.absolute().parent
    top = find_work_tree(folder) or folder
    parts = folder.relative_to(top).parts
    return ".".join([*(() if parts == ("specs",) else parts), file_name_for(project, STATE)])
