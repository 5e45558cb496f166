"""Advise on a failure of git, whose own words name the failure."""

from __future__ import annotations

import re

from reconciler.runtime.git import Result
from reconciler.state.backend import BackendError, RateLimitedError

_RATE_LIMIT = re.compile(r"returned error: 429|\bHTTP 429\b|rate limit|too many requests", re.IGNORECASE)
_RATE_LIMIT_ADVICE = "wait a minute, and let fewer runs use this state at the same time"
_ADVICE = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"certificate (is not yet valid|has expired)",
            "set the clock of this machine, or renew the certificate of the server",
        ),
        (r"certificate|SSL|TLS", "name the certificate authority of the server in git's `http.sslCAInfo`"),
        (r"host key verification failed", "add the key of the host to `known_hosts`"),
        (r"permission denied \(", "give SSH a key that the server knows, as `ssh -T` shows"),
        (
            r"could not read (username|password)|terminal prompts disabled|authentication failed|returned error: 401",
            "give git credentials for this repository, by a credential helper for example; a token may have expired",
        ),
        (
            r"returned error: 403|permission to .* denied|not allowed to push",
            "see that these credentials may read the repository and push to it",
        ),
        (
            r"not found|does not appear to be a git repository|does not exist",
            "correct the address of the repository; a server may also hide a repository from credentials without"
            " access",
        ),
        (r"returned error: 30\d", "set the address to which the server redirects"),
        (r"returned error: 5\d\d", "see whether the server has an outage"),
        (
            r"could not resolve|failed to connect|couldn't connect|connection (refused|timed out)|unreachable",
            "see that its host can be reached from here",
        ),
    )
)


def build_error(result: Result, advice: str = "") -> BackendError:
    """Build the error of a command that failed. A cause that is known has an advice of its own."""
    text = f"{result.error_line}\n" + "\n".join(result.server_messages)
    if _RATE_LIMIT.search(text):
        return RateLimitedError(
            f"the server limits the rate of requests ({result.error_line})",
            _RATE_LIMIT_ADVICE,
            result.server_messages,
        )
    known = next(
        (known_advice for pattern, known_advice in _ADVICE if pattern.search(result.error_line)), advice
    )
    return BackendError(result.error_line, known, result.server_messages)
