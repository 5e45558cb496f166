"""Keep the options of destinations that only Terraform knows: trust, and whether setup tests run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.importing.model import ImportedEntry
from reconciler.model.address import DESTINATION

_TRUST = {"trust_certificates": "certificates", "trust_fingerprints": "fingerprints"}
_RUN_TESTS = "run_setup_tests"


@dataclass(frozen=True, slots=True)
class TerraformOptions:
    """Options of a destination in a Terraform state, which Fivetran does not show.

    `trusted` are names below `trust:`. `runs_tests` is false if Terraform asks for no setup tests.
    """

    trusted: tuple[str, ...] = ()
    runs_tests: bool = True

    def list_keys(self) -> Mapping[str, Any]:
        """List the keys of a spec that declare options other than the defaults."""
        trust = {"trust": dict.fromkeys(self.trusted, "any")} if self.trusted else {}
        return {**trust, **({} if self.runs_tests else {"setup_tests": {"run": False}})}


def read_options(attributes: Mapping[str, Any]) -> TerraformOptions:
    """Read the options from the attributes of a destination."""
    return TerraformOptions(
        tuple(key for name, key in _TRUST.items() if _is(attributes.get(name), True)),
        runs_tests=not _is(attributes.get(_RUN_TESTS), False),
    )


def _is(value: Any, flag: bool) -> bool:
    """Return whether a value is a flag. Early releases of the provider wrote flags as text."""
    return value is flag or value == str(flag).lower()


def declare_options(entry: ImportedEntry, options: TerraformOptions | None) -> ImportedEntry:
    """Declare the options in the entry, if it has a destination."""
    if options is None or DESTINATION not in entry.content:
        return entry
    block = {**entry.content[DESTINATION], **options.list_keys()}
    return replace(entry, content={**entry.content, DESTINATION: block})
