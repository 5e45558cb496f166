"""Define the results of policies for a plan. Policies are rules that a team writes into its project file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.diagnostic import Diagnostic


class EnforcementLevel(StrEnum):
    """Consequence of a violated policy."""

    ADVISORY = "advisory"  # it warns
    SOFT = "soft"  # it refuses, unless the operator overrides it with a reason
    HARD = "hard"  # it refuses


class PolicyStatus(StrEnum):
    """Result of a policy for a plan."""

    PASSED = "passed"
    VIOLATED = "violated"
    FAILED = "failed"  # the policy itself raised an error; such a plan is refused as well
    OVERRIDDEN = "overridden"  # violated or failed, and overridden for this run


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Result of one policy for one plan.

    `policy` is its name, unique in a project; `rule` is the kind of rule, for example `allowed-regions`. `findings` are
    the violations, as warnings if they stop nothing; they are among the plan's warnings or blockers too. `older` are
    violations of entries that the plan does not change, which stop nothing. `because` is the reason that the team gives
    for the policy.
    """

    policy: str
    rule: str
    level: EnforcementLevel
    standing: PolicyStatus
    findings: tuple[Diagnostic, ...] = ()
    because: str = ""
    older: tuple[Diagnostic, ...] = ()
