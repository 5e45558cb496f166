"""Parse and format addresses of Terraform: `module.eu["a"].fivetran_destination.sales[0]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.model.hcl import quote_hcl

InstanceKey: TypeAlias = str | int | None
"""Key of an instance: a text of `for_each`, a number of `count`, or None without either."""

_MODULE_STEP = re.compile(
    r"""(?:^|\.)module\.(?P<name>[^\W\d][\w-]*)(?:\[(?:(?P<number>\d+)|"(?P<text>(?:[^"\\]|\\.)*)")\])?(?=\.|$)"""
)
_ESCAPE = re.compile(
    r"""\\(?:(?P<plain>["\\nrt])|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<sign>[$%])(?P=sign)(?=\{)"""
)
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class ModuleStep:
    """Module call in an address, with the key of its instance."""

    name: str
    key: InstanceKey = None

    def __str__(self) -> str:
        return f"module.{self.name}{_format_key(self.key)}"


@dataclass(frozen=True, slots=True)
class TerraformAddress:
    """Address of a resource, or of one of its instances."""

    type: str
    name: str
    key: InstanceKey = None
    modules: tuple[ModuleStep, ...] = ()
    is_data: bool = False

    def __str__(self) -> str:
        mode = ["data"] if self.is_data else []
        return ".".join([*map(str, self.modules), *mode, self.type, f"{self.name}{_format_key(self.key)}"])

    @property
    def resource(self) -> TerraformAddress:
        """Return the address of the resource: of the block in the configuration, without the keys of instances."""
        modules = tuple(ModuleStep(step.name) for step in self.modules)
        return replace(self, key=None, modules=modules)

    @property
    def module(self) -> str:
        """Return the address of the module instance, empty for the root module."""
        return format_module(self.modules)

    def list_modules(self) -> Iterator[str]:
        """List the addresses of the module instance and of all that it stands in, without the root module."""
        return (format_module(self.modules[:length]) for length in range(1, len(self.modules) + 1))

    def list_parts(self) -> Iterator[str]:
        """List the names and keys without the type: `eu`, `sales`, `0`."""
        for step in (*self.modules, ModuleStep(self.name, self.key)):
            yield step.name
            if step.key is not None:
                yield str(step.key)


def parse_module(text: str) -> tuple[ModuleStep, ...]:
    """Parse the address of a module instance, empty for the root module. Raises ValueError."""
    steps: list[ModuleStep] = []
    position = 0
    while position < len(text):
        match = _MODULE_STEP.match(text, position)
        if match is None:
            raise ValueError("no address of a module")
        steps.append(ModuleStep(match["name"], _parse_key(match)))
        position = match.end()
    return tuple(steps)


def format_module(modules: tuple[ModuleStep, ...]) -> str:
    """Format the address of a module instance, empty for the root module."""
    return ".".join(map(str, modules))


def _parse_key(match: re.Match[str]) -> InstanceKey:
    if match["number"] is not None:
        return int(match["number"])
    return None if match["text"] is None else _ESCAPE.sub(_unescape, match["text"])


def _unescape(match: re.Match[str]) -> str:
    if match["sign"]:
        return match["sign"]
    if match["plain"]:
        return _PLAIN_ESCAPES.get(match["plain"], match["plain"])
    return chr(int(match["short"] or match["long"], 16))


def _format_key(key: InstanceKey) -> str:
    if key is None:
        return ""
    return f"[{key}]" if isinstance(key, int) else f"[{quote_hcl(key)}]"
