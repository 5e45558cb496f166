"""Format the hint at secrets that cannot be compared: they may have rotated, and only the user knows."""

from __future__ import annotations

import shlex

from reconciler.model.plan import Plan
from reconciler.model.sanitize import escape

_MAX_NAMES = 5


def format_uncomparable_secrets(plan: Plan) -> list[str]:
    """Format the secrets that a plan can neither compare nor sends, and the option that sends one; two lines, or none
    without such secrets."""
    names = plan.uncomparable_secrets
    if not names:
        return []
    shown = ", ".join(map(escape, names[:_MAX_NAMES]))
    more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    condition = "If its value has changed, send it" if len(names) == 1 else "If a value has changed, send it"
    return [
        f"Cannot be compared with Fivetran: {shown}{more}.",
        f"{condition}: --resend-secret {escape(shlex.quote(names[0]))}",
    ]
