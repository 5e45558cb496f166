"""Select the settings of a live destination that its entry declares: as few as a plan without changes allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.catalogue.check import check_destination
from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import Field, Service
from reconciler.catalogue.normalize import CONFIG, MASKED, is_mask
from reconciler.catalogue.secret_detection import detect_secret, find_literal_secrets, is_sensitive
from reconciler.importing.model import LeftOutField, UnknownFieldTreatment
from reconciler.kinds.destination import SERVICE, DestinationKind, list_settings, read_service
from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import select_errors
from reconciler.model.resource import Observed
from reconciler.model.value import EXTERNAL_SCHEME, ExternalKey, FieldPath, Reference, walk
from reconciler.spec.characters import find_forbidden_in_value
from reconciler.spec.merge import UNSET
from reconciler.spec.reference import SECRET, VALUE

UNKNOWN_FIELD = "the catalogue does not know it"
UNDESCRIBED_FIELD = "the catalogue describes no fields of this service; `--unknown-fields write` declares it"
_REWRITTEN = "Fivetran may answer another value than the one that it uses"
INVISIBLE = "its value has an invisible character"
SECRET_INSIDE = "the catalogue does not know it, and its value has a secret inside"  # noqa: S105 - a reason
RESERVED_NAME = "its name has a meaning of its own in specs"
UNNAMEABLE_KEY = "specs cannot name its key in the secrets manager"
CONTRADICTION = "it contradicts another setting of the destination"
_NO_SETTING = "specs have no such setting"
NOT_ACCEPTED = "the catalogue does not accept its value"

_REGION: FieldPath = ("region",)
_RESERVED = frozenset({SECRET, VALUE, UNSET})
_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


@dataclass(slots=True)
class LiveSettings:
    """Settings of a live destination by path, in the order of the catalogue.

    A value is a plain value or a `Reference`: one without a locator stands for a secret whose reference is not chosen
    yet. `extra` are the fields that stand below `extra_config`. `service` is None if no entry can declare the
    destination.
    """

    service: str | None
    values: dict[FieldPath, Any] = field(default_factory=dict)
    extra: set[FieldPath] = field(default_factory=set)
    left_out: list[LeftOutField] = field(default_factory=list)

    def leave_out(self, path: FieldPath, reason: str) -> None:
        """Leave a setting out of the entry."""
        self.values.pop(path, None)
        self.extra.discard(path)
        self.left_out.append(LeftOutField(path, reason))


UNCHOSEN = Reference("env", "UNCHOSEN")
"""Stands for the reference of a secret until the reference is chosen."""


def select_settings(observed: Observed, unknown_fields: UnknownFieldTreatment) -> LiveSettings:
    """Select the settings of a live destination."""
    name = read_service(observed.fields)
    if not name or find_forbidden_in_value(name):
        return LiveSettings(None, left_out=[LeftOutField(SERVICE, "its answer names no service")])
    service = load_service(name)
    selected = LiveSettings(name)
    for path, value in _sort_by_catalogue(service, _list_values(observed)).items():
        catalogue_field = DestinationKind().get_field(path, name)
        if catalogue_field is None:
            _add_unknown(selected, service, path, value, unknown_fields)
        else:
            _add_known(selected, name, catalogue_field, path, value)
    selected.left_out += _list_unknown_facts(observed)
    _drop_mirrors(selected, service)
    _drop_refused(selected)
    return selected


def _list_values(observed: Observed) -> dict[FieldPath, Any]:
    """List the settings in normal form, and the region, which is too important to be left to a default."""
    settings = list_settings(observed, {})
    region = DestinationKind().normalize(observed.fields).get(_REGION)
    return settings if region is None else {_REGION: region, **settings}


def _list_unknown_facts(observed: Observed) -> list[LeftOutField]:
    """List the values beside `config` that the catalogue does not know: facts, or new settings."""
    known = {SERVICE[0], *load_destination_facts().fields}
    facts = [path for path, value in observed.fields.items() if path[0] != CONFIG and value not in _NOTHING]
    return [LeftOutField(path, _NO_SETTING) for path in sorted(facts) if path[0] not in known]


def _sort_by_catalogue(service: Service | None, values: Mapping[FieldPath, Any]) -> dict[FieldPath, Any]:
    """Sort settings: those of every destination first, those that the catalogue does not know last, by name."""
    known: list[FieldPath] = [(name,) for name in load_destination_facts().fields]
    known += [(CONFIG, name) for name in service.fields] if service else []
    rank = {path: number for number, path in enumerate(known)}
    return {path: values[path] for path in sorted(values, key=lambda path: (rank.get(path, len(rank)), path))}


def _add_known(
    selected: LiveSettings, service: str, catalogue_field: Field, path: FieldPath, value: Any
) -> None:
    if isinstance(value, ExternalKey):
        _add_external_key(selected, path, value.name)
    elif (
        value is MASKED
        or visibility(DESTINATION, service, path) is not Sensitivity.PUBLIC
        or _has_secret_form(value)
    ):
        selected.values[path] = UNCHOSEN
    elif catalogue_field.rewritten:
        selected.left_out.append(LeftOutField(path, _REWRITTEN))
    elif _has_invisible_character(value):
        selected.left_out.append(LeftOutField(path, INVISIBLE))
    else:
        selected.values[path] = value


def _add_unknown(
    selected: LiveSettings,
    service: Service | None,
    path: FieldPath,
    value: Any,
    treatment: UnknownFieldTreatment,
) -> None:
    """Add a field that the catalogue does not know, if that is wanted and harmless."""
    reason = _find_obstacle(path, value)
    if treatment is UnknownFieldTreatment.LEAVE_OUT:
        reason = UNDESCRIBED_FIELD if service is not None and service.free_form else UNKNOWN_FIELD
    if reason is not None:
        selected.left_out.append(LeftOutField(path, reason))
    elif isinstance(value, ExternalKey):
        _add_external_key(selected, path, value.name)
    else:
        is_secret = value is MASKED or is_sensitive(path[-1], None) or _has_secret_form(value)
        selected.values[path] = UNCHOSEN if is_secret and not isinstance(value, bool) else value
        if service is not None and not service.free_form:
            selected.extra.add(path)


def _find_obstacle(path: FieldPath, value: Any) -> str | None:
    """Find the reason why a field that the catalogue does not know cannot be written."""
    names = {path[-1], *(name for part in walk(value) if isinstance(part, Mapping) for name in part)}
    if names & _RESERVED:
        return RESERVED_NAME
    if _has_invisible_character([*names, value]):
        return INVISIBLE
    is_text = value is MASKED or isinstance(value, str | bool | ExternalKey)
    # A request would send the text behind a reference, and not a value of the type that Fivetran answers.
    if not is_text and (any(find_literal_secrets(path[-1], value)) or _has_secret_form(value)):
        return SECRET_INSIDE
    return None


def _add_external_key(selected: LiveSettings, path: FieldPath, name: str) -> None:
    """Add a name in the secrets manager of Fivetran, which is a reference too."""
    if name.strip() and "#" not in name and not find_forbidden_in_value(name):
        selected.values[path] = Reference(EXTERNAL_SCHEME, name)
    else:
        selected.left_out.append(LeftOutField(path, UNNAMEABLE_KEY))


def _has_secret_form(value: Any) -> bool:
    return detect_secret(value) is not None or any(map(is_mask, walk(value)))


def _has_invisible_character(value: Any) -> bool:
    return any(isinstance(part, str) and find_forbidden_in_value(part) is not None for part in walk(value))


def _drop_mirrors(selected: LiveSettings, service: Service | None) -> None:
    """Drop a setting that the destination has under a second name too."""
    for name, catalogue_field in service.fields.items() if service else ():
        path, value = (CONFIG, name), selected.values.get((CONFIG, name))
        if catalogue_field.mirrors is None or not isinstance(value, str):
            continue
        if catalogue_field.mirrored_as.get(value, value) == selected.values.get((catalogue_field.mirrors,)):
            del selected.values[path]


def _drop_refused(selected: LiveSettings) -> None:
    """Drop the settings that `validate` refuses or doubts, until the rest is right."""
    while problem := next(_iter_refusals(selected), None):
        path, reason = problem
        if path not in selected.values:
            selected.left_out.append(LeftOutField(SERVICE, reason))
            selected.service = None
            return
        selected.leave_out(path, reason)


def _iter_refusals(selected: LiveSettings) -> Iterator[tuple[FieldPath, str]]:
    """Iterate over the refused settings, each with the reason without the value."""
    declared = {SERVICE: selected.service, **selected.values}
    problems = check_destination(declared, frozenset(selected.extra))
    errors = select_errors(problems)
    for problem in problems:
        if problem.code_facts.contradicts:
            yield problem.path, CONTRADICTION
        elif problem in errors:
            yield problem.path, problem.message if problem.path == SERVICE else NOT_ACCEPTED
