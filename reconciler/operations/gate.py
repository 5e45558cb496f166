"""`--settings-from`: a run that is judged by the project file of an earlier revision, so that a change of the specs
cannot loosen its own gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostic
from reconciler.operations.settings import Settings
from reconciler.spec.load import Loaded
from reconciler.spec.project import Project, judged_by
from reconciler.spec.revision import project_at

_WHOSE = {
    "bad-reference": "what references may name is what `{}` says",
    "limit-exceeded": "the limits are those of `{}`",
    "policy-failed": "the policies are those of `{}`",
    "cannot-override": "the policies are those of `{}`",
    "policy-violated": "the policies are those of `{}`",
    "protected": "the protected keys are those of `{}`",
    "reference-not-allowed": "what references may name is what `{}` says",
}


def with_settings(loaded: Loaded, settings: Settings) -> Loaded:
    """What was loaded, under the settings of the revision that was asked for, if one was. Raises `ReconcilerError`."""
    if settings.settings_from is None:
        return loaded
    judge = project_at(settings.project, settings.directory, settings.settings_from, settings.environ)
    return replace(
        loaded,
        project=judged_by(loaded.project, judge),
        roots={**loaded.roots, judge.shown: judge.root},
    )


def settings_told(diagnostics: Iterable[Diagnostic], project: Project) -> Iterator[Diagnostic]:
    """Findings that follow from settings say where those stand, if not in the project file as it is now."""
    for each in diagnostics:
        if project.settings_shown and each.code in _WHOSE:
            note = _WHOSE[each.code].format(project.settings_shown)
            yield replace(each, notes=(*each.notes, note))
        else:
            yield each
