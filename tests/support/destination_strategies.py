"""Draw destinations of every service, and their spellings in specs and in answers of the API.

The strategies use the catalogue only. A model has every value in one plain form: members of an enumeration as
documented, numbers as numbers, None for a cleared value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from reconciler.catalogue.cross_field_checks import NETWORKING_METHOD
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.catalogue.normalize import normalize_value
from reconciler.catalogue.secret_detection import detect_secret, is_sensitive
from reconciler.model.value import FieldPath

Draw = Callable[[st.SearchStrategy[Any]], Any]

ZONE: FieldPath = ("time_zone_offset",)
AGENT: FieldPath = ("hybrid_deployment_agent_id",)
CONNECTION: FieldPath = ("config", "connection_type")
CANARY = "canary"
TOP_LEVEL = (
    "region",
    "daylight_saving_time_enabled",
    "networking_method",
    "private_link_id",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
    "external_secrets_manager_id",
)
TRICKY_TEXTS = (
    "443", "true", "no", "null", "~", "0x1F", "1e3", "1_000", "-", "a: b", "- a", "#x", "{a}", "[a]", "'", '"', "\\",
    "&a", "!t", "%d", "`", "$HOME", "a\nb\n", " padded ", "žluťoučký", "日本", "🐍", "***a", "A_B", "SSH_TUNNEL",
)  # fmt: skip
FREE_FORM_NAMES = ("database", "host", "user", "options", "some_token", "db_password")
"""Names of fields for services without a fixed schema."""
_ALPHABET = "abcXYZ019-_./:@ '\"#{}[],&!|>%~ž日🐍\n"
texts = st.sampled_from(TRICKY_TEXTS) | st.text(_ALPHABET, min_size=1, max_size=12).filter(
    lambda text: text.strip(" ") != "" and detect_secret(text) is None
)
names = st.sampled_from(["zz_first_1", "zz_quaint_2", "zz_yonder_3", "zz_xylem_4"])
scalars = texts | st.integers(-(10**6), 10**6) | st.booleans()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=2),
    max_leaves=4,
)  # fmt: skip


@dataclass(frozen=True)
class DestinationModel:
    """Declared destination in plain form. `secrets` are the clear values of secret fields; `extra` are fields that the
    catalogue does not know."""

    service: str
    fields: Mapping[FieldPath, Any]
    secrets: Mapping[FieldPath, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def catalogue_service(self) -> Service:
        service = load_service(self.service)
        assert service is not None
        return service

    @property
    def declared_paths(self) -> set[FieldPath]:
        return {*self.fields, *self.secrets, *(("config", name) for name in self.extra)}


def find_field(service: Service, path: FieldPath) -> Field | None:
    return (
        service.fields.get(path[1]) if path[0] == "config" else load_destination_facts().fields.get(path[0])
    )


def get_default(service: Service, path: FieldPath) -> Any:
    """Return the value of a field that the spec does not declare."""
    if path == ("daylight_saving_time_enabled",):
        return False
    field_def = find_field(service, path)
    return normalize_value(field_def, field_def.default) if field_def else None


def list_writable(service: Service) -> list[FieldPath]:
    """List the fields that a spec may declare beside the service."""
    config = [("config", field_def.name) for field_def in service.fields.values() if not field_def.read_only]
    return [*((name,) for name in TOP_LEVEL), *config]


def field_values(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    """Draw valid values of a field, in plain form."""
    field_def = find_field(service, path)
    if path == ZONE:
        return st.sampled_from(load_destination_facts().time_zone_offsets)
    if path == ("region",):
        return st.sampled_from([*load_destination_facts().regions, "EU"])
    if field_def is None:
        return json_values
    match field_def.type:
        case FieldType.INTEGER:
            return st.integers(field_def.minimum or 1, field_def.maximum or 99_999)
        case FieldType.BOOLEAN:
            return st.booleans()
        case FieldType.STRINGS:
            return st.lists(texts, min_size=1, max_size=4, unique=True)
        case FieldType.OBJECT:
            return st.dictionaries(names, texts, min_size=1, max_size=2)
    if field_def.is_aws_region and not field_def.enum:
        return st.sampled_from(["eu-central-1", "us-gov-west-1", "ap-moon-7"])
    return st.sampled_from(field_def.enum) if field_def.enum else texts


def secret_values(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    """Draw secrets that differ from all other values."""
    field_def = find_field(service, path)
    kinds = st.sampled_from(
        ["{}", "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", '{{"k": "{}"}}']
    )
    words = st.integers(0, 10**6).map(lambda number: f"{CANARY}{number:07}")
    if field_def is not None and field_def.type is FieldType.OBJECT:
        return words.map(lambda word: {"key": word})
    return st.builds(lambda kind, word: kind.format(word), kinds, words)


@st.composite
def destination_models(draw: Draw, service_name: str | None = None, extra: bool = True) -> DestinationModel:
    """Draw a destination without findings of `reconciler validate`."""
    service = load_service(service_name or draw(st.sampled_from(load_service_names())))
    assert service is not None
    paths = {ZONE}
    for path in list_writable(service):
        if draw(st.integers(0, 3)) == 0:
            paths.add(path)
    values: dict[FieldPath, Any] = {}
    for path in sorted(paths):
        values[path] = draw(_declared_values(service, path))
    unknown_fields: dict[str, Any] = {}
    if service.free_form:
        for name in sorted(draw(st.sets(st.sampled_from(FREE_FORM_NAMES), max_size=4))):
            values["config", name] = draw(_declared_values(service, ("config", name)))
    if extra and draw(st.integers(0, 4)) == 0:
        unknown_fields = draw(st.dictionaries(names, json_values, min_size=1, max_size=2))
    return _build_model(service, _complete(draw, service, values), unknown_fields)


@st.composite
def edited_models(draw: Draw, before: DestinationModel) -> DestinationModel:
    """Draw the destination after an edit of a few lines: other values, more fields, fewer, cleared ones."""
    service = before.catalogue_service
    values = {**before.fields, **before.secrets}
    mutable_paths = [path for path in [ZONE, *list_writable(service)] if not _is_immutable(service, path)]
    for path in draw(st.lists(st.sampled_from(mutable_paths), min_size=1, max_size=4, unique=True)):
        field_def = find_field(service, path)
        clearable = (
            field_def is not None and field_def.clearable and not field_def.required and path in values
        )
        match draw(st.integers(0, 5)):
            case 0 if path != ZONE:
                values.pop(path, None)
            case 1 if clearable:
                values[path] = None
            case _:
                values[path] = draw(_declared_values(service, path))
    completed = _complete(draw, service, values)
    given = {**before.fields, **before.secrets}
    if any(_is_immutable(service, path) and completed[path] != given.get(path) for path in completed):
        completed = given  # another storage, for example, which only a replacement can have
    return _build_model(service, completed, before.extra)


def _declared_values(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    return (
        secret_values(service, path)
        if is_sensitive(path[-1], find_field(service, path))
        else field_values(service, path)
    )


def _is_immutable(service: Service, path: FieldPath) -> bool:
    field_def = find_field(service, path)
    return field_def is not None and field_def.immutable


def _complete(draw: Draw, service: Service, values: dict[FieldPath, Any]) -> dict[FieldPath, Any]:
    """Add the fields that the given fields require, and drop the fields that they exclude."""
    method = values.get(NETWORKING_METHOD)
    known_methods = DeclaredDestination(service, {}).list_services_methods()
    if known_methods and method and method not in known_methods:
        method = values[NETWORKING_METHOD] = draw(st.sampled_from(known_methods))
    if CONNECTION in values and method:
        values[CONNECTION] = method  # two names of one setting
    if values.get(AGENT) and (values.get(("proxy_agent_id",)) or method == "ProxyAgent"):
        del values[AGENT]  # two agents exclude each other
    for _ in range(8):
        before = dict(values)
        subject = DeclaredDestination(service, {("service",): service.name, **values})
        for name, field_def in service.fields.items():
            path = ("config", name)
            if path in values and field_def.only_when and subject.satisfies(field_def.only_when) is not True:
                del values[path]
            if (
                values.get(path) is not None
                and field_def.meant_for
                and field_def.contradiction.is_certain
                and subject.satisfies(field_def.meant_for) is not True
            ):
                del values[path]
            if values.get(path) is not None and _is_forced(subject, field_def):
                values[path] = field_def.forced_value
            is_required = field_def.required or (
                field_def.required_when and subject.satisfies(field_def.required_when) is not False
            )
            if (
                is_required
                and not field_def.read_only
                and values.get(path) is None
                and _is_allowed(subject, field_def)
            ):
                values[path] = draw(_declared_values(service, path))
        for name in _list_needed(service, values):
            values["config", name] = draw(_declared_values(service, ("config", name)))
            for selector, allowed in (service.fields[name].only_when or {}).items():
                values["config", selector] = allowed[0]  # a login without a choice would be half a login
        for companion in load_destination_facts().companions.get(values.get(NETWORKING_METHOD) or "", ()):
            path = tuple(companion.split("."))
            if find_field(service, path) and values.get(path) is None:
                values[path] = draw(_declared_values(service, path))
        if values == before:
            break
    return values


def _list_needed(service: Service, values: Mapping[FieldPath, Any]) -> list[str]:
    """List the fields that a creation with these values still needs."""
    subject = DeclaredDestination(service, {("service",): service.name, **values})

    def has(name: str) -> bool:
        return subject.has_value(("config", name))

    return [
        name
        for need in service.creation
        if (need.when is None or subject.satisfies(need.when) is not False)
        and (not need.when_set or any(map(has, need.when_set)))
        and not any(map(has, need.when_unset))
        and not any(has(name) for names in need.instead for name in names)
        for name in need.fields
        if not has(name) and subject.satisfies(service.fields[name].only_when or {}) is not False
    ]


def _is_forced(subject: DeclaredDestination, field_def: Field) -> bool:
    conditions = field_def.forced_when
    return field_def.forced_value is not None and (
        not conditions or any(subject.satisfies(each) is not False for each in conditions)
    )


def _is_allowed(subject: DeclaredDestination, field_def: Field) -> bool:
    return field_def.only_when is None or subject.satisfies(field_def.only_when) is True


def _build_model(
    service: Service, values: Mapping[FieldPath, Any], extra: Mapping[str, Any]
) -> DestinationModel:
    secret_paths = {
        path for path, value in values.items()
        if value is not None and is_sensitive(path[-1], find_field(service, path))
    }  # fmt: skip
    return DestinationModel(
        service.name,
        {path: value for path, value in values.items() if path not in secret_paths},
        {path: values[path] for path in values if path in secret_paths},
        extra,
    )


def write_block(
    draw: Draw, destination: DestinationModel, key: str, environ: dict[str, str]
) -> dict[str, Any]:
    """Write a destination block in any spelling, and add the values of its references to `environ`."""
    block: dict[str, Any] = {"service": destination.service, "config": {}}

    def refer(path: FieldPath, value: Any, kind: str) -> dict[str, str]:
        name = f"{key}_{'_'.join(path)}".upper()
        environ[name] = value if isinstance(value, str) else json.dumps(value)
        return {kind: f"env:{name}"}

    for path in draw(st.permutations(sorted({*destination.fields, *destination.secrets}))):
        if path in destination.secrets:
            written: Any = refer(path, destination.secrets[path], "secret")
        else:
            written = draw(_spec_spellings(destination.catalogue_service, path, destination.fields[path]))
            if isinstance(written, str) and _is_valid_variable(written) and draw(st.integers(0, 9)) == 0:
                written = refer(path, written, "value")
        if path[0] == "config":
            block["config"][path[1]] = written
        elif path == AGENT and draw(st.integers(0, 3)) == 0 and written:
            block["local_processing_agent_id"] = written
        else:
            block[path[0]] = written
    if destination.extra:
        block["extra_config"] = dict(destination.extra)
    return block


def _is_valid_variable(text: str) -> bool:
    return bool(text.strip()) and not re.fullmatch(r"\s*\$.*", text)


def _spec_spellings(service: Service, path: FieldPath, value: Any) -> st.SearchStrategy[Any]:
    """Draw the spellings that users may write for a value."""
    field_def = find_field(service, path)
    if path == ZONE:
        number = int(value)
        return st.sampled_from([value, str(number), number, f"{number:+d}"])
    if path == ("region",) and value == "GCP_US_EAST4":
        return st.sampled_from([value, "US"])
    if value is None:
        is_text = field_def is not None and field_def.type is FieldType.STRING and not field_def.sensitive
        return st.sampled_from(
            [None, ""] if is_text and path[0] == "config" and not field_def.enum else [None]
        )
    if field_def is None:
        return st.just(value)
    match field_def.type:
        case FieldType.INTEGER:
            return st.sampled_from([value, str(value)])
        case FieldType.BOOLEAN:
            return st.sampled_from([value, str(value), str(value).lower(), str(value).upper()])
        case FieldType.STRINGS:
            return st.permutations(value).map(list) if field_def.unordered else st.just(list(value))
    return st.sampled_from(list_spellings(value)) if field_def.enum else st.just(value)


def list_spellings(member: str) -> list[str]:
    """List the spellings of a member of an enumeration."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member)
    return [member, snake.upper(), snake.lower(), member.replace("_", ""), member.upper()]


