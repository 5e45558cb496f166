"""Find out how Terraform releases the objects that entries manage now, without a deletion."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_state import IdUse, TerraformState
from reconciler.model.hcl import quote_hcl

MINIMUM_VERSIONS: Mapping[str, str] = {"terraform": "1.7", "tofu": "1.10"}
"""First version of each program that knows `removed { lifecycle { destroy = false } }`."""

_INTERIM_PREFIX = "released_"


@dataclass(frozen=True, slots=True)
class PartialRelease:
    """Resource that keeps some instances.

    `released` are the other instances, each with an address of its own: a `removed` block names no instance, and so a
    `moved` block comes first. Without `has_blocks` that is impossible. `renumbered` are the kept instances of a `count`
    that get another number, in this order. `advice` is the change of the configuration, as far as the state shows it.
    """

    address: TerraformAddress
    released: Mapping[TerraformAddress, TerraformAddress]
    kept: tuple[TerraformAddress, ...]
    has_blocks: bool = True
    renumbered: tuple[tuple[TerraformAddress, TerraformAddress], ...] = ()
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ReplacedId:
    """Id that other objects use. `replaces` are the addresses that no longer give it."""

    key: str
    id: str
    replaces: tuple[TerraformAddress, ...]


@dataclass(frozen=True, slots=True)
class RemainingUse:
    """Object or output that stays in Terraform and uses released objects: keys by attribute, and resources that its
    block refers to."""

    address: str
    keys: Mapping[str, tuple[str, ...]]
    depends_on: tuple[TerraformAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class TerraformRelease:
    """Steps that make Terraform release objects.

    `whole` are resources with all their instances. Without `knows_removed` the program is too old for `removed`.
    """

    program: str
    version: str
    knows_removed: bool
    whole: tuple[TerraformAddress, ...]
    partial: tuple[PartialRelease, ...]
    ids: tuple[ReplacedId, ...]
    uses: tuple[RemainingUse, ...]

    @property
    def interim_addresses(self) -> Mapping[TerraformAddress, TerraformAddress]:
        """Return the instances that `moved` and `removed` blocks release, with their interim addresses."""
        if not self.knows_removed:
            return {}
        return {
            instance: interim
            for partial in self.partial
            if partial.has_blocks
            for instance, interim in partial.released.items()
        }

    @property
    def removed_addresses(self) -> tuple[TerraformAddress, ...]:
        """Return the addresses of all `removed` blocks."""
        return (*self.whole, *self.interim_addresses.values()) if self.knows_removed else ()

    @property
    def forgotten_addresses(self) -> tuple[TerraformAddress, ...]:
        """Return the addresses that only `state rm` releases."""
        if not self.knows_removed:
            return (*self.whole, *(instance for partial in self.partial for instance in partial.released))
        return tuple(
            instance for partial in self.partial if not partial.has_blocks for instance in partial.released
        )

    @property
    def renumberings(self) -> tuple[tuple[TerraformAddress, TerraformAddress], ...]:
        """Return the instances that `state mv` renumbers, in this order."""
        return tuple(move for partial in self.partial for move in partial.renumbered)

    @property
    def minimum_version(self) -> str:
        """Return the first version that knows `removed` blocks."""
        return MINIMUM_VERSIONS[self.program]


def build_release(state: TerraformState, managed: Mapping[str, str]) -> TerraformRelease:
    """Build the steps that release all objects of managed groups. `managed` are the keys of entries by group id."""
    released: dict[TerraformAddress, dict[TerraformAddress, TerraformAddress]] = defaultdict(dict)
    kept: dict[TerraformAddress, list[TerraformAddress]] = defaultdict(list)
    for item in state.objects:
        key = managed.get(item.group_id)
        if key is None:
            kept[item.address.resource].append(item.address)
        else:
            interim = TerraformAddress(item.address.type, f"{_INTERIM_PREFIX}{key}")
            released[item.address.resource][item.address] = interim
    whole = tuple(address for address in released if address not in kept)
    uses = tuple(_select_uses(state.uses, managed, whole))
    keys = {key for use in uses for used in use.keys.values() for key in used}
    return TerraformRelease(
        state.program,
        state.version,
        _is_at_least(state.version, MINIMUM_VERSIONS[state.program]),
        whole,
        tuple(
            _build_partial(state, managed, address, released[address], kept[address])
            for address in released
            if address in kept
        ),
        tuple(
            ReplacedId(key, group_id, tuple(state.list_addresses(group_id)))
            for group_id, key in sorted(managed.items(), key=lambda item: item[1])
            if key in keys
        ),
        uses,
    )


def _is_at_least(version: str, minimum: str) -> bool:
    """Return whether a version is new enough; an unknown version is."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    first = tuple(map(int, minimum.split(".")))
    return numbers is None or (int(numbers[1]), int(numbers[2])) >= first


