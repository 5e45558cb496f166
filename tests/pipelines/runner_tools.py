"""The programs of a runner for pipeline scripts: a folder at the front of PATH.

`reconciler` is the program under test, so `pip install` and `apt-get` only log their arguments. `git`, `jq`, `curl`
and `bash` come from the machine.
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
PYTHONPATH="{path}" exec "{python}" {arguments} "$@"
"""


INSTALL_LOG = "pip.log"
"""The file in that folder in which `pip` and `apt-get` write down how they were called."""


def install_tools(folder: Path) -> str:
    """Install the programs and return a PATH for scripts."""
    folder.mkdir()
    log = folder / INSTALL_LOG
    log.touch()
    programs = {
        "pip": _INSTALLER.format(log=log),
        "apt-get": _INSTALLER.format(log=log),
        "gh": _format_program(f'"{Path(__file__).with_name("gh.py")}"'),
        "reconciler": _format_program("-m reconciler"),
    }
    for name, text in programs.items():
        file = folder / name
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IEXEC)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def _format_program(arguments: str) -> str:
    """Format a program in Python, which imports from where the tests do."""
    path = os.environ.get("PYTHONPATH", "")
    return _PYTHON.format(path=path, python=sys.executable, arguments=arguments)
