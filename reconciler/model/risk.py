"""Define the risks of changes for running syncs."""

from __future__ import annotations

from enum import StrEnum


class Risk(StrEnum):
    """The worst consequence of an action for running syncs."""

    IN_PLACE = "in-place"
    MAY_INTERRUPT_SYNCS = "may-interrupt-syncs"  # Fivetran says nothing about it
    INTERRUPTS_SYNCS = "interrupts-syncs"
    REPLACES = "replaces"
    DESTROYS = "destroys"


class FieldRisk(StrEnum):
    """Kind of the consequences of a changed field. The facts about a kind are in the catalogue."""

    REPLACEMENT = "replacement"
    REGION = "region"
    NETWORKING = "networking"
    CREDENTIALS = "credentials"
    TARGET = "target"  # the place that syncs write to
    SETTINGS = "settings"
    COSMETIC = "cosmetic"


INTERRUPTING_RISKS = frozenset({Risk.MAY_INTERRUPT_SYNCS, Risk.INTERRUPTS_SYNCS, Risk.REPLACES})
"""Risks of changes that leave a destination to syncs, and that interrupt them or may do so."""
