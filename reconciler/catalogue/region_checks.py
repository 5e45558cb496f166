"""Check regions: those of Fivetran, and those of AWS in fields of `config`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.problem import Problem
from reconciler.model.diagnostic import Severity
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import FieldPath, format_path

CLOUDS = ("AWS", "AZURE", "GCP")
_AWS_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}|aws(?:-[a-z]+)*-global")


def check_region(path: FieldPath, value: str) -> Iterator[Problem]:
    """Check the region of a destination.

    Fivetran takes the exact spelling only. A region of a known cloud that the catalogue lacks may be a new one, so it
    is a warning; anything else cannot be a region.
    """
    facts = load_destination_facts()
    if value in facts.region_aliases:
        yield _diagnose_old_name(path, value, facts.region_aliases[value])
    elif value in facts.regions:
        if not facts.regions[value].listed:
            yield Problem(
                "unlisted-region",
                f"region `{value}` is documented for proxy agents, but not for destinations",
                path=path,
                help="it may work; if Fivetran refuses it, choose a neighbouring region",
                severity=Severity.WARNING,
            )
    elif meant := find_meant_region(value):
        yield Problem(
            "unknown-value",
            f"`{format_path(path)}` cannot be `{value}`",
            path=path,
            notes=("Fivetran takes a region only as it spells it",),
            help=f"write `{meant}`",
        )
    elif _find_cloud(value) is None:
        yield Problem(
            "unknown-value",
            f"`{format_path(path)}` cannot be `{value}`"
            if value.strip()
            else f"`{format_path(path)}` is empty",
            path=path,
            notes=(f"a region begins with its cloud: {', '.join(f'`{cloud}_`' for cloud in CLOUDS)}",),
            help=_suggest(value, facts.regions),
        )
    else:
        yield Problem(
            "unlisted-region",
            f"region `{value}` is not in the catalogue",
            path=path,
            notes=("it is passed on as it is",),
            help=_suggest(value, facts.regions),
            severity=Severity.WARNING,
        )


def _diagnose_old_name(path: FieldPath, value: str, current_name: str) -> Problem:
    return Problem(
        "old-region-name",
        f"`{value}` is a region name from before regions had clouds",
        path=path,
        notes=(f"it is taken for `{current_name}`",) if current_name else ("it is passed on as it is",),
        help=f"write `{current_name}`"
        if current_name
        else "write the present name, for example `AWS_EU_CENTRAL_1`",
        severity=Severity.WARNING,
    )


def _suggest(value: str, regions: Iterable[str]) -> str:
    suggestion = find_nearest(value, regions) if value.strip() else None
    return f"did you mean `{suggestion}`?" if suggestion else "a region is written like `AWS_EU_CENTRAL_1`"


def find_meant_region(value: str) -> str | None:
    """Find the region that a text names in another spelling: with other case, `-` or `_`, or without its cloud."""
    facts = load_destination_facts()
    folded = _fold(value)
    names = _index_spellings()
    if folded in names:
        return names[folded]
    aliases = {_fold(alias): current_name or alias for alias, current_name in facts.region_aliases.items()}
    return aliases.get(folded)


@cache
def _index_spellings() -> Mapping[str, str]:
    """Index the regions by their folded names, with and without the cloud. No two regions share one."""
    regions = load_destination_facts().regions
    without_cloud = {_fold(name.partition("_")[2]): name for name in reversed(list(regions))}
    return without_cloud | {_fold(name): name for name in regions}


def _find_cloud(value: str) -> str | None:
    return next((cloud for cloud in CLOUDS if value.startswith(f"{cloud}_")), None)


def _fold(value: str) -> str:
    return re.sub(r"[-_\s]", "", value).casefold()


def check_aws_region(path: FieldPath, value: str) -> Iterator[Problem]:
    """Check a region of AWS, which AWS spells in lower case and with hyphens. New regions go through."""
    if _AWS_REGION.fullmatch(value):
        return
    meant = value.strip().lower().replace("_", "-").removeprefix("aws-")
    is_meant = _AWS_REGION.fullmatch(meant) is not None
    yield Problem(
        "unknown-value",
        f"`{format_path(path)}` cannot be `{value}`",
        path=path,
        notes=("it is a region of AWS, in the spelling of AWS",),
        help=f"write `{meant}`" if is_meant else f"for example `{path[-1]}: eu-central-1`",
    )


AWS_REGION_PATTERN = f"^(?:{_AWS_REGION.pattern})$"
