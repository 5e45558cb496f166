"""Encode and decode plan files: canonical JSON under a seal, for review, and for comparison with a new plan.

    {"seal": "<SHA-256 of everything behind this line>",
     "signature": "<HMAC-SHA256 of everything behind this line>" or null,
     "content": {…}}

The seal reveals changed bytes, the signature proves that the author had the key. Neither makes the file an
instruction: apply plans again and executes its own result.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from reconciler.model.address import Address
from reconciler.model.effect import (
    ReviewedEffect,
    hash_lost_values,
    hash_planned_fields,
    hash_resent_fields,
    is_effect_of,
)
from reconciler.model.plan import Plan
from reconciler.model.signature import Sign
from reconciler.model.value import FieldPath
from reconciler.workspace.masked_plans import Services, mask_plan
from reconciler.workspace.plan_project import PlanProject

FORMAT: Final = 1
MAX_BYTES = 256 * 1024 * 1024

_LAYOUT = re.compile(
    rb'\{"seal": "(?P<seal>[0-9a-f]{64})",\n'
    rb'(?P<sealed> "signature": (?:null|"(?P<signature>[0-9a-f]{64})"),\n'
    rb'(?P<signed> "content": .*))',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with the options that are needed to plan again.

    `scope` are the addresses that the plan covers. `compare_secrets` and `resend` are the treatment of
    secrets. `complete` means that everything in the scope was read and planned. `project` is the project file; None in
    plans of earlier releases, and in plans that the state of the project keeps. `variables` are the texts of `--var` by
    name; none in plans that the state keeps.
    """

    format: int
    tool: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    scope: tuple[str, ...]
    compare_secrets: bool
    resend: tuple[str, ...]
    complete: bool
    expected: tuple[ReviewedEffect, ...]
    plan: Plan
    project: PlanProject | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class AlteredError(Exception):
    """The file was altered after it was written. The text names the evidence."""


class UnsupportedFormatError(Exception):
    """This version does not read the plan's format."""


class SignatureError(Exception):
    """The signature is missing, or was made with another key."""


_NO_SERVICES: Services = {}
_ADAPTER: TypeAdapter[SavedPlan] = TypeAdapter(SavedPlan)


def encode_plan(saved: SavedPlan, sign: Sign | None = None) -> bytes:
    """Encode a plan as bytes. The same plan has the same bytes."""
    data = _ADAPTER.dump_python(saved, mode="json")
    # Sorted and ASCII, so that the same plan has the same bytes everywhere.
    text = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=True)
    signed = f' "content": {text}}}\n'.encode()
    signature = f'"{sign(signed)}"' if sign is not None else "null"
    sealed = f' "signature": {signature},\n'.encode() + signed
    return b'{"seal": "%s",\n%s' % (hashlib.sha256(sealed).hexdigest().encode(), sealed)


def decode_plan(content: bytes, sign: Sign | None = None, services: Services = _NO_SERVICES) -> SavedPlan:
    """Decode a plan in the form that may be shown. With `sign` the signature is checked.

    `services` has services of destinations that the plan lacks. Raises AlteredError, SignatureError and
    UnsupportedFormatError, in this order.
    """
    return _mask_saved_plan(_unseal(content, sign), services)[0]


def strip_clear_values(
    content: bytes, services: Services = _NO_SERVICES
) -> tuple[bytes, Mapping[Address, tuple[FieldPath, ...]]]:
    """Strip hidden values from an unsigned plan: the bytes, and the stripped fields.

    Raises as `decode_plan`.
    """
    saved, found = _mask_saved_plan(_unseal(content), services)
    return (encode_plan(saved), found) if found else (content, found)


def _mask_saved_plan(
    saved: SavedPlan, services: Services
) -> tuple[SavedPlan, Mapping[Address, tuple[FieldPath, ...]]]:
    """Mask the hidden values of a plan. Its expected effects stay the same."""
    masked = mask_plan(saved.plan, services)
    expected = tuple(
        replace(
            effect,
            fields=hash_planned_fields(change),
            resent=hash_resent_fields(change),
            lost=hash_lost_values(change),
        )
        for effect, change in zip(saved.expected, masked.plan.effective, strict=True)
    )
    return replace(saved, plan=masked.plan, expected=expected), masked.masked_fields


def _unseal(content: bytes, sign: Sign | None = None) -> SavedPlan:
    match = _LAYOUT.fullmatch(content)
    if match is None:
        raise AlteredError("it is not a plan that `reconciler plan --out` wrote")
    if hashlib.sha256(match["sealed"]).hexdigest().encode() != match["seal"]:
        raise AlteredError("its content does not match its seal")
    if sign is not None:
        if match["signature"] is None:
            raise SignatureError("it is not signed")
        if not hmac.compare_digest(sign(match["signed"]).encode(), match["signature"]):
            raise SignatureError("it was signed with another key")
    return _parse_plan(content)


def _parse_plan(content: bytes) -> SavedPlan:
    try:
        data: Any = json.loads(content)["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AlteredError("it is not valid JSON") from None
    if isinstance(data, dict) and data.get("format") != FORMAT:
        raise UnsupportedFormatError(
            f"it has format `{str(data.get('format'))[:20]}`, and this version reads {FORMAT}"
        )
    try:
        saved = _ADAPTER.validate_python(data)
    except (ValidationError, ValueError):
        raise AlteredError("it does not have the form of a plan") from None
    # People review the plan, apply compares the effects: both must describe the same changes.
    if len(saved.expected) != len(saved.plan.effective) or not all(
        map(is_effect_of, saved.expected, saved.plan.effective)
    ):
        raise AlteredError("its changes are not the changes that it expects")
    return saved
