"""Diagnostic codes that no wrong spec causes, each with a test that meets the code."""

from __future__ import annotations

CODES_TESTED_ELSEWHERE = {
    "account-unconfirmed": (
        "tests/cli/test_memory.py::test_an_account_that_is_remembered_needs_no_confirmation"
    ),
    "address-taken": "tests/cli/test_state.py::test_nothing_moves_onto_what_is_remembered",
    "api-refused": "tests/cli/test_failures.py::test_an_address_that_is_not_the_api",
    "approval-needed": (
        "tests/cli/test_answers.py::test_a_certificate_that_nobody_approved_waits_for_a_person"
    ),
    "bad-api-url": (
        "tests/unit/runtime/test_endpoint.py::test_an_address_that_cannot_be_trusted_with_credentials_is_refused"
    ),
    "bad-proxy": "tests/unit/runtime/test_endpoint.py::test_a_proxy_that_cannot_be_used_is_refused",
    "both-changed": "tests/cli/test_behind.py::test_what_both_changed_is_an_error_at_its_place",
    "branch-behind": "tests/cli/test_behind.py::test_what_only_others_changed_is_named_and_left_alone",
    "broken-secret-store": "tests/unit/secrets/test_plugin.py::test_a_package_brings_a_scheme_of_its_own",
    "budget-short": "tests/cli/test_budget.py::test_a_plan_that_does_not_fit_says_so_with_numbers",
    "bug": "tests/cli/test_session.py::test_with_json_every_end_is_one_document",
    "cannot-override": "tests/cli/test_policies.py::test_only_soft_policies_can_be_overridden",
    "cannot-recreate": "tests/cli/test_recreate.py::test_an_entry_that_cannot_be_recreated_is_an_error",
    "conflict": "tests/cli/test_answers.py::test_a_deletion_that_did_not_work_says_why",
    "create-unsettled": "tests/cli/test_unsettled_creates.py::test_documents_have_the_time",
    "duplicate-removal": (
        "tests/cli/test_removal.py::test_a_removal_that_contradicts_something_is_an_error_in_the_spec"
    ),
    "events-lost": (
        "tests/unit/workspace/test_audit.py::test_a_disk_that_is_full_later_is_told_and_stops_nothing"
    ),
    "events-unusable": "tests/unit/workspace/test_audit.py::test_a_file_that_is_no_such_log_is_left_alone",
    "file-unwritable": "tests/cli/test_schema.py::test_a_folder_that_cannot_be_written_is_told",
    "forbidden": "tests/cli/test_answers.py::test_a_plan_says_what_the_answer_means",
    "gone-or-hidden": "tests/cli/test_recreate.py::test_what_is_gone_is_an_error_that_names_the_key",
    "has-connections": "tests/cli/test_removal.py::test_connections_of_users_block_a_removal",
    "held": "tests/cli/test_removal.py::test_deletions_are_held_back_when_something_before_them_fails",
    "interrupted": "tests/cli/test_session.py::test_with_json_every_end_is_one_document",
    "invalid-address": "tests/cli/test_state.py::test_an_impossible_address_is_no_target",
    "invalid-config": (
        "tests/cli/test_failures.py::test_a_config_that_fivetran_cannot_read_names_what_was_sent"
    ),
    "invalid-fault": (
        "tests/cli/test_emulate_options.py::test_a_behaviour_file_and_a_fault_file_are_checked_line_by_line"
    ),
    "invalid-seed": "tests/cli/test_emulate_options.py::test_a_mistake_in_a_seed_is_shown_at_its_place",
    "job-file-unwritable": (
        "tests/cli/test_github_formats.py::test_a_file_that_cannot_be_written_is_one_warning_and_no_failure"
    ),
    "late-twin": ("tests/cli/test_unsettled_creates.py::test_a_late_effect_is_reported_with_both_ids"),
    "lease-lost": (
        "tests/faults/test_remote_state.py"
        "::test_a_run_that_lost_its_lock_starts_no_change_and_overwrites_nothing"
    ),
    "limit-exceeded": "tests/cli/test_removal.py::test_more_deletions_than_the_limit_are_refused_as_a_whole",
    "lock-left": "tests/faults/test_remote_state.py::test_a_lock_that_cannot_be_released_is_a_warning",
    "locked": "tests/cli/test_memory.py::test_a_second_writer_is_told_who_is_first_and_calls_nobody",
    "missing-ca-bundle": "tests/unit/runtime/test_endpoint.py::test_all_findings_come_at_once",
    "missing-credentials": "tests/cli/test_failures.py::test_missing_credentials",
    "no-memory": "tests/cli/test_memory.py::test_making_groups_in_an_unknown_account_is_warned_about",
    "no-merge-base": "tests/cli/test_behind.py::test_a_history_of_its_own_has_no_merge_base",
    "no-state": "tests/cli/test_state.py::test_a_state_that_is_not_there_is_named_and_not_made",
    "no-terminal": "tests/cli/test_terminal.py::test_nobody_is_asked_about_a_plan_that_nobody_sees",
    "not-found": "tests/cli/test_answers.py::test_a_deletion_that_did_not_work_says_why",
    "not-remembered": (
        "tests/cli/test_answers.py::test_a_full_disk_in_the_middle_is_told_beside_what_was_done"
    ),
    "nothing-selected": "tests/cli/test_scope.py::test_selectors_that_leave_nothing_are_wrong_usage",
    "nothing-unsettled": (
        "tests/cli/test_unsettled_creates.py::test_what_waits_for_nothing_cannot_be_sent_again"
    ),
    "nothing-to-resend": "tests/cli/test_memory.py::test_asking_for_no_secret_is_an_error",
    "object-store-not-installed": (
        "tests/unit/state/test_object.py::test_without_the_library_the_extra_is_named"
    ),
    "outcome-unknown": (
        "tests/cli/test_memory.py::test_a_destination_whose_answer_was_lost_is_found_and_made_once"
    ),
    "output-lost": "tests/cli/test_main.py::test_output_that_does_not_get_through_is_a_failure",
    "plan-altered": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-applied": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-expired": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-format": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-incomplete": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-not-saved": (
        "tests/cli/test_saved_plan_files.py::test_a_file_that_cannot_be_written_is_told_and_nothing_is_left"
    ),
    "plan-other-account": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-secret-changed": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-signature": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-spec-changed": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-stale": "tests/cli/test_saved_plans.py::test_a_plan_is_void",
    "plan-unlike": "tests/cli/test_saved_plan_files.py::test_another_plan_than_the_approved_one_is_refused",
    "plan-unreadable": "tests/cli/test_saved_plan_files.py::test_what_is_no_plan_is_refused_without_a_request",
    "platform-connection": (
        "tests/cli/test_removal.py::test_fivetrans_own_connection_goes_only_where_the_tombstone_says_so"
    ),
    "policy-failed": (
        "tests/unit/policy/test_evaluate.py::test_a_rule_that_cannot_judge_refuses_whatever_its_level"
    ),
    "port-unavailable": "tests/cli/test_emulate.py::test_a_port_in_use_is_one_clear_error",
    "protected": "tests/cli/test_removal.py::test_what_is_protected_is_not_deleted",
    "rate-limited": "tests/cli/test_answers.py::test_a_plan_says_what_the_answer_means",
    "redirected": "tests/cli/test_answers.py::test_a_deletion_that_did_not_work_says_why",
    "removal-done": "tests/cli/test_removal.py::test_a_tombstone_deletes_the_destination_and_then_its_group",
    "removal-needs-name": (
        "tests/cli/test_removal_identity.py::test_what_nobody_remembers_needs_its_name_too"
    ),
    "removal-of-another": "tests/cli/test_removal_identity.py::test_all_problems_are_reported_at_once",
    "removal-other-id": (
        "tests/cli/test_removal_identity.py"
        "::test_the_id_of_somebody_else_is_refused_and_the_right_line_offered"
    ),
    "removal-other-name": (
        "tests/cli/test_removal_identity.py::test_a_group_that_was_renamed_outside_is_shown_so_and_removed"
    ),
    "removal-unknown-id": (
        "tests/cli/test_removal_identity.py::test_an_id_of_another_account_is_an_error_that_says_what_to_do"
    ),
    "removed-and-declared": (
        "tests/cli/test_removal.py::test_a_removal_that_contradicts_something_is_an_error_in_the_spec"
    ),
    "replace-refused": "tests/cli/test_failures.py::test_a_replacement_is_refused_with_exit_3",
    "sandbox-not-installed": (
        "tests/cli/test_emulate.py::test_without_the_extra_one_line_says_what_to_install"
    ),
    "sandbox-unusable": "tests/cli/test_emulate.py::test_a_database_that_cannot_be_used_is_one_clear_error",
    "server-fault": "tests/cli/test_answers.py::test_a_plan_says_what_the_answer_means",
    "setup-tests-failed": (
        "tests/cli/test_plan_and_apply.py::test_failed_setup_tests_keep_what_exists_and_stay_in_the_plan"
    ),
    "setup-tests-not-run": (
        "tests/cli/test_answers.py::test_tests_that_could_not_run_are_told_and_keep_the_destination"
    ),
    "signature-key-unusable": (
        "tests/cli/test_saved_plan_files.py::test_a_key_that_cannot_be_used_is_told_before_any_request"
    ),
    "skipped": "tests/cli/test_failures.py::test_a_failed_group_skips_only_its_own_destination",
    "state-cleaned": ("tests/cli/test_earlier_release.py::test_an_apply_cleans_the_state_and_says_so_once"),
    "state-damaged": "tests/cli/test_memory.py::test_a_damaged_memory_is_named_before_anything_is_sent",
    "state-in-use": "tests/faults/test_remote_state.py::test_a_plan_during_an_apply_warns_and_is_unchanged",
    "state-newer": "tests/unit/state/test_state_file.py::test_a_state_of_a_newer_format_is_left_alone",
    "state-not-kept": "tests/faults/test_disk.py::test_an_unwritable_state_is_saved_to_a_backup_file",
    "state-unreachable": (
        "tests/faults/test_remote_state.py::test_an_unreachable_backend_is_refused_before_any_request"
    ),
    "state-unusable": "tests/cli/test_memory.py::test_nothing_is_sent_that_could_not_be_remembered",
    "too-deep": "tests/unit/spec/test_source.py::test_a_bomb_ends_in_a_named_error",
    "too-large": "tests/unit/spec/test_source.py::test_a_bomb_ends_in_a_named_error",
    "unauthorized": "tests/cli/test_failures.py::test_wrong_credentials",
    "unfinished": "tests/cli/test_budget.py::test_a_plan_of_a_part_tells_what_is_unfinished_elsewhere",
    "unintelligible-answer": "tests/cli/test_answers.py::test_a_plan_says_what_the_answer_means",
    "unknown-address": "tests/cli/test_state.py::test_an_unknown_address_gets_the_nearest",
    "unknown-revision": "tests/cli/test_changed_since.py::test_a_revision_that_git_does_not_have",
    "unknown-switch": (
        "tests/cli/test_emulate_options.py::test_a_behaviour_file_and_a_fault_file_are_checked_line_by_line"
    ),
    "unknown-target": "tests/cli/test_scope.py::test_a_filter_that_matches_nothing_is_an_error",
    "unreachable": "tests/cli/test_failures.py::test_nobody_listens_at_the_address",
    "unsendable": "tests/cli/test_answers.py::test_a_deletion_that_did_not_work_says_why",
    "unusable-revision": "tests/cli/test_changed_since.py::test_a_revision_whose_specs_are_not_in_order",
    "values-in-state": (
        "tests/cli/test_earlier_release.py::test_a_command_that_only_reads_says_what_the_state_holds"
    ),
    "vanished": (
        "tests/cli/test_removal.py::test_an_entry_that_merely_vanishes_is_an_error_and_deletes_nothing"
    ),
    "was-in-use": "tests/cli/test_removal.py::test_a_former_key_that_is_in_use_is_an_error",
    "withdrawn": "tests/unit/api/test_retrying.py::test_once_cancelled_nothing_is_sent",
    "wrong-usage": "tests/cli/test_emulate_options.py::test_a_wrong_option_is_one_clear_error",
}
