"""Format the risks of changes for running syncs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.catalogue.load import load_risks
from reconciler.model.plan import Change, Plan
from reconciler.model.risk import INTERRUPTING_RISKS, FieldRisk, Risk

_RISK_TEXTS = {
    Risk.IN_PLACE: "",
    Risk.MAY_INTERRUPT_SYNCS: "may interrupt syncs",
    Risk.INTERRUPTS_SYNCS: "interrupts syncs while setup tests run",
    Risk.REPLACES: "deletes the destination and creates it again in the same group",
    Risk.DESTROYS: "deletes it at Fivetran for good",
}
_COUNTED_RISKS = (FieldRisk.REGION, FieldRisk.NETWORKING, FieldRisk.CREDENTIALS, FieldRisk.TARGET)


def format_risk(change: Change) -> str:
    """Format the consequences of a change for syncs, the worst first; empty if there are none to tell."""
    risks = dict.fromkeys(field.risk for field in change.fields if field.risk is not None)
    texts = (_RISK_TEXTS[change.risk], *(load_risks()[risk].consequence for risk in risks))
    return "; ".join(text for text in texts if text)


def format_risk_counts(plan: Plan) -> str:
    """Format the numbers of entries with risks: `interrupts syncs of 26 entries, may interrupt those of 3 (networking
    of 4, credentials of 1)`; empty without risks. A deletion counts as a deletion only."""
    certain, possible = (
        _count_keys(change for change in plan.effective if change.risk in risks)
        for risks in (INTERRUPTING_RISKS - {Risk.MAY_INTERRUPT_SYNCS}, {Risk.MAY_INTERRUPT_SYNCS})
    )
    parts = [f"interrupts syncs of {_count_entries(certain)}"] if certain else []
    parts += (
        [f"may interrupt {'those' if certain else 'syncs'} of {_count_entries(possible)}"] if possible else []
    )
    numbers = {risk: _count_keys(_select_changes(plan, risk)) for risk in _COUNTED_RISKS}
    changed = ", ".join(f"{risk} of {number:,}" for risk, number in numbers.items() if number)
    if not parts:  # the destinations are not connected, so nothing syncs into them
        return f"risks: {changed}" if changed else ""
    return ", ".join(parts) + (f" ({changed})" if changed else "")


def format_risk_sentence(plan: Plan) -> str:
    """Format the numbers of entries with risks as a sentence; empty without risks."""
    counts = format_risk_counts(plan)
    return f"{counts[0].upper()}{counts[1:]}." if counts else ""


def _count_entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _count_keys(changes: Iterable[Change]) -> int:
    return len({change.address.key for change in changes})


def _select_changes(plan: Plan, risk: FieldRisk) -> Iterator[Change]:
    return (change for change in plan.effective if any(field.risk is risk for field in change.fields))
