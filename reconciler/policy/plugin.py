"""Find rules of other packages: entry points of the group `reconciler.policies`.

The name of an entry point is the name of the rule in a project file. The entry point names a factory, which
gets the rule's settings as plain data and returns a `Rule`. A package is loaded only if a project uses its
rule.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any

from reconciler.policy.base import PolicyError, Rule
from reconciler.runtime.entry_points import index_entry_points

ENTRY_POINT_GROUP = "reconciler.policies"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def entry_points_by_name() -> dict[str, tuple[EntryPoint, ...]]:
    """List the entry points by rule, more than one if packages conflict. Loads no package."""
    return index_entry_points(ENTRY_POINT_GROUP, _NAME)


def make_rule(candidates: tuple[EntryPoint, ...], settings: Any) -> Rule:
    """Make the rule of a package. Raises PolicyError if the rule cannot be used.

    Only the text of a PolicyError is shown: the text of any other error may hold secrets.
    """
    entry_point = candidates[0]
    if len(candidates) > 1:
        raise PolicyError(
            "more than one package offers it: "
            + ", ".join(_format_package(candidate) for candidate in candidates)
        )
    try:
        with redirect_stdout(sys.stderr):  # standard output belongs to results
            rule = entry_point.load()(settings)
    except (PolicyError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        raise PolicyError(f"the module `{error.name}` of {_format_package(entry_point)} is missing") from None
    except BaseException as error:  # also SystemExit, which must not end a run as if all were well
        raise PolicyError(
            f"its factory failed with {type(error).__name__} in {_format_package(entry_point)}"
        ) from None
    if not isinstance(rule, Rule):
        raise PolicyError(f"the factory of {_format_package(entry_point)} makes no `Rule`")
    return rule


def _format_package(entry_point: EntryPoint) -> str:
    return f"`{entry_point.dist.name}`" if entry_point.dist is not None else f"`{entry_point.value}`"
