"""Check a destination with more facts than its spec: whether it is new, the values of its references, and its live
fields.

`destination_spec` reports the errors of the spec alone. The checks here apply the same rules to more facts, and report
the additional findings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.catalogue.check import Completeness, Problem, check_destination
from reconciler.catalogue.cross_field_checks import check_cross_fields
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service
from reconciler.catalogue.secret_detection import find_literal_secrets
from reconciler.kinds.destination import read_service
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.resource import Desired
from reconciler.model.value import (
    FieldPath,
    Fields,
    Reference,
    Secret,
    Structure,
    find_references,
    format_path,
)

_MAX_SHOWN = 80
_NOT_DECLARED = "fields that the spec does not declare have their values in Fivetran"
_UNKNOWN_YET = "an error once a plan has to create this destination"


def check_new_destination(desired: Desired) -> list[Diagnostic]:
    """Check for fields that the creation of a destination needs. References count as values."""
    return [_locate(desired, problem) for problem in _find_creation_problems(desired)]


def warn_incomplete(desired: Desired) -> list[Diagnostic]:
    """Warn of fields that a creation would need, for checks that do not see whether the destination exists.

    A destination with an `id:` exists, and may declare any part of itself.
    """
    if desired.id is not None or desired.is_complete:
        return []
    return [
        replace(diagnostic, severity=Severity.WARNING, notes=(*diagnostic.notes, _UNKNOWN_YET))
        if diagnostic.severity is Severity.ERROR
        else diagnostic
        for diagnostic in check_new_destination(desired)
    ]


def check_resolved_values(desired: Desired, resolved: Fields, *, is_new: bool) -> list[Diagnostic]:
    """Check the values of public references as if the spec had them, each finding at its reference.

    `resolved` has the values by path. Values of secret references are left out: they are never compared with anything.
    """
    references = dict(_iter_public_values(desired, resolved))
    if not references:
        return []
    completeness = _choose_completeness(is_new)
    before = set(_check(desired, desired.fields, completeness))
    found = _check(desired, {**desired.fields, **references}, completeness)
    return [
        _locate_at_reference(desired, problem, references, completeness)
        for problem in found
        if problem not in before
    ]


def warn_live_contradictions(
    desired: Desired, declared: Fields, live: Fields, changed: Collection[FieldPath]
) -> list[Diagnostic]:
    """Warn of an update that contradicts live fields, or that needs a field which the destination lacks.

    Fivetran may not show all fields of a destination, least of all secrets, so that nothing is refused. A contradiction
    within the live fields or within the spec is not reported here.
    """
    if not changed:
        return []
    service = load_service(read_service(live) or "")
    kept = {
        path: value
        for path, value in live.items()
        if path not in declared and not _is_old_name(service, path)
    }
    known = {
        (problem.code, problem.message)
        for fields, is_new in ((live, True), (declared, False))
        for problem in check_cross_fields(DeclaredDestination(service, fields, is_new=is_new))
    }
    merged = DeclaredDestination(service, {**declared, **kept})
    return [
        replace(
            _locate(desired, problem),
            severity=Severity.WARNING,
            notes=(*problem.notes, _NOT_DECLARED),
        )
        for problem in check_cross_fields(merged)
        if (problem.code, problem.message) not in known and not _is_about_hidden(merged, problem)
    ]


def _find_creation_problems(desired: Desired) -> list[Problem]:
    """Find the problems that only a new destination has: those of combinations, since single fields are right or wrong
    in any case."""
    service = load_service(read_service(desired.fields) or "")
    of_new = list(check_cross_fields(DeclaredDestination(service, desired.fields)))
    if not of_new:  # most destinations are complete
        return []
    of_any = list(check_cross_fields(DeclaredDestination(service, desired.fields, is_new=False)))
    return [problem for problem in of_new if problem not in of_any]


def _check(desired: Desired, fields: Fields, completeness: Completeness) -> list[Problem]:
    return check_destination(fields, desired.unchecked, completeness=completeness)


def _choose_completeness(is_new: bool) -> Completeness:
    return Completeness.WHOLE if is_new else Completeness.SUBSET


def _iter_public_values(desired: Desired, resolved: Fields) -> Iterator[tuple[FieldPath, Any]]:
    for path, value in desired.fields.items():
        found = resolved.get(path)
        is_public = isinstance(value, Reference | Structure) and not value.confidential
        is_resolved = found is not None and not isinstance(found, Secret)
        # `value:` is how a spec says that a field is no secret although its name sounds like one.
        if is_public and is_resolved and not _sounds_secret(desired, path, found):
            yield path, found


def _sounds_secret(desired: Desired, path: FieldPath, value: Any) -> bool:
    service = load_service(read_service(desired.fields) or "")
    is_unknown = DeclaredDestination(service, {}).find_field(path) is None
    return is_unknown and any(find_literal_secrets(path[-1], value))


def _locate(desired: Desired, problem: Problem) -> Diagnostic:
    places = desired.key_spans if problem.on_key else desired.spans
    return problem.locate(places.get(problem.path) or desired.span, desired.address)


def _locate_at_reference(
    desired: Desired, problem: Problem, references: Mapping[FieldPath, Any], completeness: Completeness
) -> Diagnostic:
    """Locate a finding at the reference that it follows from, and name the reference."""
    path = problem.path
    if path not in references:
        path = next(
            (
                candidate
                for candidate, value in references.items()
                if problem in _check(desired, {**desired.fields, candidate: value}, completeness)
            ),
            next(iter(references)),
        )
    place, reference = _find_reference(desired, path)
    note = f"`{format_path(path)}` has the value of `{reference}`"
    diagnostic = problem.locate(place, desired.address)
    if problem.code_facts.exposes_secret:  # only a reference stands in the file
        diagnostic = replace(
            diagnostic, notes=(), help=f'write `{{secret: "{reference}"}}`, even if it is none'
        )
    message = _shorten_value(diagnostic.message, references[path])
    return replace(diagnostic, message=message, notes=(*diagnostic.notes, note), secret=False, label="")


def _shorten_value(message: str, value: Any) -> str:
    """Shorten a long value in a message: a variable may hold a whole file."""
    if not isinstance(value, str) or len(value) <= _MAX_SHOWN:
        return message
    return message.replace(value, f"{value[:_MAX_SHOWN]}…")


def _find_reference(desired: Desired, path: FieldPath) -> tuple[Any, Reference]:
    """Find the place of the first reference of a field, which may stand inside a list or a mapping."""
    value = desired.fields[path]
    reference = find_references(value)[0]
    if isinstance(value, Structure):
        path = next(_iter_reference_paths(path, value.content), path)
    return desired.spans.get(path) or desired.span, reference


def _iter_reference_paths(path: FieldPath, content: Any) -> Iterator[FieldPath]:
    members: Iterable[tuple[Any, Any]] = ()
    match content:
        case Reference():
            yield path
        case Mapping():
            members = content.items()
        case list():
            members = enumerate(content)
    for key, member in members:
        yield from _iter_reference_paths((*path, str(key)), member)


def _is_old_name(service: Any, path: FieldPath) -> bool:
    field = DeclaredDestination(service, {}).find_field(path)
    return field is not None and field.deprecated_for is not None


def _is_about_hidden(destination: DeclaredDestination, problem: Problem) -> bool:
    """Return whether a finding misses a field that answers may hide: a secret, or one that answers leave out."""
    fields = map(destination.find_field, problem.missing)
    return any(field is not None and (field.sensitive or field.may_be_omitted) for field in fields)
