"""Build the entries that declare live groups, with references in place of secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.catalogue.normalize import CONFIG
from reconciler.importing.entry_comments import write_comments
from reconciler.importing.inheritance import unset_inherited
from reconciler.importing.live_settings import UNCHOSEN, LiveSettings, select_settings
from reconciler.importing.model import (
    EntryOptions,
    ImportedEntry,
    LeftOutField,
    LiveGroup,
    WrittenReference,
)
from reconciler.importing.object_names import NO_OBJECT_NAMES, ObjectNames
from reconciler.importing.secret_template import SecretTemplate, parse_template
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.destination_spec import EXTRA_CONFIG
from reconciler.kinds.group import NAME
from reconciler.model.address import DESTINATION
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Reference, find_references
from reconciler.spec.new_entry import Verbatim
from reconciler.spec.reference import SECRET


def build_entry(live: LiveGroup, key: str, options: EntryOptions) -> ImportedEntry:
    """Build the entry of one live group. Raises ReconcilerError for a bad template of secrets.

    For several groups use one `EntryBuilder`, so that no two secrets get one reference.
    """
    return EntryBuilder(options).build(live, key)


@dataclass(slots=True)
class EntryBuilder:
    """Builder of the entries of an import. No two secrets get one reference.

    `used` are the references in use; `list_used_references` lists those of the specs. `object_names` are the names of
    links, agents and secrets managers.
    """

    options: EntryOptions
    used: set[str] = field(default_factory=set)
    object_names: ObjectNames = NO_OBJECT_NAMES

    def build(self, live: LiveGroup, key: str) -> ImportedEntry:
        """Build the entry of a live group. Raises ReconcilerError for a bad template of secrets."""
        content: dict[str, Any] = {"id": live.id}
        if live.name != key:
            content[NAME[0]] = live.name
        references: list[WrittenReference] = []
        left_out: tuple[LeftOutField, ...] = ()
        if live.destination is not None:
            settings = select_settings(live.destination, self.options.unknown_fields)
            left_out = tuple(settings.left_out)
            if settings.service is not None:
                references = self._choose_references(settings, key)
                content[DESTINATION] = self._build_destination(settings)
        comments = write_comments(live, left_out, self._describe_objects(live))
        return ImportedEntry(key, live, content, comments, tuple(references), left_out)

    def _build_destination(self, settings: LiveSettings) -> dict[str, Any]:
        block = _build_block(settings)
        unset_inherited(block, self.options.inherited)
        return self.object_names.replace_ids(block) if self.options.writes_names else block

    def _describe_objects(self, live: LiveGroup) -> list[str]:
        """Describe the objects whose ids the entry has: a name says by itself what it means."""
        if live.destination is None or self.options.writes_names:
            return []
        return list(self.object_names.describe(live.destination.fields))

    def _choose_references(self, settings: LiveSettings, key: str) -> list[WrittenReference]:
        """Choose the references of all secrets of an entry."""
        template = parse_template(self.options.secret_template)
        references = []
        for path, value in settings.values.items():
            if value is UNCHOSEN:
                reference = self._choose_reference(template, key, path)
                settings.values[path] = {SECRET: reference}
                references.append(WrittenReference(path, reference))
        return references

    def _choose_reference(self, template: SecretTemplate, key: str, path: FieldPath) -> Verbatim:
        reference = next(text for text in template.list_candidates(key, path[-1]) if text not in self.used)
        self.used.add(reference)
        return reference


def list_used_references(destinations: Iterable[Desired]) -> set[str]:
    """List the references of declared destinations. A new entry has other references, since it has other secrets."""
    values = (value for desired in destinations for value in desired.fields.values())
    return {str(reference) for value in values for reference in find_references(value)}


def _build_block(settings: LiveSettings) -> dict[str, Any]:
    """Build the plain data of a destination."""
    block: dict[str, Any] = {SERVICE[0]: settings.service}
    for path, value in settings.values.items():
        written = {SECRET: str(value)} if isinstance(value, Reference) else value
        if path[0] != CONFIG:
            block[path[0]] = written
        else:
            block.setdefault(EXTRA_CONFIG if path in settings.extra else CONFIG, {})[path[1]] = written
    return block
