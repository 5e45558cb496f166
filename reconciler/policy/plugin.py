"""Rules that other packages bring: entry points of the group `reconciler.policies`.

The name of an entry point is that of the rule in a project file. It names a factory that is called with the rule's
settings as plain data, and returns a `Rule`. None is loaded before a project uses it.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from reconciler.policy.base import PolicyError, Rule

GROUP = "reconciler.policies"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points by rule; more than one where packages are at odds. Loads nothing."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for each in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if _NAME.fullmatch(each.name):
            found[each.name] = (*found.get(each.name, ()), each)
    return found


def make_rule(offered: tuple[EntryPoint, ...], settings: Any) -> Rule:
    """The rule that a package offers. Raises PolicyError where it cannot be used.

    The text of what a package raises is told only of a PolicyError; any other may hold anything.
    """
    point = offered[0]
    if len(offered) > 1:
        raise PolicyError("more than one package offers it: " + ", ".join(_package(each) for each in offered))
    try:
        with redirect_stdout(sys.stderr):  # standard output belongs to results
            rule = point.load()(settings)
    except (PolicyError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        raise PolicyError(f"the module `{error.name}` of {_package(point)} is missing") from None
    except BaseException as error:  # also SystemExit, which must not end a run as if all were well
        raise PolicyError(f"making it ends with {type(error).__name__} in {_package(point)}") from None
    if not isinstance(rule, Rule):
        raise PolicyError(f"what {_package(point)} makes is no `Rule`")
    return rule


def _package(point: EntryPoint) -> str:
    return f"`{point.dist.name}`" if point.dist is not None else f"`{point.value}`"
