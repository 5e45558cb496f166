"""`reconciler import`: entries of existing groups, the files that get them, and everything that is left out."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, Project, build_credentials
from importable_account import (
    BIG_QUERY,
    SNOWFLAKE,
    act_during,
    check_empty_plan,
    list_keys,
    list_left_out,
    load_groups,
    load_usual_groups,
    make_group,
    read_texts,
)

from reconciler.emulator.fault_text import parse_fault
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

pytestmark = pytest.mark.sampled(every=3, tests=2)

PROJECT = "specs/reconciler.yaml"
EXISTING = "specs/groups/own.yaml"


def read_specs(project: Project, name: str) -> Any:
    return to_plain(parse((project.folder / name).read_text(), name))


def test_all_groups_of_an_account_are_imported_with_one_read_each(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    result = project.run_against(server, "import")
    assert result.exit == 0, result.stdout + result.stderr
    assert sorted(server.calls) == [
        "GET /v1/account/info",
        "GET /v1/destinations",
        "GET /v1/destinations/first_id",
        "GET /v1/destinations/second_id",
        "GET /v1/groups",
    ]
    assert read_texts(project.folder).keys() == {
        PROJECT,
        "specs/groups/snowflake.yaml",
        "specs/groups/big_query.yaml",
        "specs/groups/without-destination.yaml",
    }
    specs = read_specs(project, "specs/groups/snowflake.yaml")
    specs["groups"]["zuerich_and_sales"]["destination"]["config"].pop("auth", None)  # the default
    assert specs == {
        "version": 1,
        "groups": {
            "zuerich_and_sales": {
                "id": "first_id",
                "name": "Zürich & Sales",
                "destination": {
                    "service": "snowflake",
                    "region": "AWS_EU_CENTRAL_1",
                    "time_zone_offset": "0",
                    "config": {
                        "host": "acme.snowflakecomputing.com",
                        "port": 443,
                        "database": "RAW",
                        "user": "LOADER",
                        "password": {"secret": "env:ZUERICH_AND_SALES_PASSWORD"},
                    },
                },
            }
        },
    }
    check_empty_plan(project, server)
    assert server.writes == []


def test_the_report_shows_keys_files_references_and_the_next_command(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    result = project.run_against(server, "import")
    lines = result.stdout.splitlines()
    assert lines[0] == "account Acme (acme_id)"
    assert "Imported 3 groups:" in lines
    assert '  zuerich_and_sales <- "Zürich & Sales"  snowflake' in lines
    assert '  empty_one         <- "Empty One"  no destination' in lines
    assert "wrote   specs/groups/snowflake.yaml" in lines
    assert "ZUERICH_AND_SALES_PASSWORD=" in lines
    assert lines[-5:] == [
        "A plan of these entries is empty. Next:",
        "  set the references above: `reconciler help secrets`",
        "  reconciler plan",
        "  reconciler apply --secrets-as-they-are --reason TEXT",
        "    records the secrets as what Fivetran has, and sends nothing",
    ]
    written = [line for line in lines if line.startswith("wrote")]
    assert written == sorted(written)


def test_a_quiet_import_prints_counts_and_what_is_left_out(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    server.app.faults.add(parse_fault("GET /v1/destinations/first_id status 403"))
    result = project.run_against(server, "import", "--quiet")
    assert result.exit == 1
    assert result.stdout == "account Acme (acme_id)\n\nImported 2 groups; 1 group left out.\n"
    assert 'the group first_id "Zürich & Sales" is left out' in result.stderr
    assert project.run_against(server, "import", "-q").stdout.endswith(
        "\n\nNothing imported; 1 group left out.\n"
    )


def test_an_import_without_a_reference_has_no_step_for_secrets(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    result = project.run_against(server, "import", "finance")
    assert result.stdout.endswith("A plan of this entry is empty. Next:\n  reconciler plan\n")


def test_an_import_without_a_group_says_which_entry_each_named_group_has(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write("specs/groups/hand.yaml", "version: 1\ngroups:\n  finance: {}\n  empty: {id: third_id}\n")
    result = project.run_against(server, "import", "finance", "Empty One")
    assert result.exit == 0
    assert result.stdout.splitlines()[2:] == [
        "Nothing to import: each selected group has an entry.",
        "",
        '  third_id "Empty One" has an entry already: `empty` at specs/groups/hand.yaml:4',
        '  second_id "finance" has an entry already: `finance` at specs/groups/hand.yaml:3',
        "    Its big_query destination is not declared. Write `destination:` into the entry, or delete the entry and"
        " import again; `reconciler catalogue show big_query --example` shows the fields.",
        "",
        "Not managed: 1 group; `reconciler drift` lists them",
    ]
    document = project.run_against(server, "import", "finance", "--format", "json").document
    assert document["declared"] == [
        {
            "id": "second_id",
            "name": "finance",
            "key": "finance",
            "place": "specs/groups/hand.yaml:3",
            "undeclared_service": "big_query",
        }
    ]


def test_names_look_alike_in_lists_and_in_errors(project: Project, server: EmulatedFivetran) -> None:
    load_groups(server, make_group("one_id", 'A "b"\u200b'), make_group("two_id", 'C "d"'))
    project.write_groups("  mine: {id: two_id, name: 'C \"d\"'}\n")
    result = project.run_against(server, "import", "--verbose")
    assert 'two_id "C \\"d\\"" has an entry already' in result.stdout
    assert 'the group one_id "A \\"b\\"\\u200b" is left out' in result.stderr
    assert not result.stdout.endswith("\n\n")


def test_a_name_that_a_policy_forbids_is_changed_at_fivetran(
    project: Project, server: EmulatedFivetran
) -> None:
    load_groups(server, make_group("one_id", "Sales"))
    project.write(
        PROJECT, "version: 1\nspecs: ['groups/*.yaml']\npolicies: [{name-pattern: '[a-z]+', name: lower}]\n"
    )
    result = project.run_against(server, "import")
    assert result.exit == 1
    assert "= help: rename the group in Fivetran, or change the policy" in result.stderr


def test_a_second_import_changes_nothing(project: Project, server: EmulatedFivetran) -> None:
    load_usual_groups(server)
    project.run_against(server, "import")
    before = read_texts(project.folder)
    result = project.run_against(server, "import")
    assert (result.exit, result.stdout.splitlines()[2]) == (0, "Nothing to import: each group has an entry.")
    assert read_texts(project.folder) == before
    named = project.run_against(server, "import", "finance", "--verbose")
    assert named.exit == 0
    assert (
        '  second_id "finance" has an entry already: `finance` at specs/groups/big_query.yaml:'
        in named.stdout
    )


def test_an_import_changes_no_state(project: Project, server: EmulatedFivetran) -> None:
    load_usual_groups(server)
    assert project.run_against(server, "import").exit == 0
    assert not (project.folder / "specs/.reconciler").exists()


@pytest.mark.parametrize(
    ("selectors", "ids"),
    [
        (["finance"], {"second_id"}),
        (["first_id"], {"first_id"}),
        (["*&*"], {"first_id"}),
        (["*_id"], {"first_id", "second_id", "third_id"}),
        (["Empty One", "finance"], {"second_id", "third_id"}),
    ],
)
def test_selectors_are_names_ids_and_globs(
    project: Project, server: EmulatedFivetran, selectors: list[str], ids: set[str]
) -> None:
    load_usual_groups(server)
    result = project.run_against(server, "import", "--format", "json", *selectors)
    assert result.exit == 0
    assert list_keys(result).keys() == ids
    assert {group["id"] for group in result.document["unmanaged"]} == {
        "first_id",
        "second_id",
        "third_id",
    } - ids


def test_a_selector_without_a_match_is_an_error_and_the_others_are_imported(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    result = project.run_against(server, "import", "Finance", "Empty One", "nothing*")
    assert result.exit == 1
    assert "Imported 1 group:" in result.stdout
    first, second = result.stderr.split("\n\n")[:2]
    assert "error[unknown-group]: no group of this account is named by `Finance`" in first
    assert "= help: did you mean `finance`?" in first
    assert "`nothing*`" in second
    assert (project.folder / "specs/groups/without-destination.yaml").exists()


def test_each_group_that_cannot_be_declared_is_named_and_the_rest_is_imported(
    project: Project, server: EmulatedFivetran
) -> None:
    load_groups(
        server,
        make_group("fine_id", "Fine", SNOWFLAKE),
        make_group("hidden_id", "Not\u200bvisible", BIG_QUERY),
        make_group("locked_id", "Locked", SNOWFLAKE),
        make_group("twin_one", "Twin", BIG_QUERY),
        make_group("twin_two", "twin", BIG_QUERY),
        make_group("odd_id", "Odd", {"service": "quantum_store", "config": {"qubits": "7"}}),
    )
    server.app.faults.add(parse_fault("GET /v1/destinations/locked_id status 403"))
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1
    keys = list_keys(result)
    assert keys.keys() == {"fine_id", "twin_one", "twin_two", "odd_id"}
    assert len(set(keys.values())) == 4
    reasons = list_left_out(result)
    assert reasons.keys() == {"hidden_id", "locked_id"}
    assert "U+200B" in reasons["hidden_id"]
    assert "may not read" in reasons["locked_id"]
    odd = (project.folder / "specs/groups/quantum_store.yaml").read_text()
    assert "# The catalogue does not know the service `quantum_store`." in odd
    assert "qubits: " not in odd
    server.app.faults.clear()
    check_empty_plan(project, server)


def test_broken_specs_are_refused_before_the_first_request(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(EXISTING, "version: 1\ngroups:\n  sales: [\n")
    before = read_texts(project.folder)
    result = project.run_against(server, "import")
    assert result.exit == 1
    assert "error[yaml-syntax]" in result.stderr
    assert server.calls == []
    assert read_texts(project.folder) == before


def test_a_file_that_cannot_be_written_leaves_out_its_groups_only(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    (project.folder / "specs/groups/snowflake.yaml").mkdir(parents=True)
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1
    assert list_keys(result).keys() == {"second_id", "third_id"}
    assert "specs/groups/snowflake.yaml" in list_left_out(result)["first_id"]
    assert [each["code"] for each in result.document["diagnostics"]] == ["file-unreadable"]
    check_empty_plan(project, server)


def test_a_folder_that_cannot_be_made_is_one_error(project: Project, server: EmulatedFivetran) -> None:
    load_usual_groups(server)
    project.write("specs/taken", "no folder\n")
    result = project.run_against(server, "import", "--into", "specs/taken/new.yaml")
    assert result.exit == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error[")] == [
        "error[file-unwritable]: cannot write `specs/taken/new.yaml`: File exists"
    ]
    assert '   = note: left out: second_id "finance"' in result.stderr.splitlines()
    assert read_texts(project.folder).keys() == {PROJECT, "specs/taken"}


def test_a_file_that_changed_meanwhile_is_left_alone_and_the_rest_is_written(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    own = project.write(
        "specs/groups/snowflake.yaml", "version: 1\ngroups:\n  mine: {id: third_id, name: Empty One}\n"
    )
    changed = own.read_text() + "# another program was here\n"
    with act_during(server, "/destinations/first_id", lambda: own.write_text(changed) and None) as url:
        result = project.run("import", environ=build_credentials(url))
    assert result.exit == 1
    assert own.read_text() == changed
    assert result.stderr.count("error[") == 1
    assert (
        "error[file-changed]: `specs/groups/snowflake.yaml` was changed by another program" in result.stderr
    )
    assert 'left out: first_id "Zürich & Sales"' in result.stderr
    assert (project.folder / "specs/groups/big_query.yaml").exists()
    check_empty_plan(project, server)


def test_specs_that_another_program_breaks_meanwhile_are_one_error_and_nothing_is_written(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    own = project.write(EXISTING, "version: 1\ngroups:\n  mine: {id: third_id, name: Empty One}\n")
    broken = "version: 1\ngroups: [\n"
    with act_during(server, "/destinations/first_id", lambda: own.write_text(broken) and None) as url:
        result = project.run("import", environ=build_credentials(url))
    assert result.exit == 1
    assert result.stderr.count("error[") == 1
    assert "2 groups are left out: the specs have an error at specs/groups/own.yaml:2:9" in result.stderr
    assert read_texts(project.folder).keys() == {PROJECT, EXISTING}
    assert own.read_text() == broken


def test_hand_written_files_keep_every_byte_and_entries_that_exist_are_left_alone(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    text = (
        "# Ours\r\nversion: 1   # first\r\ngroups:\r\n"
        "    'finance':   # by name\r\n      destination: {service: big_query, region: GCP_EUROPE_WEST3}\r\n"
        "removed:\r\n- {group: old, id: third_id, name: Empty One, forget: true}\r\n"
    )
    own = project.folder / EXISTING
    own.parent.mkdir(parents=True)
    own.write_bytes(text.encode())
    own.chmod(0o640)
    result = project.run_against(server, "import", "--into", EXISTING)
    assert result.exit == 0, result.stdout + result.stderr
    written = own.read_bytes().decode()
    start = text.index("removed:")
    assert written.startswith(text[:start])
    assert written.endswith(text[start:])
    assert "first_id" in written[start : len(written) - len(text) + start]
    assert "\n" not in written.replace("\r\n", "")
    assert stat.S_IMODE(own.stat().st_mode) == 0o640
    assert "third_id" not in written.replace(text[start:], "")


def test_a_group_that_removed_names_is_left_out_if_it_is_asked_for(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(
        EXISTING,
        "version: 1\nremoved:\n- {group: old, id: third_id, name: Empty One, forget: true}\n",
    )
    result = project.run_against(server, "import", "third_id", "--format", "json")
    assert result.exit == 1
    assert "`removed:` has it as `old`" in list_left_out(result)["third_id"]


def test_a_group_that_an_entry_may_be_about_is_left_out(project: Project, server: EmulatedFivetran) -> None:
    load_groups(server, make_group("one_id", "Twin"), make_group("two_id", "Twin"))
    project.write_groups("  twin: {name: Twin}\n")
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1
    reason = "the entry `twin` may be about it, or about another group of this name"
    assert list_left_out(result) == {"one_id": reason, "two_id": reason}
    project.write_groups("  twin: {name: Twin, id: one_id}\n")
    result = project.run_against(server, "import", "--format", "json")
    assert (result.exit, list_keys(result).keys()) == (0, {"two_id"})
    check_empty_plan(project, server)


def test_a_new_file_that_no_glob_finds_is_added_to_the_project(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(PROJECT, "# ours\nversion: 1\nspecs:\n- 'groups/*.yaml' # all\n")
    project.write_groups("  mine: {id: third_id, name: Empty One}\n")
    result = project.run_against(server, "import", "--into", "specs/taken/in.yaml")
    assert result.exit == 0, result.stdout + result.stderr
    text = (project.folder / PROJECT).read_text()
    assert text.startswith("# ours\nversion: 1\nspecs:\n- 'groups/*.yaml' # all\n- taken/in.yaml")
    check_empty_plan(project, server)


def test_the_glob_of_a_new_project_gives_way_to_the_file_of_all_entries(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    assert project.run_against(server, "import", "--into", "specs/all.yaml").exit == 0
    assert (project.folder / PROJECT).read_text() == "version: 1\nspecs: ['all.yaml']\n"
    complete = read_texts(project.folder)
    project.write(PROJECT, "version: 1\nspecs: ['groups/*.yaml']\n")
    assert project.run_against(server, "import", "--into", "specs/all.yaml").exit == 0
    assert read_texts(project.folder) == complete
    check_empty_plan(project, server)


def test_files_that_an_import_left_before_it_listed_them_are_listed_by_the_next(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write_groups("  mine: {id: third_id, name: Empty One}\n")
    assert project.run_against(server, "import", "--into", "specs/new/in.yaml").exit == 0
    complete = read_texts(project.folder)
    project.write(PROJECT, "version: 1\nspecs: ['groups/*.yaml']\n")
    result = project.run_against(server, "import", "--into", "specs/new/in.yaml")
    assert result.exit == 0, result.stdout + result.stderr
    assert read_texts(project.folder) == complete


def test_a_file_of_the_repository_outside_of_the_folder_is_listed_by_a_relative_path(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    (project.folder / ".git").mkdir()
    project.write_groups("  mine: {id: third_id, name: Empty One}\n")
    result = project.run_against(server, "import", "--into", "shared/in.yaml")
    assert result.exit == 0, result.stdout + result.stderr
    assert "../shared/in.yaml" in (project.folder / PROJECT).read_text()
    assert str(project.folder) not in (project.folder / PROJECT).read_text()
    check_empty_plan(project, server)


def test_a_project_that_names_one_missing_file_gets_that_file(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    text = "version: 1\nspecs: [all.yaml]  # ours\n"
    project.write(PROJECT, text)
    result = project.run_against(server, "import", "finance")
    assert result.exit == 0, result.stdout + result.stderr
    assert read_texts(project.folder).keys() == {PROJECT, "specs/all.yaml"}
    assert (project.folder / PROJECT).read_text() == text
    assert project.run_against(server, "import", "third_id", "--into", "specs/all.yaml").exit == 0
    check_empty_plan(project, server)


@pytest.mark.parametrize("options", [["--layout", "service"], ["--into", "specs/other.yaml"]])
def test_a_line_for_a_missing_file_is_not_replaced(
    project: Project, server: EmulatedFivetran, options: list[str]
) -> None:
    project.write(PROJECT, "version: 1\nspecs: [all.yaml]\n")
    result = project.run_against(server, "import", *options)
    assert (result.exit, server.calls) == (64, [])
    assert "specs/reconciler.yaml:2:9" in result.stderr
    assert "`specs` names `all.yaml`, which does not exist" in result.stderr


def test_several_missing_files_are_an_error_before_the_first_request(
    project: Project, server: EmulatedFivetran
) -> None:
    text = "version: 1\nspecs: [eu.yaml, 'us/*.yaml']\n"
    project.write(PROJECT, text)
    result = project.run_against(server, "import")
    assert (result.exit, server.calls) == (1, [])
    assert "`eu.yaml`" in result.stderr
    assert read_texts(project.folder) == {PROJECT: text}


def test_a_new_reference_is_not_that_of_an_entry_that_exists(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    taken = "config: {password: {secret: 'env:ZUERICH_AND_SALES_PASSWORD'}}"
    project.write_groups(f"  mine: {{destination: {{service: snowflake, {taken}}}}}\n")
    result = project.run_against(server, "import", "first_id", "--format", "json")
    assert result.exit == 0, result.stdout
    assert result.document["references"] == ["env:ZUERICH_AND_SALES_PASSWORD_2"]


def test_a_read_only_project_file_is_named_as_the_cause(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_usual_groups(server)
    project.write_groups("  mine: {id: third_id, name: Empty One}\n")
    # The user of the tests may be root, who may write read-only files.
    monkeypatch.setattr(
        os, "access", lambda file, mode: mode != os.W_OK or Path(file).name != "reconciler.yaml"
    )
    result = project.run_against(server, "import", "--into", "specs/ro/out.yaml")
    assert result.exit == 1
    assert "cannot write `specs/reconciler.yaml`" in result.stderr
    assert "its `specs` must name the new file, which no line finds yet" in result.stderr


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [("groups/*.yaml", "delete the file, or write an entry"), ("groups/own.yaml", "restore its content")],
)
def test_the_advice_about_a_file_without_an_entry_follows_from_its_line(
    project: Project, server: EmulatedFivetran, pattern: str, advice: str
) -> None:
    project.write(PROJECT, f"version: 1\nspecs: ['{pattern}']\n")
    project.write(EXISTING, "version: 1\ngroups: {}\n")
    result = project.run_against(server, "import")
    assert (result.exit, server.calls) == (1, [])
    assert f"= help: {advice}" in result.stderr


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (["--layout", "group"], {"zuerich_and_sales.yaml", "finance.yaml", "empty_one.yaml"}),
        (["--layout", "one"], {"groups.yaml"}),
        (["--into", "specs/groups/here.yaml"], {"here.yaml"}),
    ],
)
def test_layouts_choose_the_files(
    project: Project, server: EmulatedFivetran, options: list[str], files: set[str]
) -> None:
    load_usual_groups(server)
    assert project.run_against(server, "import", *options).exit == 0
    assert {file.name for file in (project.folder / "specs/groups").iterdir()} == files
    check_empty_plan(project, server)


def test_ids_go_into_the_override_file(project: Project, server: EmulatedFivetran) -> None:
    load_groups(
        server,
        make_group("first_id", "Sales", SNOWFLAKE),
        make_group("twin_one", "Twin", BIG_QUERY),
        make_group("twin_two", "Twin", SNOWFLAKE),
    )
    project.write(PROJECT, "version: 1\nspecs: ['groups/*.yaml']\noverrides: [ids.yaml]\n")
    result = project.run_against(server, "import", "--ids-into", "specs/ids.yaml", "--layout", "one")
    assert result.exit == 0, result.stdout + result.stderr
    overrides = read_specs(project, "specs/ids.yaml")
    assert overrides == {
        "version": 1,
        "groups": {
            "sales": {"id": "first_id"},
            "twin_big_query": {"id": "twin_one"},
            "twin_snowflake": {"id": "twin_two"},
        },
    }
    specs = (project.folder / "specs/groups/groups.yaml").read_text()
    assert "first_id" not in specs
    assert "id: twin_one" in specs, "without their ids, two entries of one name are an error"
    check_empty_plan(project, server)


def test_entries_without_an_id_get_it_in_the_override_file(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(PROJECT, "version: 1\nspecs: ['groups/*.yaml']\noverrides: [ids.yaml]\n")
    project.write_groups("  money: {name: finance}\n  empty: {id: third_id, name: Empty One}\n")
    project.write("specs/ids.yaml", "version: 1\ngroups:\n  money: {name: finance}  # same\n")
    result = project.run_against(server, "import", "--ids-into", "specs/ids.yaml", "finance", "Empty*")
    assert result.exit == 0, result.stdout + result.stderr
    assert (project.folder / "specs/ids.yaml").read_text() == (
        "version: 1\ngroups:\n  money: {id: second_id, name: finance}  # same\n"
    )
    check_empty_plan(project, server)


def test_an_override_file_that_the_project_does_not_name_is_refused(
    project: Project, server: EmulatedFivetran
) -> None:
    result = project.run_against(server, "import", "--ids-into", "specs/ids.yaml")
    assert (result.exit, server.calls) == (64, [])
    assert "add it to `specs/reconciler.yaml` first: `overrides: [ids.yaml]`" in result.stderr


def test_a_dry_run_shows_the_differences_and_writes_nothing(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write_groups("  mine: {id: third_id, name: Empty One}\n")
    before = read_texts(project.folder)
    result = project.run_against(server, "import", "--dry-run", "--into", "specs/groups/main.yaml")
    assert result.exit == 0
    assert read_texts(project.folder) == before
    assert "--- specs/groups/main.yaml\n+++ specs/groups/main.yaml\n@@ " in result.stdout
    assert "+    id: first_id\n" in result.stdout
    assert "-    " not in result.stdout
    assert result.stdout.endswith("Nothing was written: this is a dry run.\n")


def test_an_entry_that_the_rules_of_the_project_forbid_is_left_out(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    rule = "{allowed-regions: [GCP_EUROPE_WEST3], name: europe}"
    project.write(PROJECT, f"version: 1\nspecs: ['groups/*.yaml']\npolicies: [{rule}]\n")
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1, result.stdout
    assert list_keys(result).keys() == {"second_id", "third_id"}
    assert "allowed is `GCP_EUROPE_WEST3`" in list_left_out(result)["first_id"]
    [left_out] = result.document["left_out"]
    assert left_out["help"].startswith("change the destination in Fivetran")
    check_empty_plan(project, server)


@pytest.mark.parametrize("template", ["env:{KEY}_{FIELD}", "vault:secret/{key}#{field}"])
def test_a_template_that_the_project_allows_for_no_reference_is_refused_before_the_first_request(
    project: Project, server: EmulatedFivetran, template: str
) -> None:
    project.write(PROJECT, "version: 1\nspecs: ['groups/*.yaml']\nsecrets: {allow: ['vault:kv/*']}\n")
    result = project.run_against(server, "import", "--secrets", template)
    assert (result.exit, server.calls) == (64, [])
    assert f"the template of secrets, `{template}`: `secrets.allow` of the project file" in result.stderr
    assert "it allows `vault:kv/*`" in result.stderr


def test_a_reference_that_the_project_does_not_allow_leaves_its_entry_out(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(
        PROJECT, "version: 1\nspecs: ['groups/*.yaml']\nsecrets: {allow: ['env:FINANCE_*', 'vault:kv/*']}\n"
    )
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1, result.stdout
    assert list_left_out(result).keys() == {"first_id"}
    assert "`env:ZUERICH_AND_SALES_PASSWORD`" in list_left_out(result)["first_id"]
    assert [each["code"] for each in result.document["diagnostics"]] == ["not-imported"]
    other = project.run_against(server, "import", "--secrets", "vault:kv/{key}#{field}")
    assert other.exit == 0, other.stdout
    assert "# vault:kv/zuerich_and_sales#password" in other.stdout.splitlines()
    assert read_specs(project, "specs/groups/snowflake.yaml")
    check_empty_plan(project, server)


def test_defaults_of_the_project_do_not_change_imported_destinations(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    project.write(
        PROJECT,
        "version: 1\nspecs: ['groups/*.yaml']\ndefaults: {destination: {daylight_saving_time_enabled: true}}\n",
    )
    assert project.run_against(server, "import").exit == 0
    check_empty_plan(project, server)


def test_connections_cost_one_list_per_group_and_become_a_comment(
    project: Project, server: EmulatedFivetran
) -> None:
    connections = [{"id": "some_connection", "service": "google_ads", "schema": "ads"}]
    load_groups(
        server,
        make_group("first_id", "Sales", SNOWFLAKE, connections=connections),
        make_group("second_id", "Finance", BIG_QUERY),
    )
    assert project.run_against(server, "import", "--connections").exit == 0
    assert len(server.calls) == 1 + 2 + 2 + 2
    text = (project.folder / "specs/groups/snowflake.yaml").read_text()
    assert "# 1 connection loads into it: `google_ads`\n" in text


def test_the_sandbox_is_imported_too(project: Project, server: EmulatedFivetran) -> None:
    block = "{service: big_query, region: GCP_EUROPE_WEST3, time_zone_offset: '0', config: {project_id: a}}"
    project.write_groups(f"  sales: {{destination: {block}}}\n")
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    project.write_groups("  other: {}\n")
    (project.folder / "specs/.reconciler/sandbox/state.json").unlink()
    result = project.run("import", "--sandbox", "sales")
    assert result.exit == 0, result.stdout + result.stderr
    assert result.stdout.endswith("  reconciler plan --sandbox\n")
    assert "service: big_query" in (project.folder / "specs/groups/big_query.yaml").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--secrets", "env:{KEYS}"], "`{KEYS}` is no placeholder"),
        (["--secrets", "env:{key}"], "`{field}` is missing"),
        (["--into", "specs/reconciler.yaml"], "is no spec file"),
        (["--secrets", "file:../{key}/{field}"], "a relative path must stay in the project's directory"),
        (["--secrets", "command:pass#{key}_{field}"], "the project file names no command `pass`"),
        (["--into", "x.yaml", "--layout", "one"], "exclude each other"),
        (["--into", "x.yaml", "--layout", "service"], "exclude each other"),
        (["--into", "specs/x.json"], "`--into specs/x.json` is no YAML file"),
        (["--into", "../x.yaml"], "is outside of the folder of `specs/reconciler.yaml`, where its files lie"),
        (["--ids-into", "../x.yaml"], "is outside of the folder of `specs/reconciler.yaml`"),
        (["--from-terraform", "nothing.tfstate"], "cannot read `nothing.tfstate`"),
    ],
)
def test_wrong_options_are_refused_before_the_first_request(
    project: Project, server: EmulatedFivetran, options: list[str], message: str
) -> None:
    result = project.run_against(server, "import", *options)
    assert result.exit in {1, 64}
    assert server.calls == []
    assert message in result.stderr
    assert result.stderr.count("error[") == 1


def test_secrets_in_clear_are_written_nowhere(project: Project, server: EmulatedFivetran) -> None:
    load_groups(server, make_group("first_id", "Sales", SNOWFLAKE))
    server.app.behaviour = server.app.behaviour.model_copy(update={"secrets_in_answers": "clear"})
    result = project.run_against(server, "import", "--verbose", "--unknown-fields", "write")
    assert result.exit == 0


def test_a_lost_record_gives_the_group_its_former_key(project: Project, server: EmulatedFivetran) -> None:
    load_usual_groups(server)
    project.write(PROJECT, "version: 1\naccount_id: acme_id\nspecs: ['groups/*.yaml']\n")
    project.write_groups("  other: {}\n  money: {name: finance}\n")
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    project.write_groups("  other: {}\n")
    result = project.run_against(server, "import", "second_id", "--format", "json")
    assert list_keys(result) == {"second_id": "money"}
    check_empty_plan(project, server)


@pytest.mark.parametrize("status", ["incomplete", "broken"])
def test_an_unhealthy_destination_is_imported_and_adopted_without_its_tests(
    project: Project, server: EmulatedFivetran, status: str
) -> None:
    load_groups(server, make_group("first_id", "Sales", {**SNOWFLAKE, "setup_status": status}))
    project.write(PROJECT, "version: 1\naccount_id: acme_id\nspecs: ['groups/*.yaml']\n")
    assert project.run_against(server, "import").exit == 0
    text = (project.folder / "specs/groups/snowflake.yaml").read_text()
    assert f"# Fivetran calls this destination {status}" in text
    assert "      setup_tests: {run: false}\n" in text
    assert "`reconciler test sales`, and delete the line `setup_tests` once they pass." in text
    environ = {"SALES_PASSWORD": "another-password"}
    assert project.run_against(server, "apply", "--auto-approve", environ=environ).exit == 0
    check_empty_plan(project, server)
    assert server.writes == []


def test_the_comment_of_an_unhealthy_destination_says_how_its_tests_run_again(
    project: Project, server: EmulatedFivetran
) -> None:
    load_groups(server, make_group("first_id", "Sales", {**SNOWFLAKE, "setup_status": "incomplete"}))
    project.write(PROJECT, "version: 1\naccount_id: acme_id\nspecs: ['groups/*.yaml']\n")
    environ = {"SALES_PASSWORD": "another-password"}
    assert project.run_against(server, "import").exit == 0
    assert project.run_against(server, "apply", "--auto-approve", environ=environ).exit == 0
    assert project.run_against(server, "test", "sales").exit == 0
    file = project.folder / "specs/groups/snowflake.yaml"
    file.write_text(file.read_text().replace("      setup_tests: {run: false}\n", ""))
    assert project.run_against(server, "plan", "--detailed-exitcode", environ=environ).exit == 0
    assert server.writes == ["POST /v1/destinations/first_id/test"]


def test_an_error_that_names_another_entry_leaves_out_the_entry_that_causes_it(
    project: Project, server: EmulatedFivetran
) -> None:
    load_groups(server, make_group("old_id", "Twin"), *(make_group(f"id_{name}", name) for name in "abcde"))
    project.write(PROJECT, "version: 1\naccount_id: acme_id\nspecs: ['groups/*.yaml']\n")
    project.write_groups("  zold: {name: Twin}\n")
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    new_id = server.app.dashboard.add_group("Twin")
    result = project.run_against(server, "import", "--format", "json")
    assert result.exit == 1
    assert list_keys(result).keys() == {f"id_{name}" for name in "abcde"}
    assert "the same name `Twin`" in list_left_out(result)[new_id]
    check_empty_plan(project, server)


def test_strict_leaves_out_what_the_catalogue_does_not_know(
    project: Project, server: EmulatedFivetran
) -> None:
    odd = {"service": "quantum_store", "config": {"qubits": "7"}}
    load_groups(server, make_group("odd_id", "Odd", odd), make_group("fine_id", "Fine", BIG_QUERY))
    result = project.run_against(server, "import", "--strict", "--format", "json")
    assert result.exit == 1
    assert list_keys(result).keys() == {"fine_id"}
    assert "quantum_store" in list_left_out(result)["odd_id"]


def test_events_have_the_start_and_the_end_of_an_import(project: Project, server: EmulatedFivetran) -> None:
    load_usual_groups(server)
    assert project.run_against(server, "import", "--events", "events.jsonl").exit == 0
    events = [json.loads(line) for line in (project.folder / "events.jsonl").read_text().splitlines()]
    assert events[0]["command"] == "import"
    assert events[-1]["event"] == "run-finished"


def test_files_outside_of_the_current_folder_are_shown_and_masked_alike(
    project: Project, server: EmulatedFivetran
) -> None:
    load_usual_groups(server)
    (project.folder / ".git").mkdir()
    project.write(
        EXISTING,
        "version: 1\ngroups:\n  mine:\n    destination: {service: nothing_known, config: {\n"
        "      word: unseen-word}}\n",
    )
    inside = project.enter("elsewhere")
    options = ("--project", "../specs/reconciler.yaml", "--into", "../specs/groups/own.yaml", "--dry-run")
    result = inside.run_against(server, "import", *options)
    assert result.exit == 0, result.stdout + result.stderr
    assert "+++ ../specs/groups/own.yaml\n" in result.stdout
    assert "\n       ••••••••\n" in result.stdout, "the whole line of a hidden value"
    assert "unseen-word" not in result.stdout
    written = inside.run_against(server, "import", *options[:-1])
    assert "changed ../specs/groups/own.yaml\n" in written.stdout
