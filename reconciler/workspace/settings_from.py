"""Apply the settings of the project file at an earlier revision, for `--settings-from`.

A change of the specs must not be able to loosen the checks that it has to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostic
from reconciler.spec.at_revision import read_project_at_revision
from reconciler.spec.load import LoadedProject
from reconciler.spec.project import Project, with_settings_of
from reconciler.workspace.settings import Settings

_NOTES_BY_SETTING = {
    "limits": "the limits are those of `{}`",
    "policies": "the policies are those of `{}`",
    "protected": "the protected keys are those of `{}`",
    "secrets": "the allowed references are those of `{}`",
}


def apply_settings_from(loaded: LoadedProject, settings: Settings) -> LoadedProject:
    """Apply the settings of the `--settings-from` revision to a project, if it is given. Raises `ReconcilerError`."""
    if settings.settings_from is None:
        return loaded
    source_project = read_project_at_revision(
        settings.project, settings.directory, settings.settings_from, settings.environ
    )
    return replace(
        loaded,
        project=with_settings_of(loaded.project, source_project),
        roots={**loaded.roots, source_project.shown: source_project.root},
    )


def note_settings_source(diagnostics: Iterable[Diagnostic], project: Project) -> Iterator[Diagnostic]:
    """Note the source of the setting on each finding that follows from a setting of an earlier revision."""
    for diagnostic in diagnostics:
        setting = diagnostic.code_facts.setting
        if project.settings_shown and setting is not None:
            note = _NOTES_BY_SETTING[setting].format(project.settings_shown)
            yield replace(diagnostic, notes=(*diagnostic.notes, note))
        else:
            yield diagnostic
