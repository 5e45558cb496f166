"""`policies:` of a project file, one entry of it: the keys, and the rules that they come to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.catalogue.anywhere import config_fields
from reconciler.catalogue.canonical import in_spelling_of
from reconciler.catalogue.load import destination_facts, service_names
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
from reconciler.policy.matching import Condition, Wanted
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
    if not given or not all(isinstance(each, str | int | float | bool) and each != "" for each in given):
        raise _wrong(
            "a value or a list of values belongs here", "write for example `PrivateLink`, or `[a, b]`"
        )
    return tuple(given)


def _some(fields: dict[str, Wanted]) -> dict[str, Wanted]:
    if not fields:
        raise _wrong("at least one field belongs here", 'write for example `{key: "*_prod"}`')
    return fields


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
    except re.error as error:
        raise _wrong(
            f"this is no regular expression: {error.msg}",
            "correct it; the whole key or name has to match, as in `[a-z]+_(dev|prod)`",
        ) from None


def _most(value: Any) -> Most:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Most(value)
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", value.strip())):
        percent = float(found[1])
        if percent <= 100:
            return Most(percent / 100, is_fraction=True)
    raise _wrong("a limit is a number or a part of all", 'write for example `3`, or `"20%"`')


def _of(known: Callable[[], Collection[str]], what: str) -> AfterValidator:
    """A name of a closed list that may have grown: only what looks like a slip of one is refused."""

    def checked(value: str) -> str:
        is_known = in_spelling_of(tuple(known()), value) in known()
        if not is_known and not _GLOB.search(value) and (advice := did_you_mean(value, known())):
            raise _wrong(f"there is no {what} `{value}`", advice)
        return value

    return AfterValidator(checked)


def _regions() -> Collection[str]:
    facts = destination_facts()
    return (*facts.regions, *facts.region_aliases)


def _methods() -> Collection[str]:
    return destination_facts().networking_methods


_SCALAR = {"type": ["string", "number", "boolean"]}
Values: TypeAlias = Annotated[
    Wanted,
    BeforeValidator(_wanted),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
Conditions: TypeAlias = Annotated[
    dict[Annotated[str, AfterValidator(_field)], Values],
    AfterValidator(_some),
    Field(json_schema_extra={"minProperties": 1}),
]
PolicyName: TypeAlias = Annotated[
    str, AfterValidator(_policy_name), Field(json_schema_extra={"pattern": f"^{POLICY_NAME}$"})
]
Trustable: TypeAlias = Literal["certificates", "fingerprints"]
Region: TypeAlias = Annotated[str, _of(_regions, "region")]
Service: TypeAlias = Annotated[str, _of(service_names, "service")]
Method: TypeAlias = Annotated[str, _of(_methods, "networking method")]
Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"format": "regex"})]
Limit: TypeAlias = Annotated[
    Most,
    BeforeValidator(_most),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d{1,3}(\.\d+)? ?%$"}]}
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

__all__ = ["OPTIONS", "RULES", "Condition", "PolicyEntry", "known_fields"]
