"""Diagnostic codes that no wrong spec causes, each with a test that meets the code."""

from __future__ import annotations

CODES_TESTED_ELSEWHERE = {
    "account-unconfirmed": (
        "tests/cli/test_recorded_state.py::test_an_account_in_the_state_needs_no_confirmation"
    ),
    "address-taken": "tests/cli/test_state.py::test_a_move_onto_a_recorded_address_is_refused",
    "api-refused": "tests/cli/test_failures.py::test_an_address_of_another_server_is_an_error",
    "approval-needed": (
        "tests/cli/test_api_errors.py::test_an_unapproved_certificate_requires_manual_approval"
    ),
    "approvals-unread": "tests/cli/test_trust_list.py::test_a_destination_that_cannot_be_read_is_one_line",
    "bad-api-url": (
        "tests/unit/runtime/test_endpoint.py::test_an_address_that_cannot_be_trusted_with_credentials_is_refused"
    ),
    "bad-place": "tests/cli/test_state_migrate.py::test_a_text_that_is_no_place_is_refused",
    "bad-proxy": "tests/unit/runtime/test_endpoint.py::test_a_proxy_that_cannot_be_used_is_refused",
    "blank-in-credentials": (
        "tests/cli/test_failures.py::test_a_blank_in_a_credential_is_an_error_of_its_own"
    ),
    "both-changed": "tests/cli/test_branch_behind.py::test_an_entry_changed_on_both_sides_is_a_located_error",
    "branch-behind": (
        "tests/cli/test_branch_behind.py::test_changes_of_the_base_alone_are_reported_and_not_planned"
    ),
    "broken-secret-store": "tests/unit/secrets/test_plugin.py::test_a_package_adds_a_scheme",
    "budget-short": "tests/cli/test_budget.py::test_a_plan_beyond_the_quota_warns_with_numbers",
    "budget-too-small": (
        "tests/cli/test_drift_budget.py::test_a_budget_below_the_lists_is_an_error_with_the_smallest_number"
    ),
    "bug": "tests/cli/test_session.py::test_every_end_with_json_is_one_document",
    "cannot-override": "tests/cli/test_policies.py::test_only_soft_policies_can_be_overridden",
    "cannot-recreate": "tests/cli/test_recreate.py::test_an_entry_that_cannot_be_recreated_is_an_error",
    "conflict": "tests/cli/test_api_errors.py::test_a_failed_deletion_reports_its_cause",
    "create-unsettled": "tests/cli/test_unsettled_creates.py::test_json_has_the_settle_time",
    "duplicate-removal": "tests/cli/test_removal.py::test_a_contradictory_removal_is_an_error_in_the_spec",
    "events-lost": "tests/unit/workspace/test_audit.py::test_a_later_full_disk_is_reported_and_stops_nothing",
    "events-without-commit": (
        "tests/cli/test_events.py::test_a_repository_without_a_commit_is_a_warning_with_the_words_of_git"
    ),
    "key-in-git": (
        "tests/cli/test_files_for_git.py::test_a_key_that_git_tracks_is_a_warning_even_if_it_is_ignored"
    ),
    "events-unusable": "tests/unit/workspace/test_audit.py::test_a_file_other_than_a_log_stays_unchanged",
    "file-changed": "tests/unit/spec/test_edit.py::test_a_change_of_another_program_is_seen",
    "file-unwritable": "tests/cli/test_schema_files.py::test_an_unwritable_folder_is_reported",
    "fingerprints-lost": (
        "tests/cli/test_state_migrate.py::test_the_key_of_the_fingerprints_moves_between_files_only"
    ),
    "forbidden": "tests/cli/test_api_errors.py::test_plan_reports_an_api_error_with_its_code",
    "gone-or-hidden": "tests/cli/test_recreate.py::test_a_missing_object_is_an_error_that_names_the_key",
    "has-connections": "tests/cli/test_removal.py::test_connections_of_users_block_a_removal",
    "graph-too-large": "tests/cli/test_graph.py::test_a_chart_that_mermaid_cannot_draw_is_a_warning",
    "held": "tests/cli/test_removal.py::test_deletions_are_held_after_a_failed_change",
    "interrupted": "tests/cli/test_session.py::test_every_end_with_json_is_one_document",
    "invalid-address": "tests/cli/test_state.py::test_an_invalid_address_is_refused_as_target",
    "invalid-config": "tests/cli/test_failures.py::test_a_config_refused_by_fivetran_names_the_sent_fields",
    "invalid-fault": (
        "tests/cli/test_emulate_options.py::test_a_behaviour_file_and_a_fault_file_are_checked_line_by_line"
    ),
    "invalid-seed": "tests/cli/test_emulate_options.py::test_an_error_in_a_seed_is_shown_with_its_location",
    "invalid-server-identity": (
        "tests/cli/test_emulate_rehearsal.py::test_certificates_of_files_are_presented_and_wrong_files_refused"
    ),
    "job-file-unwritable": (
        "tests/cli/test_github_formats.py::test_an_unwritable_summary_is_one_warning_and_no_failure"
    ),
    "late-twin": "tests/cli/test_unsettled_creates.py::test_a_late_effect_is_reported_with_both_ids",
    "lease-lost": (
        "tests/faults/test_remote_state.py::test_a_run_that_lost_its_lock_starts_no_change_and_overwrites_nothing"
    ),
    "limit-exceeded": "tests/cli/test_removal.py::test_more_deletions_than_the_limit_are_refused_as_a_whole",
    "lock-left": "tests/faults/test_remote_state.py::test_a_lock_that_cannot_be_released_is_a_warning",
    "locked": "tests/cli/test_recorded_state.py::test_a_second_apply_names_the_lock_holder_and_sends_nothing",
    "missing-ca-bundle": "tests/unit/runtime/test_endpoint.py::test_all_findings_are_reported_together",
    "missing-credentials": "tests/cli/test_failures.py::test_missing_credentials_are_an_error",
    "name-taken": "tests/cli/test_taken_names.py::test_a_rename_to_the_name_of_an_unmanaged_group_is_an_error",
    "no-fingerprint-key": (
        "tests/cli/test_state_rekey.py::test_a_project_without_a_fingerprint_key_has_nothing_to_rekey"
    ),
    "no-merge-base": "tests/cli/test_branch_behind.py::test_unrelated_histories_have_no_merge_base",
    "neighbour-unreadable": (
        "tests/cli/test_ownership.py::test_an_unreadable_state_is_an_error_if_the_project_is_strict"
    ),
    "no-state": "tests/cli/test_state.py::test_a_missing_state_is_reported_and_not_created",
    "no-terminal": "tests/cli/test_terminal.py::test_an_invisible_plan_is_refused_without_a_prompt",
    "not-connected": (
        "tests/cli/test_unhealthy_destinations.py"
        "::test_an_unhealthy_destination_without_tests_is_adopted_with_a_warning"
    ),
    "not-editable": "tests/unit/spec/test_insertion.py::test_a_section_that_cannot_have_the_entry_is_a_located_error",
    "not-found": "tests/cli/test_api_errors.py::test_a_failed_deletion_reports_its_cause",
    "not-imported": (
        "tests/cli/test_import.py::test_a_reference_that_the_project_does_not_allow_leaves_its_entry_out"
    ),
    "not-in-account": "tests/cli/test_validate_online.py::test_a_link_under_its_name_gets_its_id_as_help",
    "not-kept": "tests/cli/test_unkept_fields.py::test_a_field_that_is_not_kept_is_named_and_no_drift",
    "not-read": ("tests/cli/test_drift_budget.py::test_a_failing_read_is_an_error_and_does_not_stop_others"),
    "not-ready": (
        "tests/cli/test_validate_online.py::test_a_spec_that_does_not_fit_the_account_is_a_located_finding"
    ),
    "not-remembered": (
        "tests/cli/test_api_errors.py::test_a_full_disk_during_apply_is_reported_beside_the_results"
    ),
    "nothing-selected": "tests/cli/test_scope.py::test_selectors_without_remaining_entries_are_wrong_usage",
    "nothing-to-resend": (
        "tests/cli/test_recorded_state.py::test_a_resend_request_without_matching_secret_is_an_error"
    ),
    "nothing-to-test": "tests/cli/test_setup_test_runs.py::test_an_entry_without_a_destination_is_an_error",
    "nothing-unsettled": (
        "tests/cli/test_unsettled_creates.py::test_a_create_that_is_not_waiting_cannot_be_resent"
    ),
    "nothing-waits": "tests/cli/test_trust_pin.py::test_a_hash_that_does_not_wait_is_an_error_with_what_does",
    "object-store-not-installed": (
        "tests/unit/state/test_object.py::test_a_missing_library_is_reported_with_the_extra"
    ),
    "other-service": (
        "tests/cli/test_validate_online.py::test_a_spec_that_does_not_fit_the_account_is_a_located_finding"
    ),
    "other-region": (
        "tests/cli/test_object_names.py::test_a_link_that_is_not_ready_is_named_before_anything_is_written"
    ),
    "outcome-unknown": (
        "tests/cli/test_recorded_state.py::test_a_destination_create_without_answer_is_recovered_and_not_repeated"
    ),
    "output-lost": "tests/cli/test_main.py::test_unwritable_output_is_a_failure",
    "plan-altered": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-applied": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-expired": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-format": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-incomplete": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-not-saved": (
        "tests/cli/test_saved_plan_files.py::test_an_unwritable_plan_file_is_reported_and_leaves_no_file"
    ),
    "owned-elsewhere": (
        "tests/cli/test_ownership.py::test_a_plan_that_would_adopt_what_another_state_has_names_it"
    ),
    "plan-other-account": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-other-project": (
        "tests/cli/test_plan_projects.py::"
        "test_an_apply_beside_another_project_or_none_names_the_project_of_the_plan"
    ),
    "plan-secret-changed": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-signature": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-spec-changed": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-stale": "tests/cli/test_saved_plans.py::test_a_stale_plan_is_refused",
    "plan-unlike": "tests/cli/test_saved_plan_files.py::test_another_plan_than_the_approved_one_is_refused",
    "plan-unreadable": (
        "tests/cli/test_saved_plan_files.py::test_a_file_that_is_no_plan_is_refused_without_a_request"
    ),
    "platform-connection": (
        "tests/cli/test_removal.py::test_the_platform_connection_is_deleted_only_if_the_removal_permits_it"
    ),
    "policy-failed": "tests/unit/policy/test_evaluate.py::test_a_failing_rule_refuses_at_every_level",
    "port-unavailable": "tests/cli/test_emulate.py::test_a_port_in_use_is_one_error",
    "protected": "tests/cli/test_removal.py::test_a_protected_entry_is_not_deleted",
    "protection-lost": "tests/cli/test_plan_facts.py::test_gained_and_lost_protection_are_shown_once",
    "rate-limited": "tests/cli/test_api_errors.py::test_plan_reports_an_api_error_with_its_code",
    "reads-damaged": "tests/cli/test_drift_budget.py::test_damaged_times_are_a_warning_and_replaced",
    "reads-newer": (
        "tests/cli/test_drift_budget.py::test_times_of_a_newer_version_are_refused_before_any_request"
    ),
    "redirected": "tests/cli/test_api_errors.py::test_a_failed_deletion_reports_its_cause",
    "removal-done": "tests/cli/test_removal.py::test_a_removal_deletes_the_destination_then_its_group",
    "removal-needs-name": "tests/cli/test_removal_identity.py::test_an_unrecorded_object_needs_id_and_name",
    "removal-of-another": "tests/cli/test_removal_identity.py::test_all_problems_are_reported_at_once",
    "removal-other-id": (
        "tests/cli/test_removal_identity.py::test_an_id_of_another_entry_is_refused_and_the_right_line_suggested"
    ),
    "removal-other-name": (
        "tests/cli/test_removal_identity.py::test_a_group_renamed_outside_is_shown_with_its_live_name_and_removed"
    ),
    "removal-unknown-id": (
        "tests/cli/test_removal_identity.py::test_an_id_of_another_account_is_an_error_with_advice"
    ),
    "removed-and-declared": "tests/cli/test_removal.py::test_a_contradictory_removal_is_an_error_in_the_spec",
    "replace-refused": "tests/cli/test_failures.py::test_a_replacement_is_refused_with_exit_3",
    "sandbox-not-installed": (
        "tests/cli/test_emulate.py::test_a_missing_extra_is_reported_with_the_install_command"
    ),
    "sandbox-unusable": "tests/cli/test_emulate.py::test_an_unusable_database_is_one_error",
    "schema-outdated": "tests/cli/test_schema_files.py::test_a_new_profile_makes_the_schema_stale",
    "server-fault": "tests/cli/test_api_errors.py::test_plan_reports_an_api_error_with_its_code",
    "setup-tests-failed": (
        "tests/cli/test_plan_and_apply.py::test_failed_setup_tests_keep_the_destination_and_stay_in_the_plan"
    ),
    "setup-tests-not-run": (
        "tests/cli/test_api_errors.py::test_setup_tests_that_cannot_run_are_reported_and_keep_the_destination"
    ),
    "several-waiting": (
        "tests/cli/test_trust_pin.py::test_several_servers_without_a_terminal_are_an_error_with_each_command"
    ),
    "signature-key-unusable": (
        "tests/cli/test_saved_plan_files.py::test_an_unusable_signature_key_is_reported_before_any_request"
    ),
    "skipped": "tests/cli/test_failures.py::test_a_failed_group_skips_only_its_own_destination",
    "similar-name": (
        "tests/cli/test_taken_names.py::test_an_almost_equal_name_of_an_unmanaged_group_is_a_hint_with_its_id"
    ),
    "snapshot-exists": "tests/cli/test_snapshot.py::test_an_existing_file_is_replaced_with_force_only",
    "snapshot-incomplete": (
        "tests/cli/test_snapshot.py::test_unreadable_objects_are_named_and_the_rest_is_written"
    ),
    "snapshot-lacks-approvals": "tests/cli/test_plan_against.py::test_pins_are_compared_with_the_snapshot",
    "certificate-mismatch": (
        "tests/regressions/test_trust.py::test_a_certificate_under_a_hash_that_is_not_its_own_is_never_approved"
    ),
    "snapshot-lacks-connections": (
        "tests/cli/test_plan_against.py::test_connections_of_the_snapshot_block_deletions"
    ),
    "snapshot-plan": "tests/cli/test_plan_against.py::test_the_text_names_the_snapshot_and_its_time",
    "snapshot-unusable": "tests/cli/test_plan_against.py::test_a_file_that_is_no_snapshot_is_one_error",
    "state-not-read": "tests/cli/test_plan_against.py::test_a_damaged_state_is_a_warning_with_its_reason",
    "state-arriving": "tests/cli/test_state_migrate.py::test_a_lost_old_place_has_to_be_confirmed",
    "state-cleaned": "tests/cli/test_earlier_release.py::test_an_apply_redacts_the_state_and_reports_it_once",
    "state-damaged": "tests/cli/test_recorded_state.py::test_a_damaged_state_is_reported_before_any_request",
    "state-elsewhere": (
        "tests/cli/test_state_migrate.py::test_a_place_that_changed_without_a_migration_is_reported"
    ),
    "state-in-use": "tests/faults/test_remote_state.py::test_a_plan_during_an_apply_warns_and_is_unchanged",
    "state-moved": "tests/cli/test_state_migrate.py::test_the_next_plan_at_the_new_place_is_empty",
    "state-newer": "tests/unit/state/test_state_file.py::test_a_state_of_a_newer_format_stays_unchanged",
    "state-not-kept": "tests/faults/test_disk.py::test_an_unwritable_state_is_saved_to_a_backup_file",
    "state-unreachable": (
        "tests/faults/test_remote_state.py::test_an_unreachable_backend_is_refused_before_any_request"
    ),
    "state-unusable": "tests/cli/test_recorded_state.py::test_an_unwritable_state_stops_every_write",
    "too-deep": "tests/unit/spec/test_source.py::test_a_yaml_bomb_ends_in_a_named_error",
    "too-large": "tests/unit/spec/test_source.py::test_a_yaml_bomb_ends_in_a_named_error",
    "terraform-id-missing": (
        "tests/cli/test_import_terraform.py"
        "::test_a_group_that_the_account_does_not_show_is_an_error_beside_the_others"
    ),
    "terraform-id-twice": (
        "tests/unit/importing/test_terraform_state.py::test_an_id_at_two_addresses_is_an_error_with_both"
    ),
    "terraform-nothing-managed": (
        "tests/unit/importing/test_terraform_state.py::test_a_state_without_groups_has_nothing_to_import"
    ),
    "terraform-state-unusable": (
        "tests/unit/importing/test_terraform_state.py::test_another_document_is_one_error_with_advice"
    ),
    "unauthorized": "tests/cli/test_failures.py::test_wrong_credentials_are_an_error",
    "unfinished": "tests/cli/test_budget.py::test_a_scoped_plan_reports_unfinished_work_out_of_scope",
    "unintelligible-answer": "tests/cli/test_api_errors.py::test_plan_reports_an_api_error_with_its_code",
    "unknown-address": "tests/cli/test_state.py::test_an_unknown_address_gets_a_suggestion",
    "unknown-agent": "tests/cli/test_emulate_rehearsal.py::test_an_agent_that_the_account_lacks_is_an_error",
    "unknown-group": (
        "tests/cli/test_import.py::test_a_selector_without_a_match_is_an_error_and_the_others_are_imported"
    ),
    "unknown-revision": "tests/cli/test_changed_since.py::test_an_unknown_revision_is_an_error",
    "unknown-switch": (
        "tests/cli/test_emulate_options.py::test_a_behaviour_file_and_a_fault_file_are_checked_line_by_line"
    ),
    "unknown-target": "tests/cli/test_scope.py::test_a_filter_that_matches_nothing_is_an_error",
    "unreachable": "tests/cli/test_failures.py::test_an_unreachable_address_is_an_error",
    "unsendable": "tests/cli/test_api_errors.py::test_a_failed_deletion_reports_its_cause",
    "unusable-revision": "tests/cli/test_changed_since.py::test_a_revision_with_invalid_specs_is_an_error",
    "values-in-state": (
        "tests/cli/test_earlier_release.py::test_a_reading_command_reports_plain_values_in_the_state"
    ),
    "vanished": (
        "tests/cli/test_removal.py::test_an_entry_missing_without_a_removal_is_an_error_and_deletes_nothing"
    ),
    "was-in-use": "tests/cli/test_removal.py::test_a_former_key_in_use_is_an_error",
    "withdrawn": "tests/unit/api/test_retrying.py::test_a_cancelled_call_is_not_sent",
    "wrong-usage": "tests/cli/test_emulate_options.py::test_a_wrong_option_is_one_error",
}
