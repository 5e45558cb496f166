"""Which commit of a repository a run works with."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PATIENCE = 5.0
_HASH = re.compile(r"[0-9a-f]{40,64}")
# What git needs to be found and to find its own settings; not the secrets of this run.
_PASSED_ON = ("PATH", "HOME", "XDG_CONFIG_HOME")


def commit_of(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The hash of the commit that a folder is at. None outside a repository, before its first commit, without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            env={name: environ[name] for name in _PASSED_ON if name in environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = done.stdout.decode("ascii", "replace").strip()
    return told if done.returncode == 0 and _HASH.fullmatch(told) else None
