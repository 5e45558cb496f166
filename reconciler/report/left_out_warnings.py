"""Leave warnings about entries that a plan does not touch out of its text: they are no news."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change
from reconciler.report.style import QUIET, StyledText, format_count

_IN_SPECS = "specs"


def split_warnings(
    warnings: Iterable[Diagnostic], changes: Iterable[Change]
) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Split the warnings of a plan into those that a text shows, and those about the specs of entries that no change of
    `changes` is about."""
    touched = {change.address.key for change in changes}
    shown: list[Diagnostic] = []
    left_out: list[Diagnostic] = []
    for warning in warnings:
        (left_out if _is_about_others(warning, touched) else shown).append(warning)
    return shown, left_out


def _is_about_others(warning: Diagnostic, touched: Iterable[str]) -> bool:
    if warning.address is None or warning.code_facts.warns != _IN_SPECS:
        return False
    return {warning.address.key, *(address.key for address in warning.others)}.isdisjoint(touched)


def render_left_out(number: int, *, has_shown: bool) -> StyledText:
    """Render the number of warnings that a text leaves out, with the command that shows them. They are `more` warnings
    if the text has others."""
    noun = format_count(number, "more warning" if has_shown else "warning")
    return StyledText(
        f"{noun} about entries that this plan leaves as they are; `reconciler plan --verbose` shows them",
        QUIET,
    )
