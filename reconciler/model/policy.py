"""Results of policies about a plan. Policies are rules that a team writes into its project file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.diagnostic import Diagnostic


class EnforcementLevel(StrEnum):
    """How much a policy weighs."""

    ADVISORY = "advisory"  # it warns
    SOFT = "soft"  # it refuses, unless the operator overrides it with a reason
    HARD = "hard"  # it refuses


class PolicyStatus(StrEnum):
    """How a policy and a plan go together."""

    PASSED = "passed"
    VIOLATED = "violated"
    FAILED = "failed"  # the policy itself could not judge; such a plan is refused as well
    OVERRIDDEN = "overridden"  # violated or failed, and overridden for this run


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """One policy's word on one plan.

    `policy` is its name, unique in a project; `rule` the kind of rule, for example `allowed-regions`. `findings` are
    what it found, warnings where they stop nothing; they are among the plan's warnings or blockers too. `older` is
    what stood before and stops nothing, of entries of which the plan changes nothing. `because` is the reason that the
    team gives for having the policy.
    """

    policy: str
    rule: str
    level: EnforcementLevel
    standing: PolicyStatus
    findings: tuple[Diagnostic, ...] = ()
    because: str = ""
    older: tuple[Diagnostic, ...] = ()
