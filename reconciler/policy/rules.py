"""Parse entries of `policies:` in a project file, and build their rules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.catalogue.load import load_destination_facts, load_service_names
from reconciler.catalogue.model import FieldType
from reconciler.catalogue.normalize import match_enum, normalize_destination
from reconciler.catalogue.serviceless_checks import list_config_fields
from reconciler.model.suggestions import did_you_mean
from reconciler.policy.base import Rule
from reconciler.policy.builtin import (
    KEY,
    NAME,
    AllowedField,
    AtMost,
    CountedAction,
    ForbiddenValues,
    Limit,
    NamePattern,
    NoBlanketTrust,
    RequiredFields,
    TrustTarget,
)
from reconciler.policy.matching import AllowedValues, format_value
from reconciler.spec.schema import StrictModel

ENTRY_OPTIONS = (
    "trust.certificates",
    "trust.fingerprints",
    "trust.exclusive",
    "setup_tests.run",
    "setup_tests.on_failure",
    "lifecycle.protected",
    "lifecycle.allow_replace",
    "lifecycle.with_platform_connection",
)
CONFIG_PREFIX = "config."

POLICY_NAME_PATTERN = "[a-z][a-z0-9_-]*"
_GLOB = re.compile(r"[*?[]")


def list_known_fields() -> tuple[str, ...]:
    """List the fields that conditions may name, without fields below `config.`."""
    return (KEY, NAME, "id", "service", *load_destination_facts().fields, *ENTRY_OPTIONS)


def _build_error(message: str, advice: str) -> PydanticCustomError:
    return PydanticCustomError("wrong-shape", message.replace("{", "{{"), {"help": advice})


def _parse_values(value: Any) -> AllowedValues:
    values = value if isinstance(value, list) else [value]
    if not values or not all(_is_value(item) for item in values):
        raise _build_error(
            "a value or a list of values belongs here", "write for example `PrivateLink`, or `[a, b]`"
        )
    return tuple(values)


def _is_value(value: Any) -> bool:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return is_number or (isinstance(value, str) and bool(value.strip()))


def _normalize_condition(condition: dict[str, AllowedValues]) -> dict[str, AllowedValues]:
    """Normalize a condition: present names of fields, and values in the normal form of entries."""
    if not condition:
        raise _build_error("at least one field belongs here", 'write for example `{key: "*_prod"}`')
    return {
        _get_current_name(path): tuple(_normalize_value(path, value) for value in values)
        for path, values in condition.items()
    }


def _get_current_name(path: str) -> str:
    field = load_destination_facts().fields.get(path)
    return field.deprecated_for if field is not None and field.deprecated_for else path


def _normalize_value(path: str, value: str | int | float | bool) -> str | int | float | bool:
    if _is_pattern(value):
        return value
    _check_value(path, value)
    if path != "service" and path not in load_destination_facts().fields:
        return value
    [normalized] = normalize_destination(None, {(path,): value}).values()
    return value if normalized is None else normalized


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and (_GLOB.search(value) is not None or ":" in value)


def _check_value(path: str, value: str | int | float | bool) -> None:
    """Refuse a value that no entry can have: a policy that never matches protects nothing."""
    if path in _CHOICES and str(value) not in _CHOICES[path]:
        choices = ", ".join(f"`{choice}`" for choice in _CHOICES[path])
        raise _build_error(f"`{path}` is never `{format_value(value)}`", f"it is one of {choices}")
    is_boolean = path in _BOOLEANS or _find_type(path) is FieldType.BOOLEAN
    if is_boolean and str(value).casefold() not in ("true", "false"):
        raise _build_error(f"`{path}` is never `{format_value(value)}`", "it is `true` or `false`")
    if path in _CLOSED_LISTS and isinstance(value, str):
        _check_name(value, *_CLOSED_LISTS[path])


def _find_type(path: str) -> FieldType | None:
    field = load_destination_facts().fields.get(path)
    return field.type if field is not None else None


def _check_field(path: str) -> str:
    """Check that an entry can have a field.

    A field that the catalogue lacks may exist, so only a likely misspelling is refused.
    """
    if path.startswith(CONFIG_PREFIX):
        name = path.removeprefix(CONFIG_PREFIX).split(".")[0]
        advice = "" if name in list_config_fields() else did_you_mean(name, list_config_fields())
        if advice or not name:
            raise _build_error(
                f"no service has a config field `{name}`", advice or "name one, as in `config.role`"
            )
    elif path not in list_known_fields():
        advice = did_you_mean(path, list_known_fields())
        if path in list_config_fields():
            advice = f"it is a field of the config: write `{CONFIG_PREFIX}{path}`"
        raise _build_error(
            f"`{path}` is no field of an entry", advice or f"fields are {', '.join(list_known_fields())}"
        )
    return path


def _check_policy_name(text: str) -> str:
    if not re.fullmatch(POLICY_NAME_PATTERN, text):
        raise _build_error(
            "the name of a policy has lower-case letters, digits, `-` and `_` only, a letter first",
            "rename it, for example `regions-in-production`",
        )
    return text


def _compile_pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise _build_error(
            f"this is no regular expression: {getattr(error, 'msg', 'it is too large')}",
            "correct it; the whole key or name has to match, as in `[a-z]+_(dev|prod)`",
        ) from None


def _parse_limit(value: Any) -> Limit:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(value)
    if isinstance(value, str) and (matched := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%", value.strip())):
        percent = float(matched[1])
        if percent <= 100:
            return Limit(percent / 100, is_fraction=True)
    raise _build_error("a limit is a number or a part of all", 'write for example `3`, or `"20%"`')


def _check_name(value: str, list_names: Callable[[], Collection[str]], label: str) -> None:
    """Refuse a misspelled name of a closed list. The list may have grown, so other unknown names pass."""
    is_known = match_enum(tuple(list_names()), value) in list_names()
    if not is_known and not _GLOB.search(value) and (advice := did_you_mean(value, list_names())):
        raise _build_error(f"there is no {label} `{value}`", advice)


def _make_name_validator(path: str) -> AfterValidator:
    def validate(value: str) -> str:
        if not value.strip():
            raise _build_error("a name is not empty", "write one, or remove it")
        return str(_normalize_value(path, value))

    return AfterValidator(validate)


def _list_regions() -> Collection[str]:
    facts = load_destination_facts()
    return (*facts.regions, *facts.region_aliases)


def _list_methods() -> Collection[str]:
    return load_destination_facts().networking_methods


_CLOSED_LISTS: Mapping[str, tuple[Callable[[], Collection[str]], str]] = {
    "service": (load_service_names, "service"),
    "region": (_list_regions, "region"),
    "networking_method": (_list_methods, "networking method"),
}
_CHOICES = {
    "trust.certificates": ("none", "any", "pins"),
    "trust.fingerprints": ("none", "any", "pins"),
    "setup_tests.on_failure": ("fail", "warn", "ignore"),
}
_BOOLEANS = frozenset(
    {"setup_tests.run", "trust.exclusive", *(name for name in ENTRY_OPTIONS if name.startswith("lifecycle."))}
)
_SCALARS = [{"type": name} for name in ("string", "number", "boolean")]
Values: TypeAlias = Annotated[
    AllowedValues,
    BeforeValidator(_parse_values),
    WithJsonSchema({"anyOf": [*_SCALARS, {"type": "array", "items": {"anyOf": _SCALARS}, "minItems": 1}]}),
]
Conditions: TypeAlias = Annotated[
    dict[Annotated[str, AfterValidator(_check_field)], Values],
    AfterValidator(_normalize_condition),
    Field(json_schema_extra={"minProperties": 1}),
]
PolicyName: TypeAlias = Annotated[
    str, AfterValidator(_check_policy_name), Field(json_schema_extra={"pattern": f"^{POLICY_NAME_PATTERN}$"})
]
TrustTargetName: TypeAlias = Literal["certificates", "fingerprints"]
RegionName: TypeAlias = Annotated[str, _make_name_validator("region")]
ServiceName: TypeAlias = Annotated[str, _make_name_validator("service")]
NetworkingMethod: TypeAlias = Annotated[str, _make_name_validator("networking_method")]
RegexPattern: TypeAlias = Annotated[str, AfterValidator(_compile_pattern)]
LimitValue: TypeAlias = Annotated[
    Limit,
    BeforeValidator(_parse_limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]+)? ?%$"},
            ]
        }
    ),
]


class ActionLimits(StrictModel):
    """Settings of `at-most`."""

    creates: LimitValue | None = Field(None, description="Entries that may be created.")
    updates: LimitValue | None = Field(None, description="Entries that may be changed in place.")
    replaces: LimitValue | None = Field(
        None, description="Destinations that may be deleted and created again."
    )
    deletes: LimitValue | None = Field(None, description="Entries that may be deleted.")
    approves: LimitValue | None = Field(None, description="Destinations whose servers may be approved.")
    revokes: LimitValue | None = Field(None, description="Destinations of which approvals may be revoked.")

    interrupts: LimitValue | None = Field(
        None,
        description="Entries whose changes interrupt syncs, or may do so. Deletions are no part of them.",
    )
    region: LimitValue | None = Field(None, description="Destinations that may move to another region.")
    networking: LimitValue | None = Field(None, description="Destinations whose network path may change.")
    credentials: LimitValue | None = Field(None, description="Destinations whose login may change.")
    target: LimitValue | None = Field(
        None, description="Destinations that may be pointed at another server, database or storage."
    )

    def get_limits(self) -> dict[CountedAction, Limit]:
        """Return the limits that are set."""
        limits = {action: getattr(self, action) for action in CountedAction}
        return {action: limit for action, limit in limits.items() if limit is not None}


def _require_limit(limits: ActionLimits) -> ActionLimits:
    if not limits.get_limits():
        raise _build_error("at least one limit belongs here", "write for example `{deletes: 1}`")
    return limits


class PolicyEntry(StrictModel):
    """An entry of `policies:`: exactly one rule, and the settings of the policy."""

    allowed_regions: list[RegionName] | None = Field(
        None,
        alias="allowed-regions",
        min_length=1,
        description="Regions that destinations may be in; globs work.",
    )
    allowed_services: list[ServiceName] | None = Field(
        None,
        alias="allowed-services",
        min_length=1,
        description="Services that destinations may be of; globs work.",
    )
    allowed_networking: list[NetworkingMethod] | None = Field(
        None,
        alias="allowed-networking",
        min_length=1,
        description="Networking methods that destinations may use.",
    )
    key_pattern: RegexPattern | None = Field(
        None, alias="key-pattern", description="Regular expression that every key matches as a whole."
    )
    name_pattern: RegexPattern | None = Field(
        None,
        alias="name-pattern",
        description="Regular expression that the name of every group matches as a whole.",
    )
    require: Conditions | None = Field(
        None, description="Fields that must be declared, with one of these values; `*` for any."
    )
    forbid: Conditions | None = Field(None, description="Values that fields must not have.")
    forbid_blanket_trust: list[TrustTargetName] | None = Field(
        None,
        alias="forbid-blanket-trust",
        min_length=1,
        description="Servers that must not be trusted unseen, by certificates or fingerprints.",
    )
    at_most: Annotated[ActionLimits, AfterValidator(_require_limit)] | None = Field(
        None,
        alias="at-most",
        description="Entries that one apply may create, update, replace and delete: numbers, or a part as in 20%.",
    )
    name: PolicyName | None = Field(
        None, description="Name of the policy in plans and for `--override`. Default: its rule."
    )
    level: Literal["advisory", "soft", "hard"] = Field(
        "hard",
        description="hard: refuses. soft: refuses, unless the operator overrides it with a reason. advisory: warns.",
    )
    where: Conditions | None = Field(None, description="Only entries with these values; globs work.")
    because: str = Field("", description="Reason of the team, shown with every finding.")

    def build_rule(self) -> Rule | None:
        """Build the rule of this entry, None if the rule belongs to a package."""
        factories: Mapping[str, Callable[[Any], Rule]] = _RULE_FACTORIES
        for field, factory in factories.items():
            value = getattr(self, field)
            if value is not None:
                return factory(value)
        return None


_RULE_FACTORIES: dict[str, Callable[[Any], Rule]] = {
    "allowed_regions": lambda values: AllowedField("region", tuple(values)),
    "allowed_services": lambda values: AllowedField("service", tuple(values)),
    "allowed_networking": lambda values: AllowedField("networking_method", tuple(values)),
    "key_pattern": lambda pattern: NamePattern(KEY, pattern),
    "name_pattern": lambda pattern: NamePattern(NAME, pattern),
    "require": RequiredFields,
    "forbid": ForbiddenValues,
    "forbid_blanket_trust": lambda kinds: NoBlanketTrust(tuple(map(TrustTarget, dict.fromkeys(kinds)))),
    "at_most": lambda limits: AtMost(limits.get_limits()),
}
RULES = tuple(PolicyEntry.model_fields[field].alias or field for field in _RULE_FACTORIES)
"""Names of the built-in rules in project files."""
OPTIONS = tuple(field for field in PolicyEntry.model_fields if field not in _RULE_FACTORIES)
"""Keys of a policy beside its rule."""
