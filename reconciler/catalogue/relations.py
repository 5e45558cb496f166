"""Rules between fields: what one setting demands, refuses or contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from reconciler.catalogue.canonical import CONFIG, canonical_value
from reconciler.catalogue.load import destination_facts
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.problem import Problem
from reconciler.catalogue.subject import Subject
from reconciler.model.diagnostic import Severity
from reconciler.model.nearest import nearest
from reconciler.model.value import EXTERNAL, FieldPath, Reference, dotted

NETWORKING_METHOD: FieldPath = ("networking_method",)
SECRETS_MANAGER: FieldPath = ("external_secrets_manager_id",)


def problems(subject: Subject) -> Iterator[Problem]:
    """What is wrong between the declared leaves, field by field in the catalogue's order."""
    missing: set[FieldPath] = set()
    for path, field in subject.described():
        problem = _missing(subject, path, field)
        if problem and not _is_misspelt(subject, path):
            missing.add(path)
            yield problem
        yield from _not_allowed(subject, path, field)
        yield from _deprecated(subject, path, field)
        yield from _unsupported_networking(subject, field)
    yield from _companions(subject, missing)
    yield from _rivals(subject)
    yield from _no_secrets_manager(subject)


def _missing(subject: Subject, path: FieldPath, field: Field) -> Problem | None:
    if not (field.required or field.required_when) or subject.has(path):
        return None
    if field.required:
        owner = (
            f"service `{subject.service.name}`" if path[0] == CONFIG and subject.service else "a destination"
        )
        return Problem("missing-field", path, f"{owner} needs `{dotted(path)}`", help=_add(path, field))
    if field.required_when is None or not subject.holds(field.required_when):
        return None
    demanding = subject.selector(field.required_when)
    return Problem(
        "missing-field",
        demanding[0] if demanding else path,
        f"`{dotted(path)}` is needed while {_because(subject, field)}",
        help=_add(path, field),
        label=f"needs `{path[-1]}`" if demanding else "",
    )


def _is_misspelt(subject: Subject, path: FieldPath) -> bool:
    """Whether a field is there under a name that is a slip of its own, which is a finding already."""
    beside = [known[-1] for known, _ in subject.described() if known[:-1] == path[:-1]]
    return any(
        nearest(other[-1], beside) == path[-1]
        for other in subject.fields
        if other[:-1] == path[:-1] and subject.field(other) is None
    )


def _because(subject: Subject, field: Field) -> str:
    """The settings that demand a field, in words."""
    condition = field.required_when or {}
    return " and ".join(_state(subject, name, wanted) for name, wanted in condition.items())


def _state(subject: Subject, name: str, wanted: tuple[Any, ...]) -> str:
    chosen = subject.selector({name: wanted})
    if chosen is None:
        return f"`{CONFIG}.{name}` is {_shown(wanted[0])}, its default"
    return f"`{dotted(chosen[0])}` is {_shown(chosen[1])}"


def _not_allowed(subject: Subject, path: FieldPath, field: Field) -> Iterator[Problem]:
    if field.only_when is None or not subject.has(path) or subject.holds(field.only_when) is not False:
        return
    wanted = " and ".join(
        f"`{CONFIG}.{name}` is {' or '.join(_shown(value) for value in values)}"
        for name, values in field.only_when.items()
    )
    yield Problem(
        "field-not-allowed",
        path,
        f"`{dotted(path)}` can only be used while {wanted}",
        notes=("Fivetran refuses the whole destination otherwise",),
        help=f"remove `{path[-1]}`, or change the other setting",
        on_key=True,
        secret=field.sensitive,
    )


def _deprecated(subject: Subject, path: FieldPath, field: Field) -> Iterator[Problem]:
    if field.deprecated_for is None or not subject.has(path):
        return
    successor = (*path[:-1], field.deprecated_for)
    if successor not in subject.fields:
        yield Problem(
            "deprecated-field",
            path,
            f"`{dotted(path)}` is an old name",
            help=f"call it `{field.deprecated_for}`",
            on_key=True,
            severity=Severity.WARNING,
        )
        return
    old, new = (canonical_value(field, subject.fields[each]) for each in (path, successor))
    if old != new and isinstance(old, Reference) == isinstance(new, Reference):
        yield Problem(
            "conflicting-fields",
            path,
            f"`{dotted(path)}` and `{dotted(successor)}` differ, but they are one setting",
            help=f"keep `{dotted(successor)}` only",
        )


