"""`reconciler schema --write` and `--check`: the schemas of a project, as files beside its project file."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from cli_harness import Project
from git_repo import run_git
from jsonschema import Draft202012Validator

from reconciler.operations.schema import build_schema
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

pytestmark = pytest.mark.sampled(every=2, tests=2)

EARLIER = '{\n  "title": "fivetran-reconciler spec file"\n}\n'
"""Text of a schema of an earlier release."""
SPEC, PROJECT = "specs/.schema/spec.json", "specs/.schema/project.json"
PROFILES = """\
version: 1
profiles:
  bare: {region: AWS_EU_CENTRAL_1}
  lake: {service: managed_data_lake}
  snow: {service: snowflake, config: {host: h.snowflakecomputing.com}}
"""
DEFAULTS = (
    "version: 1\nspecs: [profiles.yaml, groups/*.yaml]\ndefaults:\n  destination: {service: big_query}\n"
)


@pytest.fixture
def shared(project: Project) -> Project:
    """A project with profiles, and with a service in its defaults."""
    project.write("specs/reconciler.yaml", DEFAULTS)
    project.write("specs/profiles.yaml", PROFILES)
    project.write_groups("  one: {destination: {profile: snow}}\n")
    return project


def write_schema(project: Project) -> Draft202012Validator:
    """Write the schemas of a project. Returns the schema of its spec files."""
    written = project.run("schema", "--write")
    assert (written.exit, written.stderr) == (0, "")
    return Draft202012Validator(json.loads((project.folder / SPEC).read_text()))


def build_entry(destination: str, key: str = "one") -> Any:
    text = f"version: 1\ngroups:\n  {key}:\n    destination: {destination}\n"
    return to_plain(parse(text, "spec.yaml"))


def list_profiles(project: Project) -> list[str]:
    schema = json.loads((project.folder / SPEC).read_text())
    names = schema["$defs"]["destination"]["properties"]["profile"].get("anyOf", ())
    return [name["const"] for name in names if "const" in name]


def read_files(project: Project) -> dict[str, tuple[bytes, int]]:
    """Read all files of a project with the times of their last change."""
    files = (file for file in (project.folder / "specs").rglob("*") if file.is_file())
    return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Profiles and services


def test_the_schema_names_the_profiles_of_the_project(shared: Project) -> None:
    schema = write_schema(shared)
    assert list_profiles(shared) == ["bare", "lake", "snow"]
    names = schema.schema["$defs"]["destination"]["properties"]["profile"]["anyOf"]
    assert [name.get("description") for name in names[:3]] == [
        "Google BigQuery.",
        "Fivetran Managed Data Lake.",
        "Snowflake.",
    ]


@pytest.mark.parametrize(
    ("destination", "fits"),
    [
        ("{profile: snow, config: {database: X}}", True),
        ("{profile: snow, config: {databse: X}}", False),
        ("{profile: snow, config: {port: many}}", False),
        ("{profile: snow, config: {project_id: X}}", False),
        ("{profile: snow, service: big_query, config: {project_id: X}}", True),
        ("{profile: snow, service: big_query, config: {database: X}}", False),
        ('{profile: snow, service: {value: "env:SERVICE"}, config: {anything: X}}', True),
        ("{profile: snow, service: {unset: true}, config: {anything: X}}", True),
        ("{profile: lake, config: {bucket: X}}", True),
        ("{profile: lake, config: {database: X}}", False),
        ("{profile: bare, config: {project_id: X}}", True),
        ("{profile: bare, config: {database: X}}", False),
        ("{config: {project_id: X}}", True),
        ("{config: {database: X}}", False),
        ("{profile: snw}", False),
        ("{profile: null}", False),
        ('{profile: "warehouse_${STAGE}", config: {anything: X}}', True),
    ],
)
def test_the_schema_resolves_the_service_as_a_merge_does(
    destination: str, fits: bool, shared: Project
) -> None:
    assert write_schema(shared).is_valid(build_entry(destination)) is fits


def test_required_fields_of_a_profile_are_not_missing(shared: Project) -> None:
    write_schema(shared).validate(build_entry("{profile: snow, config: {}}"))


def test_a_profile_may_have_fields_for_the_services_of_its_entries(shared: Project) -> None:
    """Only an entry decides about the service of a profile that has none, so editors propose fields alone."""
    schema = write_schema(shared)
    profiles = "version: 1\nprofiles:\n  bare: {config: {database: X}}\n"
    schema.validate(to_plain(parse(profiles, "spec.yaml")))
    proposed = schema.schema["$defs"]["proposed_config"]["properties"]
    assert proposed["project_id"]["description"].startswith("Google Cloud project")


def test_an_overridden_entry_has_its_final_service_in_all_files(shared: Project) -> None:
    shared.write("specs/reconciler.yaml", DEFAULTS + "overrides: [prod.yaml]\n")
    shared.write_groups("  one: {destination: {profile: snow}}\n  two: {destination: {profile: snow}}\n")
    shared.write("specs/prod.yaml", "version: 1\ngroups:\n  one: {destination: {service: redshift}}\n")
    schema = write_schema(shared)
    for key, field, fits in (
        ("one", "host", True),
        ("one", "role", False),
        ("two", "project_id", False),
        ("two", "host", True),
    ):
        destination = "{profile: snow, config: {" + field + ": X}}"
        assert schema.is_valid(build_entry(destination, key)) is fits, (key, field)
    assert not schema.is_valid(build_entry("{config: {project_id: X}}", "one"))
    schema.validate(build_entry("{config: {database: X}}", "one"))


def test_a_profile_that_a_variable_names_leaves_the_service_open(shared: Project) -> None:
    shared.write("specs/reconciler.yaml", DEFAULTS + "overrides: [prod.yaml]\nvars: {STAGE: snow}\n")
    shared.write("specs/prod.yaml", 'version: 1\ngroups:\n  one: {destination: {profile: "${STAGE}"}}\n')
    write_schema(shared).validate(build_entry("{config: {anything: X}}"))


def test_variables_that_only_a_run_gives_are_no_error(shared: Project) -> None:
    shared.write_groups('  one: {destination: {profile: "snow_${STAGE}", private_link_id: "${LINK}"}}\n')
    write_schema(shared)


def test_a_project_without_groups_has_its_profiles(shared: Project) -> None:
    (shared.folder / "specs/groups/main.yaml").unlink()
    shared.write("specs/reconciler.yaml", "version: 1\nspecs: [profiles.yaml]\n")
    write_schema(shared)
    assert list_profiles(shared) == ["bare", "lake", "snow"]


# Stale files


def test_a_new_profile_makes_the_schema_stale(shared: Project) -> None:
    write_schema(shared)
    current = shared.run("schema", "--check")
    assert (current.exit, current.stdout, current.stderr) == (0, "", "The schemas are current.\n")
    shared.write("specs/profiles.yaml", PROFILES + "  new: {service: redshift}\n")
    stale = shared.run("schema", "--check")
    assert (stale.exit, stale.stdout) == (1, "")
    assert stale.stderr.count("error[schema-outdated]") == 1
    assert f"error[schema-outdated]: `{SPEC}` is stale\n" in stale.stderr
    assert "= help: run `reconciler schema --write`, and commit the files\n" in stale.stderr
    write_schema(shared)
    assert shared.run("schema", "--check").exit == 0
    assert "new" in list_profiles(shared)


def test_missing_files_are_one_error(shared: Project) -> None:
    result = shared.run("schema", "--check", "editor files")
    assert result.exit == 1
    assert "`editor files/project.json` is missing and `editor files/spec.json` is missing\n" in result.stderr
    assert "run `reconciler schema --write 'editor files'`" in result.stderr
    assert not (shared.folder / "editor files").exists()


def test_a_file_that_was_edited_by_hand_is_stale_and_written_again(shared: Project) -> None:
    write_schema(shared)
    file = shared.folder / SPEC
    file.write_text(file.read_text().replace("snowflake", "snowflaek"))
    assert f"`{SPEC}` is stale" in shared.run("schema", "--check").stderr
    written = shared.run("schema", "--write").stdout
    assert written.startswith(f"{PROJECT} is current\nWrote {SPEC}\n")
    assert shared.run("schema", "--check").exit == 0


@pytest.mark.parametrize(
    "text",
    ["", '{\n<<<<<<< ours\n  "title": "fivetran-reconciler spec file",\n=======\n'],
    ids=["empty", "conflict"],
)
def test_a_damaged_schema_is_written_again(text: str, shared: Project) -> None:
    shared.write(SPEC, text)
    assert shared.run("schema", "--check").exit == 1
    write_schema(shared)


def test_a_current_file_is_left_alone(shared: Project) -> None:
    write_schema(shared)
    before = read_files(shared)
    assert shared.run("schema", "--write").stdout.startswith(f"{PROJECT} is current\n{SPEC} is current\n")
    assert read_files(shared) == before


def test_line_ends_of_a_clone_do_not_count(shared: Project) -> None:
    write_schema(shared)
    file = shared.folder / SPEC
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert shared.run("schema", "--check").exit == 0


def test_the_schemas_of_a_new_project_are_current(project: Project) -> None:
    (project.folder / "specs/reconciler.yaml").unlink()
    assert project.run("init", "--sandbox").exit == 0
    assert project.run("schema", "--check").exit == 0


def test_init_completes_a_project_with_its_own_schemas(shared: Project) -> None:
    assert shared.run("init", "--sandbox").exit == 0
    assert list_profiles(shared) == ["bare", "lake", "snow"]
    assert shared.run("schema", "--check").exit == 0


def test_write_and_check_exclude_each_other(shared: Project) -> None:
    result = shared.run("schema", "--write", "--check")
    assert result.exit == 64
    assert "`--check` writes nothing" in result.stderr


# Broken projects and places


@pytest.mark.parametrize("option", ["--write", "--check"])
@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("specs/profiles.yaml", "profiles: [", "specs/profiles.yaml:1:11"),
        ("specs/groups/main.yaml", "version: 1\ngroups:\n  one: {nam: x}\n", "specs/groups/main.yaml:3:9"),
        ("specs/reconciler.yaml", "version: 1\nspcs: []\n", "specs/reconciler.yaml:"),
    ],
)
def test_a_broken_file_is_an_error_with_its_place(
    option: str, file: str, text: str, message: str, shared: Project
) -> None:
    write_schema(shared)
    shared.write(file, text)
    before = read_files(shared)
    result = shared.run("schema", option)
    assert (result.exit, result.stdout) == (1, "")
    assert f"--> {message}" in result.stderr
    assert read_files(shared) == before


def test_an_error_shows_no_secret_beside_it(shared: Project) -> None:
    canary = "hunter2-hunter2"
    shared.write_groups(
        f"  one: {{nam: x, destination: {{service: snowflake, config: {{password: {canary}}}}}}}\n"
    )
    result = shared.run("schema", "--check")
    assert result.exit == 1
    assert canary not in result.stdout + result.stderr


def test_a_missing_project_is_an_error(project: Project) -> None:
    result = project.run("schema", "--write", "--project", "spces/reconciler.yaml")
    assert result.exit == 1
    assert "there is no project file `spces/reconciler.yaml`" in result.stderr
    assert not (project.folder / "spces").exists()


@pytest.mark.parametrize("name", ["spec.json", "project.json"])
def test_one_unwritable_file_leaves_both_as_they_were(name: str, shared: Project) -> None:
    taken = shared.folder / "specs/.schema" / name
    taken.mkdir(parents=True)
    result = shared.run("schema", "--write")
    assert result.exit == 1
    assert result.stderr.count("error[") == 1
    assert f"specs/.schema/{name}" in result.stderr
    assert [file.name for file in taken.parent.iterdir()] == [name]


def test_a_file_in_place_of_the_folder_is_reported(shared: Project) -> None:
    taken = shared.write("specs/.schema", "taken\n")
    result = shared.run("schema", "--write")
    assert result.exit == 1
    assert "error[file-unwritable]: cannot write `specs/.schema/project.json`" in result.stderr
    assert taken.read_text() == "taken\n"


def test_a_file_of_another_program_is_not_replaced(shared: Project) -> None:
    other = shared.write("editor/project.json", '{"name": "a web page"}\n')
    result = shared.run("schema", "--write", "editor")
    assert result.exit == 1
    assert "`editor/project.json` is no schema of this program" in result.stderr
    assert other.read_text() == '{"name": "a web page"}\n'
    assert not (shared.folder / "editor/spec.json").exists()


def test_a_link_out_of_the_project_is_refused(
    shared: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (shared.folder / "specs/.schema").symlink_to(elsewhere)
    result = shared.run("schema", "--write")
    assert result.exit == 1
    assert "error[outside-project]: a symbolic link leads from `specs/.schema/project.json`" in result.stderr
    assert list(elsewhere.iterdir()) == []


def test_a_written_file_keeps_its_permissions(shared: Project) -> None:
    file = shared.write(SPEC, EARLIER)
    file.chmod(0o640)
    write_schema(shared)
    modes = [path.stat().st_mode & 0o777 for path in (file, shared.folder / PROJECT)]
    assert modes == [0o640, 0o666 & ~read_umask()]


def test_a_link_within_the_project_stays(shared: Project) -> None:
    target = shared.write("specs/schemas/spec.json", EARLIER)
    link = shared.folder / SPEC
    link.parent.mkdir()
    link.symlink_to("../schemas/spec.json")
    write_schema(shared)
    assert link.is_symlink()
    assert "snow" in target.read_text()


# Places of the files


def test_write_saves_both_schemas_and_prints_the_editor_lines(project: Project) -> None:
    project.write_groups("  one: {}\n")
    result = project.run("schema", "--write")
    assert result.exit == 0
    folder = project.folder / "specs/.schema"
    assert json.loads((folder / "spec.json").read_text()) == build_schema("spec")
    assert json.loads((folder / "project.json").read_text()) == build_schema("project")
    assert "specs/reconciler.yaml  # yaml-language-server: $schema=.schema/project.json\n" in result.stdout
    assert "specs/groups/*.yaml    # yaml-language-server: $schema=../.schema/spec.json\n" in result.stdout


def test_write_renews_the_schemas_in_the_folder_of_earlier_releases(project: Project) -> None:
    former = project.write("specs/.reconciler/schema/spec.json", EARLIER).parent
    assert project.run("schema", "--write").exit == 0
    assert json.loads((former / "spec.json").read_text()) == build_schema("spec")
    assert json.loads((former / "project.json").read_text()) == build_schema("project")
    assert (project.folder / "specs/.schema/spec.json").exists()


def test_git_takes_the_schemas_of_a_clone(project: Project) -> None:
    project.write_groups("  one: {}\n")
    assert project.run("schema", "--write").exit == 0
    run_git(project.folder, "init", "-q")
    run_git(project.folder, "add", "-A")
    assert "specs/.schema/spec.json" in run_git(project.folder, "ls-files")


def test_write_expands_the_home_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells leave the tilde of `--write=~/editor` as it is."""
    monkeypatch.setenv("HOME", str(project.folder / "home"))
    assert project.run("schema", "--write=~/editor").exit == 0
    assert (project.folder / "home/editor/spec.json").exists()
    assert not (project.folder / "~").exists()


def test_write_accepts_another_folder(project: Project) -> None:
    result = project.run("schema", "--write", "editor")
    assert result.exit == 0
    assert (project.folder / "editor/spec.json").exists()
    assert "$schema=../../editor/spec.json" in result.stdout


def test_an_unwritable_folder_is_reported(project: Project) -> None:
    project.write("taken", "a file\n")
    result = project.run("schema", "--write", "taken")
    assert result.exit == 1
    assert "error[file-unwritable]" in result.stderr