def _select_uses(
    uses: Iterable[IdUse], managed: Mapping[str, str], whole: tuple[TerraformAddress, ...]
) -> Iterator[RemainingUse]:
    for use in uses:
        keys = {
            attribute: tuple(sorted(managed[group_id] for group_id in used if group_id in managed))
            for attribute, used in use.uses.items()
        }
        keys = {attribute: used for attribute, used in keys.items() if used}
        depends_on = tuple(address for address in use.depends_on if address in whole)
        if keys or depends_on:
            yield RemainingUse(use.address, keys, depends_on)


def _build_partial(
    state: TerraformState,
    managed: Mapping[str, str],
    address: TerraformAddress,
    released: Mapping[TerraformAddress, TerraformAddress],
    kept: list[TerraformAddress],
) -> PartialRelease:
    keys = [each.key for each in released]
    if None in keys:  # instances of a module
        # Terraform refuses to move an object whose block remains in its module.
        staying = _find_staying_modules(state, managed, released)
        advice = " and ".join(_advise_about_modules(released, staying))
        return PartialRelease(address, released, tuple(kept), not staying, advice=advice)
    is_in_one_module = len({each.modules for each in (*released, *kept)}) == 1
    if all(isinstance(key, str) for key in keys):
        advice = f"take {', '.join(quote_hcl(str(key)) for key in keys)} out of its `for_each`"
        return PartialRelease(address, released, tuple(kept), advice=advice if is_in_one_module else "")
    # Blocks would renumber the instances again in each later plan.
    renumbered = tuple(_renumber(kept))
    advice = f"lower its `count` to {len(kept)}" if is_in_one_module else ""
    return PartialRelease(address, released, tuple(kept), not renumbered, renumbered, advice)


def _renumber(kept: Iterable[TerraformAddress]) -> Iterator[tuple[TerraformAddress, TerraformAddress]]:
    """Renumber the kept instances of a `count`, which has no gaps, in each module."""
    counts: Counter[str] = Counter()
    for address in sorted(kept, key=lambda each: each.key if isinstance(each.key, int) else 0):
        number = counts[address.module]
        counts[address.module] += 1
        if address.key != number:
            yield address, _with_key(address, number)


def _with_key(address: TerraformAddress, key: int) -> TerraformAddress:
    return TerraformAddress(address.type, address.name, key, address.modules, address.is_data)


def _find_staying_modules(
    state: TerraformState, managed: Mapping[str, str], released: Iterable[TerraformAddress]
) -> frozenset[str]:
    """Find the modules of released instances that have to stay, since they hold something else or have no key."""
    kept = (item.address for item in state.objects if item.group_id not in managed)
    busy = {*state.other_modules, *(module for address in kept for module in address.list_modules())}
    return frozenset(
        address.module
        for address in released
        if address.module in busy or not address.modules or address.modules[-1].key is None
    )


def _advise_about_modules(released: Iterable[TerraformAddress], staying: Collection[str]) -> Iterator[str]:
    """Advise about instances of a module: an instance that holds nothing else can go, another one must stay."""
    for address in released:
        if address.module in staying:
            yield f"make the block conditional, so that `{address.module}` does not declare it"
        else:
            yield f"take `{address.module}` out of its `for_each` or `count`"