def _unsupported_networking(subject: Subject, field: Field) -> Iterator[Problem]:
    """A networking method that the service's own list of connection types does not have."""
    if field.mirrors is None or subject.service is None:
        return
    method = canonical_value(field, subject.fields.get((field.mirrors,)))
    if method in destination_facts().networking_methods and method not in field.enum:
        yield Problem(
            "unsupported-networking",
            (field.mirrors,),
            f"service `{subject.service.name}` is not known to work with `{method}`",
            notes=(f"known for it: {', '.join(f'`{each}`' for each in field.enum)}",),
            help="choose one of these, or make sure that Fivetran offers it by now",
            severity=Severity.WARNING,
        )


def _companions(subject: Subject, missing: set[FieldPath]) -> Iterator[Problem]:
    facts = destination_facts()
    method = canonical_value(subject.field(NETWORKING_METHOD), subject.fields.get(NETWORKING_METHOD))
    companions = facts.companions.get(method, ()) if isinstance(method, str) else ()
    for path in (tuple(companion.split(".")) for companion in companions):
        field = subject.field(path)
        if field and not subject.has(path) and path not in missing:
            yield Problem(
                "missing-field",
                NETWORKING_METHOD,
                f"`{dotted(path)}` is needed while `networking_method` is `{method}`",
                help=_add(path, field),
                label=f"needs `{dotted(path)}`",
            )


def _no_secrets_manager(subject: Subject) -> Iterator[Problem]:
    """References to a secrets manager without the manager: Fivetran would not know where to look."""
    fetched = [
        path
        for path, value in subject.fields.items()
        if isinstance(value, Reference)
        and value.scheme == EXTERNAL
        and (subject.service is None or path[-1] in subject.service.external_secrets)
    ]
    field = subject.field(SECRETS_MANAGER)
    if fetched and field and not subject.has(SECRETS_MANAGER):
        yield Problem(
            "missing-field",
            fetched[0],
            f"`{dotted(SECRETS_MANAGER)}` is needed while `{dotted(fetched[0])}` comes from a secrets manager",
            help=_add(SECRETS_MANAGER, field),
            label="fetched by Fivetran itself",
        )


def _rivals(subject: Subject) -> Iterator[Problem]:
    """Credentials of two methods where nothing says which it is: the API refuses both kinds at once."""
    undecided = [
        (path, field.only_when)
        for path, field in subject.described()
        if field.only_when and subject.has(path) and subject.holds(field.only_when) is None
    ]
    for (one, wanted), (other, wanted_too) in pairwise(undecided):
        for name in wanted.keys() & wanted_too.keys():
            if (CONFIG, name) not in subject.fields and set(wanted[name]).isdisjoint(wanted_too[name]):
                yield Problem(
                    "field-not-allowed",
                    other,
                    f"`{dotted(one)}` and `{dotted(other)}` cannot be used together",
                    notes=(f"they belong to different values of `{CONFIG}.{name}`",),
                    help=f"declare `{CONFIG}.{name}` and keep what goes with it",
                    on_key=True,
                    secret=True,
                )


def _add(path: FieldPath, field: Field) -> str:
    """The line to write, as far as it can be told."""
    name = path[-1]
    place = " below `config:`" if path[0] == CONFIG else ""
    if field.sensitive:
        return f'add `{name}: {{secret: "env:{name.upper()}"}}`{place}'
    if field.type is FieldType.BOOLEAN:
        return f"add `{name}:`{place}, for example `{name}: true`"
    if field.example is None:
        return f"add `{name}:`{place}"
    quoted = f'"{field.example}"' if str(field.example).startswith("+") else field.example
    return f"add `{name}:`{place}, for example `{name}: {quoted}`"


def _shown(value: Any) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
