"""Settings of a command, which every operation gets from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.given_variables import NO_VARIABLES, GivenVariables
from reconciler.model.redaction import Redactor
from reconciler.model.run_environment import RunEnvironment

DEFAULT_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Settings(RunEnvironment):
    """Settings of one run.

    With `strict` values that the catalogue cannot check are errors.

    `resend` are globs of secrets that are sent without evidence of a change. `recreate` are selectors of
    missing objects that are created again. `allowed` are raised limits, `overridden` names of soft policies
    that do not apply. `resent_creates` are addresses, keys or globs of creates that do not wait for an
    earlier request. With `asserts_secrets` the operator asserts that Fivetran has the declared secrets that no
    fingerprint stands for. All of these are for this run and for this `reason`.

    `parallelism` is the number of concurrent requests that the user chose, None for the defaults.
    `changed_since` is the git revision that narrows the plan, `settings_from` the revision whose project file
    has the settings of this run. `fallback_dir` is a folder for files that cannot be written in their place.
    `redactor` knows the secrets of this run. `given` are the values of variables that the operator gives for
    this run. `is_project_named` is false if the project file was searched for. `against` is a snapshot, which
    takes the place of the account. With `lists_connections` the connections of groups without an entry are
    listed too. `max_requests` is the number of requests that the run may send to Fivetran, None for any
    number.
    """

    project: Path
    sandbox: bool = False
    strict: bool = False
    compare_secrets: bool = True
    resend: tuple[str, ...] = ()
    recreate: tuple[str, ...] = ()
    allowed: Mapping[str, float] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()
    resent_creates: tuple[str, ...] = ()
    asserts_secrets: bool = False
    reason: str | None = None
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: str | None = None
    settings_from: str | None = None
    parallelism: int | None = None
    fail_fast: bool = False
    fallback_dir: Path | None = None
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)
    given: GivenVariables = NO_VARIABLES
    is_project_named: bool = True
    against: Path | None = None
    lists_connections: bool = False
    max_requests: int | None = None

    @property
    def workers(self) -> int:
        """Number of concurrent changes of an apply."""
        return self.parallelism or DEFAULT_WORKERS

    @property
    def readers(self) -> int:
        """Number of concurrent reads. Reads are harmless and the sender slows them down after a refusal, so by default
        there are twice as many as workers."""
        return self.parallelism or 2 * DEFAULT_WORKERS
