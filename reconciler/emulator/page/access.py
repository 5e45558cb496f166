"""Check who may see the page, and who may send its forms."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Request

from reconciler.emulator.local_callers import is_local

FORM_TOKEN: Final = secrets.token_urlsafe(32)
"""Random text of this process in every form. Another site can send a form, but cannot read the token."""


def check_form(request: Request) -> None:
    """Check that a form is a form of this page. Raises a 403."""
    given = request.form.get("token", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, FORM_TOKEN.encode()):
        raise Forbidden("This form is from an earlier run of the emulator. Reload the page and try again.")


def check_reader(request: Request) -> None:
    """Check that a reader is on this machine, and no page of another site. Raises a 403."""
    if not is_local(request):
        raise Forbidden(
            "The page is for this machine only. Open it as http://127.0.0.1 with the port of the emulator."
        )
    # A browser names the origin of a page that sends a request. Programs send no Origin.
    origin = request.headers.get("Origin")
    if origin is not None and origin != request.host_url.rstrip("/"):
        raise Forbidden("A page of another site must not use this page.")
