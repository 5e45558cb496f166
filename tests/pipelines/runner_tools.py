"""The programs that a runner has, for the scripts of a pipeline: a folder that stands first on PATH.

`reconciler` is the one of these tests, so `pip install` has nothing to do, and nor has `apt-get`: they write down what
was asked for. `git`,
`jq`, `curl` and `bash` are the machine's own.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_INSTALLER = """\
#!/bin/sh
echo "${{0##*/}} $*" >> "{log}"
"""
_PYTHON = """\
#!/bin/sh
exec "{python}" {arguments} "$@"
"""


INSTALL_LOG = "pip.log"
"""The file in that folder in which `pip` and `apt-get` write down how they were called."""


def install_tools(folder: Path) -> str:
    """A PATH for scripts."""
    folder.mkdir()
    log = folder / INSTALL_LOG
    log.touch()
    programs = {
        "pip": _INSTALLER.format(log=log),
        "apt-get": _INSTALLER.format(log=log),
        "gh": _PYTHON.format(python=sys.executable, arguments=f'"{Path(__file__).with_name("gh.py")}"'),
        "reconciler": _PYTHON.format(python=sys.executable, arguments="-m reconciler"),
    }
    for name, text in programs.items():
        file = folder / name
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IEXEC)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
