"""Plans that an earlier release saved: they hold values in clear that are hidden now."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.catalogue.canonical import CONFIG
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking, Visibility, visibility
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change, FieldChange, FieldValue, Plan, Shown
from reconciler.model.policy import Judgement
from reconciler.model.value import MASKED_IN_OUTPUT, FieldPath, within

Services = Mapping[Address, object]
"""What is known of the services of destinations from elsewhere: a plan need not say them."""

_SHORTEST = 5  # characters; shorter values occur in ordinary words


@dataclass(slots=True)
class _Masker:
    """Masks one change. What was hidden is gathered in `values`, and where it stood in `paths`."""

    kind: str
    before: object
    after: object
    values: list[Any] = field(default_factory=list)
    paths: list[FieldPath] = field(default_factory=list)

    def change(self, each: FieldChange) -> FieldChange:
        """A planned field without values that are hidden."""
        is_hidden = self._hides(self.after, each) or (
            each.before is not None and self._hides(self.before, each)
        )
        if not is_hidden:
            return each
        self._note(each, each.before, each.after)
        hidden = self._hidden(each.path)
        return replace(each, before=None, after=hidden.value, shown=hidden.shown)

    def value(self, each: FieldValue) -> FieldValue:
        """The same of a field that stays, or that was applied."""
        if not self._hides(self.after, each) or (each.value is None and each.shown is Shown.CLEAR):
            return each
        self._note(each, each.value)
        return self._hidden(each.path)

    def _hides(self, service: object, each: FieldChange | FieldValue) -> bool:
        """Also what was hidden before, and did not say why: as of today it is told apart from a secret. Of what is no
        field of the config nothing was ever passed on unchecked."""
        if each.path[:1] != (CONFIG,):
            return False
        match each.shown:
            case Shown.CLEAR:
                return Masking(self.kind, service).hides(each.path)
            case Shown.SECRET:
                is_named = (each.after if isinstance(each, FieldChange) else each.value) is not None
                return not is_named and visibility(self.kind, service, each.path) is not Visibility.SENSITIVE
        return False

    def _hidden(self, path: FieldPath) -> FieldValue:
        reason = Masking(self.kind, self.after, (path,)).reason(path)
        return FieldValue(path, reason, Shown.HIDDEN if reason else Shown.SECRET)

    def _note(self, each: FieldChange | FieldValue, *values: Any) -> None:
        if each.shown is Shown.CLEAR:
            self.values += values
            self.paths.append(each.path)


@dataclass(frozen=True, slots=True)
class MaskedPlan:
    """A plan as it may be shown. `found` are the fields whose values were in it in clear."""

    plan: Plan
    found: Mapping[Address, tuple[FieldPath, ...]]


def masked_plan(plan: Plan, services: Services) -> MaskedPlan:
    """A plan without values that are hidden. Of a plan of this release nothing is changed."""
    changes: list[Change] = []
    found: dict[Address, tuple[FieldPath, ...]] = {}
    values: list[Any] = []
    for change in plan.changes:
        masker = _Masker(change.address.kind, *_services(change, services))
        changes.append(
            replace(
                change,
                fields=tuple(map(masker.change, change.fields)),
                other_values=tuple(map(masker.value, change.other_values)),
                applied=tuple(map(masker.value, change.applied)),
            )
        )
        values += masker.values
        if masker.paths:
            found[change.address] = tuple(dict.fromkeys(masker.paths))
    texts = _texts(values)
    masked = replace(plan, changes=tuple(changes))
    return MaskedPlan(_without(masked, texts) if texts else masked, found)


def _services(change: Change, services: Services) -> tuple[object, object]:
    """The service of a destination before a change and after it."""
    for each in change.fields:
        if each.path == SERVICE and each.shown is Shown.CLEAR:
            return each.before or each.after, each.after
    for value in (*change.other_values, *change.applied):
        if value.path == SERVICE and value.shown is Shown.CLEAR:
            return value.value, value.value
    known = services.get(change.address)
    return known, known


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    """How findings may have spelled values, the longest first."""
    spelled = {
        text
        for value in values
        for part in within(value)
        if part is not None
        for text in (_spelled(part), str(part))
    }
    return tuple(sorted(spelled, key=len, reverse=True))


def _spelled(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelled, value))}]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _without(plan: Plan, texts: Collection[str]) -> Plan:
    def clean(text: str) -> str:
        for each in texts:
            text = text.replace(f"`{each}`", f"`{MASKED_IN_OUTPUT}`")
            text = text.replace(each, MASKED_IN_OUTPUT) if len(each) >= _SHORTEST else text
        return text

    return replace(
        plan,
        warnings=_told(plan.warnings, clean),
        blockers=_told(plan.blockers, clean),
        judgements=tuple(_judged(each, clean) for each in plan.judgements),
    )


def _judged(judgement: Judgement, clean: Callable[[str], str]) -> Judgement:
    findings, older = _told(judgement.findings, clean), _told(judgement.older, clean)
    return replace(judgement, findings=findings, older=older)


def _told(diagnostics: Iterable[Diagnostic], clean: Callable[[str], str]) -> tuple[Diagnostic, ...]:
    return tuple(
        replace(
            each,
            message=clean(each.message),
            label=clean(each.label),
            notes=tuple(map(clean, each.notes)),
            help=clean(each.help),
        )
        for each in diagnostics
    )
