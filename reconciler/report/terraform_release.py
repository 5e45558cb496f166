"""Render the steps that make Terraform release imported objects: blocks and lines to copy, and uses that remain."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_release import (
    PartialRelease,
    RemainingUse,
    ReplacedId,
    TerraformRelease,
    format_module_of,
)
from reconciler.model.hcl import quote_hcl
from reconciler.model.sanitize import escape
from reconciler.report.renderer import Parts, Printed, make_verbatim
from reconciler.report.state_changes import TFVARS_VARIABLE
from reconciler.report.style import STRONG, WARN, join_lines

_PROGRAM_NAMES = {"terraform": "Terraform", "tofu": "OpenTofu"}


def render_terraform_release(release: TerraformRelease) -> Parts:
    """Render all steps in their order; nothing if nothing is released. Blocks and lines to copy are verbatim."""
    if not release.whole and not release.partial:
        return
    name = _PROGRAM_NAMES[release.program]
    yield Printed(Text())
    yield Printed(
        Text(f"{name} still manages these objects. Make it release them before the next apply:", STRONG)
    )
    steps = [*_render_whole(release, name), *_render_partial(release), *_render_uses(release)]
    steps.append((_describe_last_step(release, name), []))
    for number, (title, parts) in enumerate(steps, 1):
        yield Printed(Text(f"\n{number}. {title}"))
        yield from parts


def _render_whole(release: TerraformRelease, name: str) -> Iterator[tuple[str, list[Printed]]]:
    if not release.whole:
        return
    blocks = [_format_block(address) for address in release.whole]
    deleted = Printed(join_lines([Text(f"   {escape(block)}") for block in blocks]))
    if release.knows_removed:
        code = "\n\n".join(map(_format_removed, release.whole))
        yield (
            f"Delete these blocks from the configuration, and put in the `removed` blocks below, in one change"
            f" ({name} {release.minimum_version} or newer):",
            [deleted, Printed(Text()), *make_code(code)],
        )
    else:
        reason = f"{name} {escape(release.version)} knows no `removed` blocks"
        yield f"Run these lines; {reason}:", [*make_code(_format_state_rm(release, release.whole))]
        yield "Delete these blocks from the configuration before anyone applies it:", [deleted]


def _render_partial(release: TerraformRelease) -> Iterator[tuple[str, list[Printed]]]:
    if not release.partial:
        return
    released = [address for partial in release.partial for address in partial.released]
    moves = [move for partial in release.partial for move in partial.moves]
    lines = _format_state_rm(release, released)
    if moves:
        lines += "\n" + "\n".join(_format_state_move(release, *move) for move in moves)
    yield (
        "Run these lines, since a `removed` block cannot name one instance:",
        [*make_code(lines)],
    )
    yield (
        "Change the configuration before anyone applies it, so that it declares the other instances only:",
        [Printed(join_lines([line for partial in release.partial for line in _describe_partial(partial)]))],
    )


def _describe_partial(partial: PartialRelease) -> Iterator[Text]:
    kept = ", ".join(escape(str(address)) for address in partial.kept)
    advice = f"{escape(partial.advice)}; " if partial.advice else ""
    yield Text(
        f"   {escape(str(partial.address))}: {advice}{kept} {'stay' if len(partial.kept) > 1 else 'stays'}"
    )
    if partial.moves:
        yield Text("     ! the values of each instance must move along with its number", WARN)


def _render_uses(release: TerraformRelease) -> Iterator[tuple[str, list[Printed]]]:
    if not release.uses:
        return
    lines = [Text(f"   {line}") for use in release.uses for line in _describe_use(use)]
    code = [*make_code(_format_locals(release.ids))] if release.ids else []
    title = (
        f"In the same change, use `local.{TFVARS_VARIABLE}[KEY]` where these refer to released objects:"
        if code
        else "In the same change, take out what refers to released objects:"
    )
    yield title, [Printed(join_lines(lines)), *([Printed(Text()), *code] if code else [])]


def _describe_use(use: RemainingUse) -> Iterator[str]:
    name = escape(use.address)
    for attribute, keys in use.keys.items():
        yield f"{name}: {escape(attribute)} has the id of {', '.join(keys)}"
    if use.depends_on and not use.keys:
        yield f"{name}: refers to {', '.join(escape(str(address)) for address in use.depends_on)}"
    elif others := [address for address in use.depends_on if address.type == "fivetran_destination"]:
        yield f"{name}: also refers to {', '.join(escape(str(address)) for address in others)}"


def _describe_last_step(release: TerraformRelease, name: str) -> str:
    forgotten = "forgets" if release.whole and release.knows_removed else "does not mention"
    return (
        f"`{release.program} plan` must show `0 to destroy`: {name} {forgotten} the released objects, and adds and"
        " replaces none of the others. Then apply."
    )


def make_code(code: str) -> Iterator[Printed]:
    """Make a part to copy: no line of it is folded."""
    yield make_verbatim("\n".join(escape(line) for line in code.split("\n")))


def _format_removed(address: TerraformAddress) -> str:
    return f"removed {{\n  from = {address}\n\n  lifecycle {{\n    destroy = false\n  }}\n}}"


def _format_block(address: TerraformAddress) -> str:
    module = format_module_of(address)
    place = f"  in {module}" if module else ""
    return f"resource {quote_hcl(address.type)} {quote_hcl(address.name)}{place}"


def _format_state_rm(release: TerraformRelease, addresses: Iterable[TerraformAddress]) -> str:
    return "\n".join(f"{release.program} state rm {shlex.quote(str(address))}" for address in addresses)


def _format_state_move(release: TerraformRelease, source: TerraformAddress, target: TerraformAddress) -> str:
    return f"{release.program} state mv {shlex.quote(str(source))} {shlex.quote(str(target))}"


def _format_locals(ids: Iterable[ReplacedId]) -> str:
    lines = "\n".join(
        f"    {quote_hcl(replaced.key)} = {quote_hcl(replaced.id)} # {', '.join(map(str, replaced.replaces))}"
        for replaced in ids
    )
    return f"locals {{\n  {TFVARS_VARIABLE} = {{\n{lines}\n  }}\n}}"


def serialize_terraform_release(release: TerraformRelease) -> dict[str, Any]:
    """Serialize all steps."""
    return {
        "program": release.program,
        "version": release.version or None,
        "minimum_version_of_removed": release.minimum_version,
        "removed": [str(address) for address in release.whole] if release.knows_removed else [],
        "state_rm": [
            str(address)
            for address in (
                *(() if release.knows_removed else release.whole),
                *(address for partial in release.partial for address in partial.released),
            )
        ],
        "state_mv": [
            {"from": str(source), "to": str(target)}
            for partial in release.partial
            for source, target in partial.moves
        ],
        "blocks_to_delete": [str(address) for address in release.whole],
        "blocks_to_change": [
            {
                "address": str(partial.address),
                "released": [str(address) for address in partial.released],
                "kept": [str(address) for address in partial.kept],
            }
            for partial in release.partial
        ],
        "group_ids": {replaced.key: replaced.id for replaced in release.ids},
        "remaining_uses": [
            {
                "address": use.address,
                "keys": {attribute: list(keys) for attribute, keys in use.keys.items()},
                "depends_on": [str(address) for address in use.depends_on],
            }
            for use in release.uses
        ],
    }
