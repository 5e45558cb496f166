"""Merge the spec files of a project to groups, and check that the files agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.spec.merge import check_unset, merge
from reconciler.spec.nodes import KeyValue, MappingNode, Scalar, find_key_span, find_span
from reconciler.spec.removal import RemovalEntry, check_removals, parse_removals
from reconciler.spec.reused_parts import ReusedParts
from reconciler.spec.schema import GroupEntry, OverrideFile, SpecFile

PROFILE = "profile"

_NO_DEFAULTS = MappingNode({}, Span("", 1, 1, 1, 1))


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """Merged group entry.

    `destination` is merged from defaults, profile, entry and overrides, in this order, without the `profile` key; None
    if the group has no destination. `name_span` is the span of the key if no name is declared, `destination_span` the
    span of the key `destination`. `complete` is false if an error may have removed a part of the destination. `was` is
    the former key of the entry; an entry without a `name` keeps its former name. `profile` is the named profile, and
    `is_overridden` is true if several files describe the destination.
    """

    key: str
    key_span: Span
    id: str | None
    id_span: Span | None
    name: str
    name_span: Span
    destination: MappingNode | None
    destination_span: Span
    complete: bool = True
    was: str | None = None
    profile: Scalar | None = None
    is_overridden: bool = False


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """Parsed spec or override file: its tree, and its validated model."""

    root: MappingNode
    content: SpecFile | OverrideFile


@dataclass(slots=True)
class _GroupLayers:
    """Layers of one group: the entry of the spec file first, then overrides."""

    key: str
    key_span: Span
    layers: list[tuple[ParsedFile, GroupEntry]] = field(default_factory=list)

    def find_last(self, name: str) -> tuple[str, Span] | None:
        """Find the last text under `id` or `name`, with its place."""
        for document, entry in reversed(self.layers):
            if text := getattr(entry, name):
                return text, find_span(document.root, ("groups", self.key, name))
        return None

    @property
    def destination_span(self) -> Span:
        """Return the place of the first `destination` key; the place of the group if it has no destination."""
        spans = (
            find_key_span(document.root, ("groups", self.key, "destination"))
            for document, entry in self.layers
            if entry.destination is not None
        )
        return next(spans, self.key_span)

    @property
    def destinations(self) -> list[MappingNode]:
        return [entry.destination for _, entry in self.layers if entry.destination is not None]


class ProjectMerger:
    """Merger of the files of a project. `findings` collects errors and warnings."""

    def __init__(
        self,
        defaults: MappingNode | None,
        *,
        complete: bool = True,
        overrides_complete: bool = True,
        parts: ReusedParts | None = None,
    ) -> None:
        """Start from the defaults of the project. `parts` are those of other revisions of it.

        `complete` is false if a part of a spec file could not be read: missing groups and profiles may stand in that
        part, so they are no findings. `overrides_complete` is the same for override files.
        """
        self.findings: list[Diagnostic] = []
        self._complete = complete and overrides_complete
        self._overrides_complete = overrides_complete
        self._profiles: dict[str, tuple[Span, MappingNode]] = {}
        self._invalid_bases: set[str | None] = set()
        self._bases: dict[str | None, MappingNode] = {}
        self._suggestions: dict[str, str] = {}
        self._layers_by_key: dict[str, _GroupLayers] = {}
        self._removals: list[RemovalEntry] = []
        self._defaults = defaults
        self._parts = parts
        self._empty = _NO_DEFAULTS if defaults is None else self._make_empty(defaults)
        if defaults is not None:
            self._refuse_profile(defaults, "the defaults")
        self._bases[None] = self._empty
        if defaults is not None:
            self._add_base(None, defaults)

    def _make_empty(self, defaults: MappingNode) -> MappingNode:
        """Make the empty mapping at the place of the defaults, one for all revisions with the same defaults."""
        known = self._parts.bases.get(defaults) if self._parts is not None else None
        if known is not None:
            return known
        empty = MappingNode({}, defaults.span)
        return empty if self._parts is None else self._parts.bases.add(empty, defaults)

    def add(self, document: ParsedFile) -> None:
        """Add a spec file."""
        content = document.content
        if isinstance(content, SpecFile):
            self._add_profiles(document, content.profiles)
            self._removals += parse_removals(document.root, content.removed)
        for key, entry in content.groups.items():
            span = find_key_span(document.root, ("groups", key))
            if key in self._layers_by_key:
                self._refuse_duplicate(
                    "duplicate-group", f"group `{key}`", span, self._layers_by_key[key].key_span
                )
            else:
                self._layers_by_key[key] = _GroupLayers(key, span, [(document, entry)])

    def override(self, document: ParsedFile) -> None:
        """Add an override file. Call it after all spec files, in the order of the project file."""
        for key, entry in document.content.groups.items():
            if key in self._layers_by_key:
                self._layers_by_key[key].layers.append((document, entry))
            elif self._complete:
                self._report(
                    "unknown-override-target",
                    f"no spec file describes a group `{key}`",
                    find_key_span(document.root, ("groups", key)),
                    did_you_mean(key, self._layers_by_key)
                    or "describe the group in a file under `specs` first",
                )

    def merge_removals(self) -> tuple[RemovalEntry, ...]:
        """Merge all removals, sorted by key. A removal that contradicts a declaration is a finding."""
        removals = sorted(self._removals, key=lambda removal: (removal.key, removal.key_span))
        groups = {key: entries.key_span for key, entries in self._layers_by_key.items()}
        destinations = {
            key: entries.destination_span
            for key, entries in self._layers_by_key.items()
            if entries.destinations
        }
        self.findings += check_removals(removals, groups, destinations)
        return tuple(removals)

    def merge_groups(self) -> tuple[GroupSpec, ...]:
        """Merge all groups, sorted by key."""
        groups = tuple(self._merge_group(self._layers_by_key[key]) for key in sorted(self._layers_by_key))
        self._refuse_same_value(
            groups,
            "duplicate-name",
            "name",
            lambda group: (group.name, group.name_span),
            # Groups are found by their ids then, and Fivetran does not document that names are unique.
            may_share=lambda group, other: None not in (group.id, other.id) and group.id != other.id,
        )
        groups_with_id = [group for group in groups if group.id]
        self._refuse_same_value(
            groups_with_id,
            "duplicate-id",
            "id",
            lambda group: (group.id or "", group.id_span or group.key_span),
        )
        return groups

    @property
    def bases(self) -> Mapping[str | None, MappingNode]:
        """The settings that entries start from, by the name of their profile: the defaults with the profile, the
        defaults alone for None. It is complete after `merge_shared`."""
        return self._bases

    def merge_shared(self) -> tuple[MappingNode, ...]:
        """Merge the defaults and all profiles, each into an empty mapping, which drops its `unset` keys.

        Call it after `merge_groups`, so that an error in a profile is found once, also in an unused profile.
        """
        for name, (_, profile) in self._profiles.items():
            if name not in self._bases:
                self._add_base(name, profile)
        mappings = [self._defaults, *(profile for _, profile in self._profiles.values())]
        return tuple(self._drop_inherited(mapping) for mapping in mappings if mapping is not None)

    def _drop_inherited(self, mapping: MappingNode) -> MappingNode:
        table = merge(self._empty, mapping)
        return MappingNode({key: entry for key, entry in table.entries.items() if key != PROFILE}, table.span)

    def _add_profiles(self, document: ParsedFile, profiles: Mapping[str, MappingNode]) -> None:
        for name, profile in profiles.items():
            span = find_key_span(document.root, ("profiles", name))
            if name in self._profiles:
                self._refuse_duplicate("duplicate-key", f"profile `{name}`", span, self._profiles[name][0])
            else:
                self._profiles[name] = (span, profile)
                self._refuse_profile(profile, "a profile")

    def _merge_group(self, layers: _GroupLayers) -> GroupSpec:
        """Merge the layers of a group. An error in a layer makes the group incomplete, not invalid."""
        identifier, id_span = layers.find_last("id") or (None, None)
        was, was_span = layers.find_last("was") or (None, layers.key_span)
        name, name_span = layers.find_last("name") or (was or layers.key, was_span)
        if was is not None and was in self._layers_by_key:
            self._report(
                "was-in-use",
                f"`{was}` is the key of another entry" if was != layers.key else f"`{was}` is the key itself",
                was_span,
                "name the former key of this entry, or remove `was:`",
            )
        if name != name.strip() and identifier is None and self._overrides_complete:
            self._report(
                "wrong-shape",
                "a name has no blanks around it",
                name_span,
                "remove the blanks; if a live group has this name, declare its `id:` too",
            )
        error_count = len(self.findings)
        destination = self._merge_destination(layers.destinations)
        profile = _find_profile_entry(layers.destinations)
        return GroupSpec(
            layers.key,
            layers.key_span,
            identifier,
            id_span,
            name,
            name_span,
            destination,
            layers.destination_span,
            complete=self._overrides_complete
            and self._has_profile(layers.destinations)
            and not select_errors(self.findings[error_count:]),
            was=was,
            profile=profile.node if profile is not None and isinstance(profile.node, Scalar) else None,
            is_overridden=len(layers.destinations) > 1,
        )

    def _merge_destination(self, layers: list[MappingNode]) -> MappingNode | None:
        if not layers:
            return None
        merged = self._get_base(self._find_profile(layers))
        for layer in layers:
            merged = self._merge(merged, layer)
        return self._drop_profile(merged) if PROFILE in merged else merged

    def _drop_profile(self, merged: MappingNode) -> MappingNode:
        known = self._parts.without_profile.get(merged) if self._parts is not None else None
        if known is not None:
            return known
        entries = {key: entry for key, entry in merged.entries.items() if key != PROFILE}
        dropped = MappingNode(entries, merged.span)
        return dropped if self._parts is None else self._parts.without_profile.add(dropped, merged)

    def _find_profile(self, layers: list[MappingNode]) -> Scalar | None:
        """Find the last named profile; None if no layer names a profile, or the name is no text."""
        entry = _find_profile_entry(layers)
        if entry is None:
            return None
        if isinstance(entry.node, Scalar) and isinstance(entry.node.value, str):
            return entry.node
        self._report(
            "wrong-shape",
            "`profile` must be text",
            entry.node.span,
            "write the name of a profile, or remove the key",
        )
        return None

    def _get_base(self, profile: Scalar | None) -> MappingNode:
        """Return defaults and profile, merged once for all groups that share them."""
        name = str(profile.value) if profile else None
        if name is not None and name not in self._bases and name in self._profiles:
            self._add_base(name, self._profiles[name][1])
        if profile is not None and name is not None and name not in self._bases and self._complete:
            if name not in self._suggestions:
                self._suggestions[name] = did_you_mean(name, self._profiles)
            self._report(
                "unknown-profile",
                f"no spec file defines a profile `{name}`",
                profile.span,
                self._suggestions[name] or "define it under `profiles` in a file under `specs`",
            )
        return self._bases.get(name, self._bases[None])

    def _add_base(self, name: str | None, mapping: MappingNode) -> None:
        error_count = len(self.findings)
        self._bases[name] = self._merge(self._bases[None], mapping)
        if select_errors(self.findings[error_count:]):
            self._invalid_bases.add(name)

    def _has_profile(self, layers: list[MappingNode]) -> bool:
        """Return whether defaults and profile of a destination are complete and valid."""
        name = _find_profile_name(layers)
        return name in self._bases and not self._invalid_bases & {name, None}

    def _merge(self, base: MappingNode, over: MappingNode) -> MappingNode:
        known = self._parts.merged.get(base, over) if self._parts is not None else None
        if known is not None:
            return known
        findings = check_unset(base, over)
        self.findings += findings
        merged = merge(base, over)
        return merged if findings or self._parts is None else self._parts.merged.add(merged, base, over)

    def _refuse_profile(self, destination: MappingNode, owner: str) -> None:
        if PROFILE in destination:
            span = destination.entries[PROFILE].key.span
            self._report(
                "unknown-key", f"{owner} cannot name a profile", span, "name it in the destination of a group"
            )

    def _refuse_duplicate(self, code: str, subject: str, span: Span, first: Span) -> None:
        self._report(
            code, f"{subject} is described twice", span, "keep one of them", f"first described at {first}"
        )

    def _refuse_same_value(
        self,
        groups: Iterable[GroupSpec],
        code: str,
        attribute: str,
        get_value: Callable[[GroupSpec], tuple[str, Span]],
        may_share: Callable[[GroupSpec, GroupSpec], bool] = lambda group, other: False,
    ) -> None:
        first: dict[str, tuple[GroupSpec, Span]] = {}
        for group in groups:
            text, span = get_value(group)
            other, other_span = first.setdefault(text, (group, span))
            if other is not group and not may_share(group, other):
                self._report(
                    code,
                    f"groups `{other.key}` and `{group.key}` have the same {attribute} `{text}`",
                    span,
                    f"give one of them another `{attribute}`",
                    f"the other one stands at {other_span}",
                )

    def _report(self, code: str, message: str, span: Span, advice: str, *notes: str) -> None:
        self.findings.append(Diagnostic(code, message, span, notes=notes, help=advice))


def _find_profile_entry(layers: list[MappingNode]) -> KeyValue | None:
    """Find the last `profile` of several layers."""
    return next((layer.entries[PROFILE] for layer in reversed(layers) if PROFILE in layer), None)


def _find_profile_name(layers: list[MappingNode]) -> str | None:
    entry = _find_profile_entry(layers)
    return str(entry.node.value) if entry and isinstance(entry.node, Scalar) else None
