"""Which commit of a repository a run works with."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT = 5.0
_HASH = re.compile(r"[0-9a-f]{40,64}")
# What git needs to be found and to find its own settings; not the secrets of this run.
_PASSED_VARIABLES = ("PATH", "HOME", "XDG_CONFIG_HOME")


def find_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The hash of the commit that a folder is at. None outside a repository, before its first commit, without git."""
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            env={name: environ[name] for name in _PASSED_VARIABLES if name in environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    commit = process.stdout.decode("ascii", "replace").strip()
    return commit if process.returncode == 0 and _HASH.fullmatch(commit) else None
