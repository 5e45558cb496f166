"""Why a call got no answer, in plain words: the libraries wrap the one thing that matters several times."""

from __future__ import annotations

import http.client
import socket
import ssl

from urllib3.exceptions import IncompleteRead

from reconciler.api.deadline import Call, HeadersTooLarge
from reconciler.api.errors import harmless

DEEPEST_CHAIN = 20


def root_of(error: BaseException) -> BaseException:
    """The innermost error, the one that the system raised."""
    for _ in range(DEEPEST_CHAIN):
        # urllib3 keeps some errors as an argument of its own ones only.
        wrapped = [each for each in error.args if isinstance(each, BaseException)]
        error = error.__cause__ or error.__context__ or (wrapped[-1] if wrapped else error)
    return error


def reason_of(root: BaseException, call: Call) -> str:  # noqa: PLR0911 - a table
    """One phrase for people. Texts of the libraries are left out where they quote URLs."""
    match root:
        case TimeoutError() if call.expired:
            return "the call took longer than its deadline"
        case TimeoutError() if call.sent:
            return "no answer in time"
        case TimeoutError():
            return "connecting took too long"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {harmless(root.verify_message)}"
        case ssl.SSLError():
            return f"TLS failed: {harmless(root.reason or 'broken connection')}"
        case socket.gaierror():
            return "the host name cannot be resolved"
        case ConnectionRefusedError():
            return "the connection was refused"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the connection was cut before an answer came"
        case IncompleteRead() | http.client.IncompleteRead():
            return "the answer was cut short"
        case HeadersTooLarge():
            return str(root)
        case http.client.HTTPException():
            return "what came back is not HTTP"
        case OSError():
            return harmless(root.strerror or str(root))
    return f"the connection failed ({type(root).__name__})"
