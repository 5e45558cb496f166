"""Render changes of a whole state, its migration and its new key, as text and as JSON; and group ids for Terraform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.text import Text

from reconciler.model.address import GROUP, Address
from reconciler.model.hcl import quote_hcl
from reconciler.model.record import Record, State
from reconciler.model.sanitize import escape
from reconciler.model.value import FieldPath, format_path
from reconciler.report.style import QUIET, STRONG, WARN, format_count, join_lines

TFVARS_VARIABLE = "fivetran_groups"


class MigrationView(Protocol):
    """Completed migration of a state; see `reconciler.operations.migrate`."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def state_line(self) -> str: ...
    @property
    def named_at(self) -> str: ...
    @property
    def is_named(self) -> bool: ...
    @property
    def was_complete(self) -> bool: ...


class HandOverView(Protocol):
    """Completed hand-over of entries; see `reconciler.operations.hand_over`."""

    @property
    def giving_place(self) -> str: ...
    @property
    def receiving_place(self) -> str: ...
    @property
    def giving_project(self) -> str: ...
    @property
    def receiving_project(self) -> str: ...
    @property
    def records(self) -> Mapping[Address, Record]: ...
    @property
    def present(self) -> Sequence[Address]: ...


class RekeyView(Protocol):
    """Results of a new key by field; see `reconciler.operations.rekey`."""

    @property
    def place(self) -> str: ...
    @property
    def is_checked(self) -> bool: ...
    @property
    def renewed(self) -> int: ...
    @property
    def kept(self) -> int: ...
    @property
    def changed(self) -> Sequence[tuple[Address, FieldPath]]: ...
    @property
    def lost(self) -> Mapping[tuple[Address, FieldPath], str]: ...


def render_migration(migration: MigrationView) -> Text:
    """Render a migration, and the line to write into the project file."""
    source, target = escape(migration.source), escape(migration.target)
    count = format_count(len(migration.state.records), "record")
    headline = f"Moved the state from {source} to {target}: {count}, serial {migration.state.serial}."
    if migration.was_complete:
        headline = f"The state is at {target} already: {count}, serial {migration.state.serial}."
    parts = [Text(headline, STRONG)]
    if not migration.is_named:
        parts.append(Text(f"{source} is marked: runs that still use it are refused.", QUIET))
        parts.append(Text(f"Write into {escape(migration.named_at)}, on every branch in use:"))
        parts.append(Text(f"  {escape(migration.state_line)}"))
    return join_lines(parts)


def render_hand_over(view: HandOverView) -> Text:
    """Render the records that were handed over, those that were there already, and the next step."""
    giving, receiving = escape(view.giving_place), escape(view.receiving_place)
    count = format_count(len(view.records), "record")
    parts = [
        Text(f"Handed {count} over from {giving} to {receiving}:", STRONG)
        if view.records
        else Text(f"All of this is in {receiving} already:", STRONG)
    ]
    width = max(len(str(address)) for address in (*view.records, *view.present))
    parts += [
        Text(f"  {address!s:<{width}}  {escape(record.id or '')}".rstrip())
        for address, record in view.records.items()
    ]
    there = " (was there already)" if view.records else ""
    parts += [Text(f"  {address}{there}") for address in view.present]
    parts.append(
        Text(
            f"Nothing was changed at Fivetran. Declare this in {escape(view.receiving_project)}, and no longer in"
            f" {escape(view.giving_project)}.",
            QUIET,
        )
    )
    return join_lines(parts)


def serialize_hand_over(view: HandOverView) -> dict[str, Any]:
    """Serialize a hand-over."""
    return {
        "handed_over": {
            "from": view.giving_place,
            "to": view.receiving_place,
            "records": [
                {"address": str(address), "id": record.id} for address, record in view.records.items()
            ],
            "present": [str(address) for address in view.present],
        }
    }


def serialize_migration(migration: MigrationView) -> dict[str, Any]:
    """Serialize a migration."""
    return {
        "migrated": {
            "from": migration.source,
            "to": migration.target,
            "was_complete": migration.was_complete,
            "lineage": migration.state.lineage,
            "serial": migration.state.serial,
            "records": len(migration.state.records),
            "project_file": migration.named_at,
            "project_line": None if migration.is_named else migration.state_line,
        }
    }


def render_rekey(rekey: RekeyView) -> Text:
    """Render the fingerprints that a new key renews, those that are lost, and the secrets that are sent again."""
    parts = [
        Text(
            f"Fingerprints in {escape(rekey.place)}: {rekey.renewed:,} renewed, {rekey.kept:,} of this key already,"
            f" {len(rekey.changed):,} of changed secrets, {len(rekey.lost):,} lost.",
            STRONG,
        )
    ]
    if rekey.changed:
        parts.append(Text("These secrets have changed since the last apply. The next apply sends them:"))
        parts += [Text(f"  {_format_field(*field)}") for field in rekey.changed]
    if rekey.lost:
        parts.append(
            Text("These fields cannot be compared until an apply sends or compares them again:", WARN)
        )
        parts += [Text(f"  {_format_field(*field)}: {escape(why)}") for field, why in rekey.lost.items()]
    if rekey.renewed and not rekey.is_checked:
        parts.append(
            Text(
                "The former key is not at hand: the present values count as the values that were sent last. If a secret"
                " was rotated and not applied yet, send it with `apply --resend-secret`.",
                WARN,
            )
        )
    return join_lines(parts)


def serialize_rekey(rekey: RekeyView, *, written: bool) -> dict[str, Any]:
    """Serialize the results of a new key. `written` is false for a dry run."""
    return {
        "rekeyed": {
            "place": rekey.place,
            "written": written,
            "compared_with_former_key": rekey.is_checked,
            "renewed": rekey.renewed,
            "kept": rekey.kept,
            "changed": [_serialize_field(*field) for field in rekey.changed],
            "lost": [{**_serialize_field(*field), "reason": why} for field, why in rekey.lost.items()],
        }
    }


def list_group_ids(state: State) -> dict[str, str]:
    """List the known ids of groups by key."""
    return {
        address.key: record.id
        for address, record in sorted(state.records.items(), key=lambda item: item[0].key)
        if address.kind == GROUP and record.id is not None
    }


def render_tfvars(location: str, ids: Mapping[str, str]) -> str:
    """Render the ids of groups as a file of Terraform variables."""
    lines = "\n".join(f"  {quote_hcl(key)} = {quote_hcl(id)}" for key, id in ids.items())
    body = f"{{\n{lines}\n}}" if ids else "{}"
    return f"# Fivetran group ids by key, from the state {escape(location)}.\n{TFVARS_VARIABLE} = {body}"


def _format_field(address: Address, path: FieldPath) -> str:
    return f"{address}: {escape(format_path(path))}"


def _serialize_field(address: Address, path: FieldPath) -> dict[str, Any]:
    return {"address": str(address), "path": list(path)}
