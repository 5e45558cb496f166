"""List the switches of the emulator that can affect plan and apply."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from reconciler.emulator.switches import Behaviour

IRRELEVANT_SWITCHES = frozenset(
    {
        "date_skew",  # see the tests of late effects
        "private_link_seconds", "approval_status", "approver", "repeated_approval",  # other resources
        "private_link_names", "missing_user", "duplicate_schema", "service_account_project",  # other resources
        "companion_references", "offline_agent",  # need companions that exist
        "fingerprint_hash",  # needs an untrusted host key; see `test_fingerprint_hash`
        "limit_out_of_range", "retry_after", "public_key_ending",  # calls that are not made
        "visible_groups", "hidden_answer",  # hidden objects do not converge; see `test_hidden_groups`
        "echo", "echo_places",  # see `test_echoed_secrets`
        "outdated_services", "unknown_config",  # refused or dropped values cannot converge
        "clearing_ids",  # see the regression about it
        "unkept_fields",  # see `test_unkept_fields`
    }
)  # fmt: skip

SETTINGS: dict[str, tuple[Any, ...]] = {
    name: get_args(field.annotation)
    for name, field in Behaviour.model_fields.items()
    if name not in IRRELEVANT_SWITCHES
}

behaviours = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SETTINGS.items()}
)
