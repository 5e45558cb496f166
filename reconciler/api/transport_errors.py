"""Describe causes of missing responses to users. HTTP libraries wrap the cause several times."""

from __future__ import annotations

import http.client
import socket
import ssl

from urllib3.exceptions import IncompleteRead

from reconciler.api.errors import sanitize
from reconciler.runtime.http import BodyTooLarge, CallDeadline, HeadersTooLarge, UnreadableAnswer


def describe(error: BaseException, deadline: CallDeadline) -> str:  # noqa: PLR0911, PLR0912 - a table
    """Describe a cause in one phrase. Texts of libraries are left out if they quote URLs."""
    match error:
        case TimeoutError() if deadline.is_expired:
            return "the call took longer than its deadline"
        case TimeoutError() if deadline.sent:
            return "no answer in time"
        case TimeoutError():
            return "connecting took too long"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {sanitize(error.verify_message)}"
        case ssl.SSLError():
            return f"TLS failed: {sanitize(error.reason or 'broken connection')}"
        case socket.gaierror():
            return "the host name cannot be resolved"
        case ConnectionRefusedError():
            return "the connection was refused"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the connection was cut before an answer came"
        case IncompleteRead() | http.client.IncompleteRead():
            return "the answer was cut short"
        case HeadersTooLarge() | BodyTooLarge():
            return str(error)
        case UnreadableAnswer() if not deadline.sent:
            return f"the connection failed ({error})"
        case http.client.HTTPException():
            return "the answer is not HTTP"
        case ValueError() | OverflowError() if deadline.sent:  # such as the error of a number in a header
            return "the answer is not HTTP"
        case OSError():
            return sanitize(error.strerror or str(error))
    return f"the connection failed ({type(error).__name__})"
