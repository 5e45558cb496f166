"""Destinations that somebody may mean, for every service, and the ways in which a person or the API may spell them.

Made from the catalogue alone. A meaning has every value in one plain form: members of an enumeration as documented,
numbers as numbers, None for what is to be cleared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from reconciler.catalogue.canonical import canonical_value
from reconciler.catalogue.load import destination_facts, load_service, service_names
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.catalogue.relations import NETWORKING_METHOD
from reconciler.catalogue.secrecy import is_sensitive, secret_within
from reconciler.catalogue.subject import Subject
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
ODD_TEXTS = (
    "443", "true", "no", "null", "~", "0x1F", "1e3", "1_000", "-", "a: b", "- a", "#x", "{a}", "[a]", "'", '"', "\\",
    "&a", "!t", "%d", "`", "$HOME", "a\nb\n", " padded ", "žluťoučký", "日本", "🐍", "***a", "A_B", "SSH_TUNNEL",
)  # fmt: skip
FREE = ("database", "host", "user", "options", "some_token", "db_password")
"""Names of fields for services that take any."""
_ALPHABET = "abcXYZ019-_./:@ '\"#{}[],&!|>%~ž日🐍\n"
texts = st.sampled_from(ODD_TEXTS) | st.text(_ALPHABET, min_size=1, max_size=12).filter(
    lambda text: text.strip(" ") != "" and secret_within(text) is None
)
names = st.sampled_from(["zz_first_1", "zz_quaint_2", "zz_yonder_3", "zz_xylem_4"])
scalars = texts | st.integers(-(10**6), 10**6) | st.booleans()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=2),
    max_leaves=4,
)  # fmt: skip


@dataclass(frozen=True)
class Meant:
    """A destination as somebody means it. `secrets` are the clear values of those fields that are secrets;
    `extra` are fields that the catalogue does not know."""

    service: str
    fields: Mapping[FieldPath, Any]
    secrets: Mapping[FieldPath, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> Service:
        service = load_service(self.service)
        assert service is not None
        return service

    @property
    def declared(self) -> set[FieldPath]:
        return {*self.fields, *self.secrets, *(("config", name) for name in self.extra)}


def field_of(service: Service, path: FieldPath) -> Field | None:
    return service.fields.get(path[1]) if path[0] == "config" else destination_facts().fields.get(path[0])


def default_of(service: Service, path: FieldPath) -> Any:
    """What holds where nobody has said anything."""
    if path == ("daylight_saving_time_enabled",):
        return False
    known = field_of(service, path)
    return canonical_value(known, known.default) if known else None


def writable(service: Service) -> list[FieldPath]:
    """Everything that a spec may declare beside the service."""
    config = [("config", each.name) for each in service.fields.values() if not each.read_only]
    return [*((name,) for name in TOP_LEVEL), *config]


def value_for(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    """Values that a field takes, in plain form."""
    known = field_of(service, path)
    if path == ZONE:
        return st.sampled_from(destination_facts().time_zone_offsets)
    if path == ("region",):
        return st.sampled_from([*destination_facts().regions, "EU"])
    if known is None:
        return anything
    match known.type:
        case FieldType.INTEGER:
            return st.integers(known.minimum or 1, known.maximum or 99_999)
        case FieldType.BOOLEAN:
            return st.booleans()
        case FieldType.STRINGS:
            return st.lists(texts, min_size=1, max_size=4, unique=True)
        case FieldType.OBJECT:
            return st.dictionaries(names, texts, min_size=1, max_size=2)
    return st.sampled_from(known.enum) if known.enum else texts


def secret_for(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    """Secrets that cannot be taken for anything else."""
    known = field_of(service, path)
    kinds = st.sampled_from(
        ["{}", "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", '{{"k": "{}"}}']
    )
    words = st.integers(0, 10**6).map(lambda number: f"{CANARY}{number:07}")
    if known is not None and known.type is FieldType.OBJECT:
        return words.map(lambda word: {"key": word})
    return st.builds(lambda kind, word: kind.format(word), kinds, words)


@st.composite
def meant(draw: Draw, service_name: str | None = None, extra: bool = True) -> Meant:
    """A destination that `validate` has nothing against."""
    service = load_service(service_name or draw(st.sampled_from(service_names())))
    assert service is not None
    wanted = {ZONE}
    for path in writable(service):
        if draw(st.integers(0, 3)) == 0:
            wanted.add(path)
    given: dict[FieldPath, Any] = {}
    for path in sorted(wanted):
        given[path] = draw(_given(service, path))
    other: dict[str, Any] = {}
    if service.free_form:
        for name in sorted(draw(st.sets(st.sampled_from(FREE), max_size=4))):
            given["config", name] = draw(_given(service, ("config", name)))
    if extra and draw(st.integers(0, 4)) == 0:
        other = draw(st.dictionaries(names, anything, min_size=1, max_size=2))
    return _sorted_out(service, _completed(draw, service, given), other)


@st.composite
def changed(draw: Draw, before: Meant) -> Meant:
    """The same destination after somebody edited a few lines: other values, more fields, fewer, cleared ones."""
    service = before.known
    given = {**before.fields, **before.secrets}
    free = [path for path in [ZONE, *writable(service)] if not _is_fixed(service, path)]
    for path in draw(st.lists(st.sampled_from(free), min_size=1, max_size=4, unique=True)):
        known = field_of(service, path)
        clearable = known is not None and known.clearable and not known.required and path in given
        match draw(st.integers(0, 5)):
            case 0 if path != ZONE:
                given.pop(path, None)
            case 1 if clearable:
                given[path] = None
            case _:
                given[path] = draw(_given(service, path))
    return _sorted_out(service, _completed(draw, service, given), before.extra)


def _given(service: Service, path: FieldPath) -> st.SearchStrategy[Any]:
    return (
        secret_for(service, path)
        if is_sensitive(path[-1], field_of(service, path))
        else value_for(service, path)
    )


def _is_fixed(service: Service, path: FieldPath) -> bool:
    known = field_of(service, path)
    return known is not None and known.immutable


def _completed(draw: Draw, service: Service, given: dict[FieldPath, Any]) -> dict[FieldPath, Any]:
    """Add what the given fields demand, and drop what they exclude."""
    method = given.get(NETWORKING_METHOD)
    connection = field_of(service, CONNECTION)
    if connection and connection.enum and method and method not in connection.enum:
        method = given[NETWORKING_METHOD] = draw(st.sampled_from(connection.enum))
    if CONNECTION in given and method:
        given[CONNECTION] = method  # two names of one setting
    for _ in range(8):
        before = dict(given)
        subject = Subject(service, {("service",): service.name, **given})
        for name, known in service.fields.items():
            path = ("config", name)
            if path in given and known.only_when and subject.holds(known.only_when) is not True:
                del given[path]
            demanded = known.required or (
                known.required_when and subject.holds(known.required_when) is not False
            )
            if demanded and not known.read_only and given.get(path) is None and _allowed(subject, known):
                given[path] = draw(_given(service, path))
        for companion in destination_facts().companions.get(given.get(NETWORKING_METHOD) or "", ()):
            path = tuple(companion.split("."))
            if field_of(service, path) and given.get(path) is None:
                given[path] = draw(_given(service, path))
        if given == before:
            break
    return given


def _allowed(subject: Subject, known: Field) -> bool:
    return known.only_when is None or subject.holds(known.only_when) is True


def _sorted_out(service: Service, given: Mapping[FieldPath, Any], extra: Mapping[str, Any]) -> Meant:
    secret = {
        path for path, value in given.items()
        if value is not None and is_sensitive(path[-1], field_of(service, path))
    }  # fmt: skip
    return Meant(
        service.name,
        {path: value for path, value in given.items() if path not in secret},
        {path: given[path] for path in given if path in secret},
        extra,
    )


def spelled(draw: Draw, each: Meant, key: str, environ: dict[str, str]) -> dict[str, Any]:
    """A destination block that means this, as people write; what it refers to is put into `environ`."""
    block: dict[str, Any] = {"service": each.service, "config": {}}

    def refer(path: FieldPath, value: Any, how: str) -> dict[str, str]:
        name = f"{key}_{'_'.join(path)}".upper()
        environ[name] = value if isinstance(value, str) else json.dumps(value)
        return {how: f"env:{name}"}

    for path in draw(st.permutations(sorted({*each.fields, *each.secrets}))):
        if path in each.secrets:
            written: Any = refer(path, each.secrets[path], "secret")
        else:
            written = draw(_in_a_spec(each.known, path, each.fields[path]))
            if isinstance(written, str) and _fit_for_environment(written) and draw(st.integers(0, 9)) == 0:
                written = refer(path, written, "value")
        if path[0] == "config":
            block["config"][path[1]] = written
        elif path == AGENT and draw(st.integers(0, 3)) == 0 and written:
            block["local_processing_agent_id"] = written
        else:
            block[path[0]] = written
    if each.extra:
        block["extra_config"] = dict(each.extra)
    return block


def _fit_for_environment(text: str) -> bool:
    return bool(text.strip()) and not re.fullmatch(r"\s*\$.*", text)


def _in_a_spec(service: Service, path: FieldPath, value: Any) -> st.SearchStrategy[Any]:
    """All that people may write for one value."""
    known = field_of(service, path)
    if path == ZONE:
        number = int(value)
        return st.sampled_from([value, str(number), number, f"{number:+d}"])
    if path == ("region",) and value == "GCP_US_EAST4":
        return st.sampled_from([value, "US", value.lower()])
    if value is None:
        textual = known is not None and known.type is FieldType.STRING and not known.sensitive
        return st.sampled_from([None, ""] if textual and path[0] == "config" and not known.enum else [None])
    if known is None:
        return st.just(value)
    match known.type:
        case FieldType.INTEGER:
            return st.sampled_from([value, str(value)])
        case FieldType.BOOLEAN:
            return st.sampled_from([value, str(value), str(value).lower(), str(value).upper()])
        case FieldType.STRINGS:
            return st.permutations(value).map(list) if known.unordered else st.just(list(value))
    return st.sampled_from(spellings(value)) if known.enum else st.just(value)


def spellings(member: str) -> list[str]:
    """How a member of an enumeration is met."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member)
    return [member, snake.upper(), snake.lower(), member.replace("_", ""), member.upper()]


def in_an_answer(draw: Draw, each: Meant) -> dict[str, Any]:
    """The fields of a destination that was made by hand, as the account keeps and answers them: ports as texts,
    enumerations in another spelling, sets in another order, and nothing in any of its forms."""
    kept: dict[str, Any] = {
        "config": {**each.extra},
        "networking_method": draw(st.sampled_from(["Directly", None])),
    }
    for path, value in {**each.fields, **each.secrets}.items():
        if path[0] == "config":
            written = value if path in each.secrets else draw(_in_the_api(each.known, path, value))
            if written is not None or draw(st.booleans()):
                kept["config"][path[1]] = written
        elif value is not None:
            kept[path[0]] = value
    return kept


def _in_the_api(service: Service, path: FieldPath, value: Any) -> st.SearchStrategy[Any]:
    known = field_of(service, path)
    if value is None:
        return st.sampled_from([None, ""])
    if known is not None and known.type is FieldType.BOOLEAN:
        return st.sampled_from([value, str(value).lower()])
    return _in_a_spec(service, path, value)


def paths_in(body: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Any]]:
    """The leaves of a request body."""
    for name, value in body.items():
        if name == "config":
            yield from ((("config", key), each) for key, each in value.items())
        else:
            yield (name,), value