def render_response(draw: Draw, destination: DestinationModel) -> dict[str, Any]:
    """Draw the fields of a manually created destination, as the account keeps and answers them: ports as texts,
    enumerations in another spelling, sets in another order, and empty values in any form."""
    fields: dict[str, Any] = {
        "config": {**destination.extra},
        "networking_method": draw(st.sampled_from(["Directly", None])),
    }
    for path, value in {**destination.fields, **destination.secrets}.items():
        if path[0] == "config":
            rendered = (
                value
                if path in destination.secrets
                else draw(response_spellings(destination.catalogue_service, path, value))
            )
            if rendered is not None or draw(st.booleans()):
                fields["config"][path[1]] = rendered
        elif value is not None:
            fields[path[0]] = value
    return fields


def response_spellings(service: Service, path: FieldPath, value: Any) -> st.SearchStrategy[Any]:
    """Draw the spellings in which Fivetran may answer a value."""
    field_def = find_field(service, path)
    if value is None:
        return st.sampled_from([None, ""])
    if field_def is not None and field_def.type is FieldType.BOOLEAN:
        return st.sampled_from([value, str(value).lower()])
    return _spec_spellings(service, path, value)


def iter_leaves(body: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Any]]:
    """Iterate over the leaves of a request body."""
    for name, value in body.items():
        if name == "config":
            yield from ((("config", key), item) for key, item in value.items())
        else:
            yield (name,), value
