"""Render the steps that make Terraform release imported objects: blocks and lines to copy, and uses that remain."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_release import (
    PartialRelease,
    RemainingUse,
    ReplacedId,
    TerraformRelease,
)
from reconciler.model.hcl import quote_hcl
from reconciler.model.sanitize import escape
from reconciler.report.renderer import Parts, Printed, make_verbatim
from reconciler.report.state_changes import TFVARS_VARIABLE
from reconciler.report.style import STRONG, join_lines

_GROUP_TYPE = "fivetran_group"
_MAX_KEPT = 3
_PROGRAM_NAMES = {"terraform": "Terraform", "tofu": "OpenTofu"}


def render_terraform_release(release: TerraformRelease) -> Parts:
    """Render all steps in their order; nothing if nothing is released. Blocks and lines to copy are verbatim."""
    if not release.whole and not release.partial:
        return
    name = _PROGRAM_NAMES[release.program]
    heading = f"{name} still manages these objects. Make it release them before you change them here:"
    yield Printed(Text(f"\n{heading}", STRONG))
    steps = [
        _render_change(release, name),
        *_render_lines(release, name),
        (_describe_check(release, name), []),
    ]
    for number, (title, parts) in enumerate(steps, 1):
        yield Printed(Text(f"\n{number}. {title}"))
        yield from parts


def _render_change(release: TerraformRelease, name: str) -> tuple[str, list[Printed]]:
    """Render the change of the configuration: blocks to delete, to change and to add."""
    lines = [
        *(f"delete   {_format_block(address)}" for address in release.whole),
        *(f"change   {_describe_partial(partial)}" for partial in release.partial),
        *(f"replace  {line}" for use in release.uses for line in _describe_use(use)),
    ]
    parts = [Printed(join_lines([Text(f"   {escape(line)}") for line in lines]))]
    blocks = [
        *map(_format_moved, release.interim_addresses.items()),
        *map(_format_removed, release.removed_addresses),
    ]
    blocks += [_format_locals(release.ids)] if release.ids else []
    if blocks:
        minimum = f" ({name} {release.minimum_version} or newer)" if release.removed_addresses else ""
        parts += [Printed(Text(f"   and add{minimum}:\n")), _make_code("\n\n".join(blocks))]
    if release.interim_addresses:
        alternative = (
            "In place of a `moved` and its `removed` block, run its line right before the change is applied:"
        )
        parts += [
            Printed(Text(f"\n   {alternative}\n")),
            _make_code(_format_state_rm(release, release.interim_addresses)),
        ]
    return "Change the configuration, in one change:", parts


def _render_lines(release: TerraformRelease, name: str) -> Iterator[tuple[str, list[Printed]]]:
    """Render the lines for everything that blocks cannot release."""
    if not release.forgotten_addresses:
        return
    reason = (
        "no block can release these instances"
        if release.knows_removed
        else f"{name} {escape(release.version)} knows no `removed` blocks"
    )
    code = _format_state_rm(release, release.forgotten_addresses)
    if release.renumberings:
        code += "\n" + "\n".join(_format_state_mv(release, *pair) for pair in release.renumberings)
    yield f"Run these lines right before the change is applied, since {reason}:\n", [_make_code(code)]


def _describe_partial(partial: PartialRelease) -> str:
    kept = [str(address) for address in partial.kept[:_MAX_KEPT]]
    if len(partial.kept) > _MAX_KEPT:
        kept.append(f"{len(partial.kept) - _MAX_KEPT} more")
    advice = partial.advice or "declare the released instances no more"
    numbers = ", with the values in their new order" if partial.renumbered else ""
    return f"{partial.address}: {advice}; {', '.join(kept)} {'stay' if len(kept) > 1 else 'stays'}{numbers}"


def _describe_use(use: RemainingUse) -> Iterator[str]:
    for attribute, keys in use.keys.items():
        values = ", ".join(f"local.{TFVARS_VARIABLE}[{quote_hcl(key)}]" for key in keys)
        yield f"{use.address}: {attribute} → {values}"
    # An attribute has the id of a group; another reference is a `depends_on` or another attribute.
    others = [address for address in use.depends_on if address.type != _GROUP_TYPE or not use.keys]
    if others:
        yield f"{use.address}: the reference to {', '.join(map(str, others))}"


def _describe_check(release: TerraformRelease, name: str) -> str:
    forgotten = "forgets the released objects, and " if release.removed_addresses else ""
    return (
        f"Check that `{release.program} plan` shows `0 to add` and `0 to destroy`: {name} {forgotten}leaves all others"
        " alone. Then apply."
    )


def _make_code(code: str) -> Printed:
    """Make a part to copy: no line of it is folded."""
    return make_verbatim("\n".join(escape(line) for line in code.split("\n")))


def _format_moved(pair: tuple[TerraformAddress, TerraformAddress]) -> str:
    instance, interim = pair
    return f"moved {{\n  from = {instance}\n  to   = {interim}\n}}"


def _format_removed(address: TerraformAddress) -> str:
    return f"removed {{\n  from = {address}\n  lifecycle {{ destroy = false }}\n}}"


def _format_block(address: TerraformAddress) -> str:
    place = f"  in {address.module}" if address.modules else ""
    return f"resource {quote_hcl(address.type)} {quote_hcl(address.name)}{place}"


def _format_state_rm(release: TerraformRelease, addresses: Iterable[TerraformAddress]) -> str:
    return "\n".join(f"{release.program} state rm {shlex.quote(str(address))}" for address in addresses)


def _format_state_mv(release: TerraformRelease, source: TerraformAddress, target: TerraformAddress) -> str:
    return f"{release.program} state mv {shlex.quote(str(source))} {shlex.quote(str(target))}"


def _format_locals(ids: Sequence[ReplacedId]) -> str:
    """Format the ids by key, in columns as `terraform fmt` writes them."""
    keys, values = zip(*((quote_hcl(each.key), quote_hcl(each.id)) for each in ids), strict=True)
    comments = (", ".join(map(str, each.replaces)) for each in ids)
    key_width, value_width = max(map(len, keys)), max(map(len, values))
    lines = "\n".join(
        f"    {key:<{key_width}} = {value:<{value_width}} # {comment}"
        for key, value, comment in zip(keys, values, comments, strict=True)
    )
    return f"locals {{\n  {TFVARS_VARIABLE} = {{\n{lines}\n  }}\n}}"


def serialize_terraform_release(release: TerraformRelease) -> dict[str, Any]:
    """Serialize all steps."""
    return {
        "program": release.program,
        "version": release.version or None,
        "minimum_version": release.minimum_version if release.removed_addresses else None,
        "blocks_to_delete": [str(address) for address in release.whole],
        "blocks_to_change": [
            {
                "address": str(partial.address),
                "released": [str(address) for address in partial.released],
                "kept": [str(address) for address in partial.kept],
            }
            for partial in release.partial
        ],
        "moved": [_serialize_move(*pair) for pair in release.interim_addresses.items()],
        "removed": [str(address) for address in release.removed_addresses],
        "state_rm": [str(address) for address in release.forgotten_addresses],
        "state_mv": [_serialize_move(*pair) for pair in release.renumberings],
        "group_ids": {replaced.key: replaced.id for replaced in release.ids},
        "remaining_uses": [
            {
                "address": use.address,
                "keys": {attribute: list(keys) for attribute, keys in use.keys.items()},
                "references": [str(address) for address in use.depends_on],
            }
            for use in release.uses
        ],
    }


def _serialize_move(source: TerraformAddress, target: TerraformAddress) -> dict[str, str]:
    return {"from": str(source), "to": str(target)}
