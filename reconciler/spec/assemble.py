"""From spec files that are in order, each for itself, to groups that are in order together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model.diagnostic import Diagnostic, errors_among
from reconciler.model.nearest import did_you_mean
from reconciler.model.source import Span
from reconciler.spec.merge import merge, unset_findings
from reconciler.spec.removal import Tombstone, contradictions, tombstones_in
from reconciler.spec.schema import GroupEntry, OverrideFile, SpecFile
from reconciler.spec.tree import Entry, Scalar, Table, key_span_at, span_at

PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One group entry. `destination` is merged from defaults, profile, entry and overrides, in this
    order, without the `profile` key; None where the group has no destination. `name_span` is that
    of the key where no name is written, `destination_span` that of the key `destination`. `complete`
    is false where an error may have kept a part of the destination away. `was` is the key that the entry had
    before; without a `name` of its own it keeps the one that it had under that key."""

    key: str
    key_span: Span
    id: str | None
    id_span: Span | None
    name: str
    name_span: Span
    destination: Table | None
    destination_span: Span
    complete: bool = True
    was: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A spec or override file: its tree, and its skeleton."""

    root: Table
    skeleton: SpecFile | OverrideFile


@dataclass(slots=True)
class _Entries:
    """What the files say about one group, the description first, overrides after it."""

    key: str
    key_span: Span
    layers: list[tuple[Document, GroupEntry]] = field(default_factory=list)

    def last(self, name: str) -> tuple[str, Span] | None:
        """The last text written under `id` or `name`, with its place."""
        for document, entry in reversed(self.layers):
            if text := getattr(entry, name):
                return text, span_at(document.root, ("groups", self.key, name))
        return None

    @property
    def destination_span(self) -> Span:
        """The place of the first `destination` key; that of the group where there is none."""
        places = (
            key_span_at(document.root, ("groups", self.key, "destination"))
            for document, entry in self.layers
            if entry.destination is not None
        )
        return next(places, self.key_span)

    @property
    def destinations(self) -> list[Table]:
        return [entry.destination for _, entry in self.layers if entry.destination is not None]


class Assembly:
    """Merges the files of a project. `findings` collects errors and warnings."""

    def __init__(
        self, defaults: Table | None, *, complete: bool = True, overrides_complete: bool = True
    ) -> None:
        """With `complete` false something of some file could not be read, so what is missing may stand there
        and is no finding; `overrides_complete` says the same of override files."""
        self.findings: list[Diagnostic] = []
        self._complete = complete and overrides_complete
        self._overrides_complete = overrides_complete
        self._profiles: dict[str, tuple[Span, Table]] = {}
        self._broken: set[str | None] = set()
        self._bases: dict[str | None, Table] = {}
        self._suggestions: dict[str, str] = {}
        self._groups: dict[str, _Entries] = {}
        self._removed: list[Tombstone] = []
        self._defaults = defaults
        self._nothing = Table({}, defaults.span if defaults else Span("", 1, 1, 1, 1))
        if defaults is not None:
            self._refuse_profile(defaults, "the defaults")
        self._bases[None] = self._nothing
        if defaults is not None:
            self._add_base(None, defaults)

    def add(self, document: Document) -> None:
        """Take in a spec file."""
        skeleton = document.skeleton
        if isinstance(skeleton, SpecFile):
            self._add_profiles(document, skeleton.profiles)
            self._removed += tombstones_in(document.root, skeleton.removed)
        for key, entry in skeleton.groups.items():
            span = key_span_at(document.root, ("groups", key))
            if key in self._groups:
                self._refuse_second("duplicate-group", f"group `{key}`", span, self._groups[key].key_span)
            else:
                self._groups[key] = _Entries(key, span, [(document, entry)])

    def override(self, document: Document) -> None:
        """Take in an override file; after all spec files, in the order of the project file."""
        for key, entry in document.skeleton.groups.items():
            if key in self._groups:
                self._groups[key].layers.append((document, entry))
            elif self._complete:
                self._add(
                    "unknown-override-target",
                    f"no spec file describes a group `{key}`",
                    key_span_at(document.root, ("groups", key)),
                    did_you_mean(key, self._groups) or "describe the group in a file under `specs` first",
                )

    def removed(self) -> tuple[Tombstone, ...]:
        """All removals, sorted by key. What contradicts a declaration is a finding."""
        found = sorted(self._removed, key=lambda each: (each.key, each.key_span))
        groups = {key: entries.key_span for key, entries in self._groups.items()}
        destinations = {
            key: entries.destination_span for key, entries in self._groups.items() if entries.destinations
        }
        self.findings += contradictions(found, groups, destinations)
        return tuple(found)

    def groups(self) -> tuple[GroupSpec, ...]:
        """All groups, merged and sorted by key."""
        groups = tuple(self._group(self._groups[key]) for key in sorted(self._groups))
        self._refuse_twins(groups, "duplicate-name", lambda each: (each.name, each.name_span))
        identified = [each for each in groups if each.id]
        self._refuse_twins(
            identified, "duplicate-id", lambda each: (each.id or "", each.id_span or each.key_span)
        )
        return groups

    def shared(self) -> tuple[Table, ...]:
        """The defaults and all profiles, each for itself and without what it only drops. After `groups`, so that
        what is wrong with a profile is found once, used or not."""
        for name, (_, profile) in self._profiles.items():
            if name not in self._bases:
                self._add_base(name, profile)
        written = [self._defaults, *(profile for _, profile in self._profiles.values())]
        return tuple(self._alone(each) for each in written if each is not None)

    def _alone(self, written: Table) -> Table:
        table = merge(self._nothing, written)
        return Table({key: entry for key, entry in table.entries.items() if key != PROFILE}, table.span)

    def _add_profiles(self, document: Document, profiles: Mapping[str, Table]) -> None:
        for name, profile in profiles.items():
            span = key_span_at(document.root, ("profiles", name))
            if name in self._profiles:
                self._refuse_second("duplicate-key", f"profile `{name}`", span, self._profiles[name][0])
            else:
                self._profiles[name] = (span, profile)
                self._refuse_profile(profile, "a profile")

    def _group(self, entries: _Entries) -> GroupSpec:
        identifier, id_span = entries.last("id") or (None, None)
        was, was_span = entries.last("was") or (None, entries.key_span)
        name, name_span = entries.last("name") or (was or entries.key, was_span)
        if was is not None and was in self._groups:
            self._add(
                "was-in-use",
                f"`{was}` is a key of today" if was != entries.key else f"`{was}` is the key itself",
                was_span,
                "name the key that this entry had before, or remove `was:`",
            )
        before = len(self.findings)
        destination = self._destination(entries.destinations)
        return GroupSpec(
            entries.key,
            entries.key_span,
            identifier,
            id_span,
            name,
            name_span,
            destination,
            entries.destination_span,
            complete=self._overrides_complete
            and self._has_profile(entries.destinations)
            and not errors_among(self.findings[before:]),
            was=was,
        )

    def _destination(self, written: list[Table]) -> Table | None:
        if not written:
            return None
        merged = self._base(self._profile_of(written))
        for layer in written:
            merged = self._merged(merged, layer)
        if PROFILE not in merged:
            return merged
        return Table({key: entry for key, entry in merged.entries.items() if key != PROFILE}, merged.span)

    def _profile_of(self, written: list[Table]) -> Scalar | None:
        """The last profile that is named; None where there is none or it is not text."""
        entry = _profile_entry(written)
        if entry is None:
            return None
        if isinstance(entry.node, Scalar) and isinstance(entry.node.value, str):
            return entry.node
        self._add(
            "wrong-shape",
            "`profile` must be text",
            entry.node.span,
            "write the name of a profile, or remove the key",
        )
        return None

    def _base(self, profile: Scalar | None) -> Table:
        """Defaults and profile, merged once for all groups that share them."""
        name = str(profile.value) if profile else None
        if name is not None and name not in self._bases and name in self._profiles:
            self._add_base(name, self._profiles[name][1])
        if profile is not None and name is not None and name not in self._bases and self._complete:
            if name not in self._suggestions:
                self._suggestions[name] = did_you_mean(name, self._profiles)
            self._add(
                "unknown-profile",
                f"no spec file defines a profile `{name}`",
                profile.span,
                self._suggestions[name] or "define it under `profiles` in a file under `specs`",
            )
        return self._bases.get(name, self._bases[None])

    def _add_base(self, name: str | None, written: Table) -> None:
        before = len(self.findings)
        self._bases[name] = self._merged(self._bases[None], written)
        if errors_among(self.findings[before:]):
            self._broken.add(name)

    def _has_profile(self, written: list[Table]) -> bool:
        """Whether all is known that a destination starts from."""
        name = _last_profile(written)
        return name in self._bases and not self._broken & {name, None}

    def _merged(self, base: Table, over: Table) -> Table:
        self.findings += unset_findings(base, over)
        return merge(base, over)

    def _refuse_profile(self, destination: Table, place: str) -> None:
        if PROFILE in destination:
            span = destination.entries[PROFILE].key.span
            self._add(
                "unknown-key", f"{place} cannot name a profile", span, "name it in the destination of a group"
            )

    def _refuse_second(self, code: str, what: str, span: Span, first: Span) -> None:
        self._add(code, f"{what} is described twice", span, "keep one of them", f"first described at {first}")

    def _refuse_twins(
        self, groups: Iterable[GroupSpec], code: str, of: Callable[[GroupSpec], tuple[str, Span]]
    ) -> None:
        first: dict[str, tuple[GroupSpec, Span]] = {}
        for group in groups:
            text, span = of(group)
            other, other_span = first.setdefault(text, (group, span))
            if other is not group:
                what = "name" if code == "duplicate-name" else "id"
                self._add(
                    code,
                    f"groups `{other.key}` and `{group.key}` have the same {what} `{text}`",
                    span,
                    f"give one of them another `{what}`",
                    f"the other one stands at {other_span}",
                )

    def _add(self, code: str, message: str, span: Span, advice: str, *notes: str) -> None:
        self.findings.append(Diagnostic(code, message, span, notes=notes, help=advice))


def _profile_entry(written: list[Table]) -> Entry | None:
    """The last `profile` of several layers."""
    return next((layer.entries[PROFILE] for layer in reversed(written) if PROFILE in layer), None)


def _last_profile(written: list[Table]) -> str | None:
    entry = _profile_entry(written)
    return str(entry.node.value) if entry and isinstance(entry.node, Scalar) else None
