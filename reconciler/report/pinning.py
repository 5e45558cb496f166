"""Render the servers that wait for a pin, and the pins that were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from reconciler.importing.accept_model import FieldSource
from reconciler.importing.pinning import NewPin, PinPlan
from reconciler.kinds.pins import format_main_hash
from reconciler.model.address import Address
from reconciler.model.sanitize import escape
from reconciler.model.trust import Pin, ServerIdentity
from reconciler.report.diagnostics import serialize_span
from reconciler.report.file_diff import render_file_diff
from reconciler.report.renderer import Parts, Printed
from reconciler.report.server_facts import list_server_facts, serialize_server
from reconciler.report.style import QUIET, STRONG, format_count, join_lines


def render_choice(address: Address, servers: Sequence[ServerIdentity]) -> Text:
    """Render a numbered list of servers of one kind, of which a user chooses one."""
    noun = servers[0].kind.noun
    lines = [Text(f"{format_count(len(servers), noun)} of {address} without a pin:", STRONG)]
    for number, server in enumerate(servers, start=1):
        first, *others = list_server_facts(server)
        lines += [Text(""), Text(f"  {number:>2}  {first}"), *(Text(f"      {fact}") for fact in others)]
    return join_lines(lines)


def render_choice_question(servers: Sequence[ServerIdentity]) -> str:
    """Render the question which of several servers is to be pinned."""
    noun = servers[0].kind.noun
    if len(servers) == 1:
        return f"Pin this {noun}, if it is the right one?"
    return f"Which {noun} is to be pinned? Any one of them is enough."


def render_pin_plan(plan: PinPlan) -> Parts:
    """Render the differences of the files, and a note for each list that was copied."""
    for file in plan.files:
        yield Printed(render_file_diff(file.before.path.shown, file.before.text, file.after, file.masked))
        yield Printed("")
    notes = [note for pin in plan.pins for note in _list_notes(pin)]
    if notes:
        yield Printed(join_lines([Text(note, QUIET) for note in notes]))
        yield Printed("")


def _list_notes(new: NewPin) -> Iterator[str]:
    place = new.place
    if place.source is FieldSource.OVERRIDE:
        yield f"{place.file.path.shown} is an override, and decides about `{_name_list(new)}`, so it was edited"
    if new.copied:
        base = f"profile `{escape(place.profile)}`" if place.profile else "the defaults of the project"
        pins = "1 pin is" if len(new.copied) == 1 else f"{len(new.copied)} pins are"
        yield f"{pins} copied from {base}, since a list of an entry replaces the inherited list"


def _name_list(new: NewPin) -> str:
    return ".".join(new.place.location[-2:])


def render_pinned(plan: PinPlan, *, is_written: bool) -> Text:
    """Render each new pin in a sentence, and the next step."""
    verb = "Pinned" if is_written else "To pin:"
    address = plan.desired.address
    lines = [
        Text(f"{verb} {_format_pin(new.pin)} for {address}{_format_place(new.pin)}.", STRONG)
        for new in plan.pins
    ]
    advice = (
        "Commit the file: the commit is the approval, which its reviewers see. Then `reconciler plan` shows"
        f" `✓ {address}`, and `reconciler apply` approves the server at Fivetran."
        if is_written
        else "Nothing was written."
    )
    return join_lines([*lines, Text(advice, QUIET)])


def render_already_pinned(address: Address, pins: Iterable[Pin]) -> Text:
    """Render that servers are pinned already, and the next step."""
    lines = [Text(f"{address} pins {_format_pin(pin)} already{_format_place(pin)}.", STRONG) for pin in pins]
    return join_lines(
        [*lines, Text("Nothing was written. `reconciler apply` approves a pinned server that waits.", QUIET)]
    )


def _format_pin(pin: Pin) -> str:
    return escape(f"{pin.identity.kind.noun} {format_main_hash(pin.identity) or pin.source}")


def _format_place(pin: Pin) -> str:
    return f" in {escape(pin.span.line_place)}" if pin.span is not None else ""


def serialize_pinned(
    address: Address, plan: PinPlan | None, already: Iterable[Pin], *, is_written: bool
) -> dict[str, Any]:
    """Serialize the new pins, and the pins that the spec has already in their place."""
    return {
        "address": str(address),
        "written": is_written,
        "files": [] if plan is None else [file.before.path.shown for file in plan.files],
        "pinned": [] if plan is None else list(map(_serialize_new, plan.pins)),
        "already_pinned": [{**_serialize_pin(pin), **serialize_server(pin.identity)} for pin in already],
    }


def _serialize_new(new: NewPin) -> dict[str, Any]:
    return {
        **_serialize_pin(new.pin),
        **serialize_server(new.server),
        "source": new.place.source.value,
        "profile": new.place.profile or None,
        "copied": [pin.source for pin in new.copied],
    }


def _serialize_pin(pin: Pin) -> dict[str, Any]:
    return {"pin": pin.source, "span": serialize_span(pin.span)}
