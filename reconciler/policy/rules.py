"""`policies:` of a project file, one entry of it: the keys, and the rules that they come to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.catalogue.anywhere import config_fields
from reconciler.catalogue.canonical import canonical_destination, in_spelling_of
from reconciler.catalogue.load import destination_facts, service_names
from reconciler.catalogue.model import FieldType
from reconciler.model.nearest import did_you_mean
from reconciler.policy.base import Rule
from reconciler.policy.builtin import (
    KEY,
    NAME,
    Allowed,
    AtMost,
    Counted,
    Forbidden,
    Most,
    Named,
    NoBlanketTrust,
    Required,
    Trusted,
)
from reconciler.policy.matching import Wanted, shown
from reconciler.spec.schema import Skeleton

OPTIONS_OF_ENTRIES = (
    "trust.certificates",
    "trust.fingerprints",
    "setup_tests.run",
    "setup_tests.on_failure",
    "lifecycle.protected",
    "lifecycle.allow_replace",
)
CONFIG = "config."

POLICY_NAME = "[a-z][a-z0-9_-]*"
_GLOB = re.compile(r"[*?[]")


def known_fields() -> tuple[str, ...]:
    """Fields that conditions may name, without those below `config.`."""
    return (KEY, NAME, "id", "service", *destination_facts().fields, *OPTIONS_OF_ENTRIES)


def _wrong(message: str, advice: str) -> PydanticCustomError:
    return PydanticCustomError("wrong-shape", message.replace("{", "{{"), {"help": advice})


def _wanted(value: Any) -> Wanted:
    given = value if isinstance(value, list) else [value]
    if not given or not all(_is_value(each) for each in given):
        raise _wrong(
            "a value or a list of values belongs here", "write for example `PrivateLink`, or `[a, b]`"
        )
    return tuple(given)


def _is_value(value: Any) -> bool:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return is_number or (isinstance(value, str) and bool(value.strip()))


def _condition(fields: dict[str, Wanted]) -> dict[str, Wanted]:
    """A condition with each field under its present name, and each value in normal form, as entries have them."""
    if not fields:
        raise _wrong("at least one field belongs here", 'write for example `{key: "*_prod"}`')
    return {
        _present_name(path): tuple(_normal(path, each) for each in wanted) for path, wanted in fields.items()
    }


def _present_name(path: str) -> str:
    known = destination_facts().fields.get(path)
    return known.deprecated_for if known is not None and known.deprecated_for else path


def _normal(path: str, value: str | int | float | bool) -> str | int | float | bool:
    if _is_pattern(value):
        return value
    _check_value(path, value)
    if path != "service" and path not in destination_facts().fields:
        return value
    [normal] = canonical_destination(None, {(path,): value}).values()
    return value if normal is None else normal


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and (_GLOB.search(value) is not None or ":" in value)


def _check_value(path: str, value: str | int | float | bool) -> None:
    """Refuse what no entry can ever have there: a policy that never matches protects nobody."""
    if path in _CHOICES and str(value) not in _CHOICES[path]:
        choices = ", ".join(f"`{each}`" for each in _CHOICES[path])
        raise _wrong(f"`{path}` is never `{shown(value)}`", f"it is one of {choices}")
    is_boolean = path in _BOOLEANS or _type_of(path) is FieldType.BOOLEAN
    if is_boolean and str(value).casefold() not in ("true", "false"):
        raise _wrong(f"`{path}` is never `{shown(value)}`", "it is `true` or `false`")
    if path in _CLOSED and isinstance(value, str):
        _check_name(value, *_CLOSED[path])


def _type_of(path: str) -> FieldType | None:
    known = destination_facts().fields.get(path)
    return known.type if known is not None else None


def _field(path: str) -> str:
    """A field that an entry can have. What the catalogue does not know yet may exist, unless it looks like a slip."""
    if path.startswith(CONFIG):
        name = path.removeprefix(CONFIG).split(".")[0]
        advice = "" if name in config_fields() else did_you_mean(name, config_fields())
        if advice or not name:
            raise _wrong(f"no service has a config field `{name}`", advice or "name one, as in `config.role`")
    elif path not in known_fields():
        advice = did_you_mean(path, known_fields())
        if path in config_fields():
            advice = f"it is a field of the config: write `{CONFIG}{path}`"
        raise _wrong(f"`{path}` is no field of an entry", advice or f"fields are {', '.join(known_fields())}")
    return path


def _policy_name(text: str) -> str:
    if not re.fullmatch(POLICY_NAME, text):
        raise _wrong(
            "the name of a policy has lower-case letters, digits, `-` and `_` only, a letter first",
            "rename it, for example `regions-in-production`",
        )
    return text


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(
            f"this is no regular expression: {getattr(error, 'msg', 'it is too large')}",
            "correct it; the whole key or name has to match, as in `[a-z]+_(dev|prod)`",
        ) from None


def _most(value: Any) -> Most:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Most(value)
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%", value.strip())):
        percent = float(found[1])
        if percent <= 100:
            return Most(percent / 100, is_fraction=True)
    raise _wrong("a limit is a number or a part of all", 'write for example `3`, or `"20%"`')


def _check_name(value: str, known: Callable[[], Collection[str]], what: str) -> None:
    """Refuse a slip of a name of a closed list. The list may have grown, so anything else may be one."""
    is_known = in_spelling_of(tuple(known()), value) in known()
    if not is_known and not _GLOB.search(value) and (advice := did_you_mean(value, known())):
        raise _wrong(f"there is no {what} `{value}`", advice)


def _one_of(path: str) -> AfterValidator:
    def checked(value: str) -> str:
        if not value.strip():
            raise _wrong("a name is not empty", "write one, or remove it")
        return str(_normal(path, value))

    return AfterValidator(checked)


def _regions() -> Collection[str]:
    facts = destination_facts()
    return (*facts.regions, *facts.region_aliases)


def _methods() -> Collection[str]:
    return destination_facts().networking_methods


_CLOSED: Mapping[str, tuple[Callable[[], Collection[str]], str]] = {
    "service": (service_names, "service"),
    "region": (_regions, "region"),
    "networking_method": (_methods, "networking method"),
}
_CHOICES = {
    "trust.certificates": ("none", "any"),
    "trust.fingerprints": ("none", "any"),
    "setup_tests.on_failure": ("fail", "warn", "ignore"),
}
_BOOLEANS = frozenset({"setup_tests.run", "lifecycle.protected", "lifecycle.allow_replace"})
_SCALAR = {"type": ["string", "number", "boolean"]}
Values: TypeAlias = Annotated[
    Wanted,
    BeforeValidator(_wanted),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
Conditions: TypeAlias = Annotated[
    dict[Annotated[str, AfterValidator(_field)], Values],
    AfterValidator(_condition),
    Field(json_schema_extra={"minProperties": 1}),
]
PolicyName: TypeAlias = Annotated[
    str, AfterValidator(_policy_name), Field(json_schema_extra={"pattern": f"^{POLICY_NAME}$"})
]
Trustable: TypeAlias = Literal["certificates", "fingerprints"]
Region: TypeAlias = Annotated[str, _one_of("region")]
Service: TypeAlias = Annotated[str, _one_of("service")]
Method: TypeAlias = Annotated[str, _one_of("networking_method")]
Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"format": "regex"})]
Limit: TypeAlias = Annotated[
    Most,
    BeforeValidator(_most),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]+)? ?%$"},
            ]
        }
    ),
]


class Limits(Skeleton):
    """`at-most`."""

    creates: Limit | None = Field(None, description="Entries that may be created.")
    updates: Limit | None = Field(None, description="Entries that may be changed in place.")
    replaces: Limit | None = Field(None, description="Destinations that may be deleted and made again.")
    deletes: Limit | None = Field(None, description="Entries that may be deleted.")

    def given(self) -> dict[Counted, Most]:
        """The limits that are set."""
        limits = {each: getattr(self, each) for each in Counted}
        return {each: most for each, most in limits.items() if most is not None}


def _some_limit(limits: Limits) -> Limits:
    if not limits.given():
        raise _wrong("at least one limit belongs here", "write for example `{deletes: 1}`")
    return limits


class PolicyEntry(Skeleton):
    """One policy: exactly one rule, and how it is meant."""

    allowed_regions: list[Region] | None = Field(
        None,
        alias="allowed-regions",
        min_length=1,
        description="Regions that destinations may be in; globs work.",
    )
    allowed_services: list[Service] | None = Field(
        None,
        alias="allowed-services",
        min_length=1,
        description="Services that destinations may be of; globs work.",
    )
    allowed_networking: list[Method] | None = Field(
        None,
        alias="allowed-networking",
        min_length=1,
        description="Networking methods that destinations may use.",
    )
    key_pattern: Pattern | None = Field(
        None, alias="key-pattern", description="Regular expression that every key is of, as a whole."
    )
    name_pattern: Pattern | None = Field(
        None,
        alias="name-pattern",
        description="Regular expression that every group's name is of, as a whole.",
    )
    require: Conditions | None = Field(
        None, description="Fields that must be declared, with one of these values; `*` for any."
    )
    forbid: Conditions | None = Field(None, description="Values that fields must not have.")
    forbid_blanket_trust: list[Trustable] | None = Field(
        None,
        alias="forbid-blanket-trust",
        min_length=1,
        description="What must not be trusted unseen: certificates, fingerprints.",
    )
    at_most: Annotated[Limits, AfterValidator(_some_limit)] | None = Field(
        None,
        alias="at-most",
        description="How many entries one apply may create, update, replace and delete: numbers, or a part as in 20%.",
    )
    name: PolicyName | None = Field(
        None, description="What plans and `--override` call this policy. Default: its rule."
    )
    level: Literal["advisory", "soft", "hard"] = Field(
        "hard",
        description="hard: refuses. soft: refuses, unless whoever applies overrides it with a reason. advisory: warns.",
    )
    where: Conditions | None = Field(None, description="Only entries with these values; globs work.")
    because: str = Field("", description="Why the team wants this. Told with every finding.")

    def rule(self) -> Rule | None:
        """The one rule of this entry; None where it is one of a package."""
        makers: Mapping[str, Callable[[Any], Rule]] = _MAKERS
        for field, make in makers.items():
            value = getattr(self, field)
            if value is not None:
                return make(value)
        return None


_MAKERS: dict[str, Callable[[Any], Rule]] = {
    "allowed_regions": lambda values: Allowed("region", tuple(values)),
    "allowed_services": lambda values: Allowed("service", tuple(values)),
    "allowed_networking": lambda values: Allowed("networking_method", tuple(values)),
    "key_pattern": lambda pattern: Named(KEY, pattern),
    "name_pattern": lambda pattern: Named(NAME, pattern),
    "require": Required,
    "forbid": Forbidden,
    "forbid_blanket_trust": lambda kinds: NoBlanketTrust(tuple(map(Trusted, dict.fromkeys(kinds)))),
    "at_most": lambda limits: AtMost(limits.given()),
}
RULES = tuple(PolicyEntry.model_fields[field].alias or field for field in _MAKERS)
"""The rules that come with the program, as project files call them."""
OPTIONS = tuple(field for field in PolicyEntry.model_fields if field not in _MAKERS)
"""Keys of a policy beside its rule."""
