"""Test loading a project: groups, or the findings of all files together."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.spec.load import GroupSpec, LoadedProject, load, load_strictly
from reconciler.spec.nodes import find_span, to_plain
from reconciler.spec.unsaved import UnsavedFiles

PROJECT = "version: 1\nspecs: ['groups/*.yaml']\n"
GROUP = "version: 1\ngroups:\n  alpha: {}\n"


def write_files(directory: Path, **files: str) -> Path:
    """Write files by name: `groups__a` is `groups/a.yaml`."""
    for name, text in files.items():
        file = directory / (name.replace("__", "/") + ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return directory / "reconciler.yaml"


def load_files(directory: Path, **files: str) -> LoadedProject:
    return load_strictly(write_files(directory, **files), directory)


def load_group(directory: Path, **files: str) -> GroupSpec:
    [group] = load_files(directory, **files).groups
    return group


def find_problems(directory: Path, **files: str) -> list[Diagnostic]:
    project = write_files(directory, **files)
    with pytest.raises(ReconcilerError) as raised:
        load_strictly(project, directory)
    return list(raised.value.diagnostics)


def find_problem(directory: Path, **files: str) -> Diagnostic:
    [only] = find_problems(directory, **files)
    return only


def test_a_group_has_its_key_as_name_and_may_lack_a_destination(tmp_path: Path) -> None:
    group = load_group(tmp_path, reconciler=PROJECT, groups__a=GROUP)
    assert (group.key, group.name, group.id, group.destination) == ("alpha", "alpha", None, None)
    assert str(group.key_span) == str(group.name_span) == "groups/a.yaml:3:3"


def test_id_and_name_are_read_with_the_span_of_the_name(tmp_path: Path) -> None:
    text = "version: 1\ngroups:\n  alpha:\n    id: decent_dropsy\n    name: Shared lake\n"
    group = load_group(tmp_path, reconciler=PROJECT, groups__a=text)
    assert (group.id, group.name, str(group.name_span)) == (
        "decent_dropsy",
        "Shared lake",
        "groups/a.yaml:5:11",
    )


def test_a_destination_is_merged_from_defaults_profile_entry_and_overrides(tmp_path: Path) -> None:
    group = load_group(
        tmp_path,
        reconciler="""\
            version: 1
            specs: [profiles.yaml, 'groups/*.yaml']
            overrides: [prod.yaml, prod2.yaml]
            defaults:
              destination: {region: GCP_US_EAST4, trust: {certificates: any, fingerprints: any}}
            """,
        profiles="version: 1\nprofiles:\n  snow: {service: snowflake, config: {port: 443, role: A}}\n",
        groups__a="""\
            version: 1
            groups:
              alpha:
                destination:
                  profile: snow
                  config: {role: B, host: h}
                  trust: {certificates: {unset: true}}
            """,
        prod="version: 1\ngroups:\n  alpha: {destination: {config: {host: p1, user: u}}}\n",
        prod2="version: 1\ngroups:\n  alpha: {name: Alpha, destination: {config: {host: p2}}}\n",
    )
    assert group.name == "Alpha"
    assert group.destination is not None
    assert to_plain(group.destination) == {
        "region": "GCP_US_EAST4",
        "service": "snowflake",
        "trust": {"fingerprints": "any"},
        "config": {"port": 443, "role": "B", "host": "p2", "user": "u"},
    }
    paths = {
        key: find_span(group.destination, ("config", key)).path for key in ("port", "role", "user", "host")
    }
    assert paths == {
        "port": "profiles.yaml",
        "role": "groups/a.yaml",
        "user": "prod.yaml",
        "host": "prod2.yaml",
    }


def test_an_override_can_name_another_profile(tmp_path: Path) -> None:
    group = load_group(
        tmp_path,
        reconciler="version: 1\nspecs: [a.yaml]\noverrides: [b.yaml]\n",
        a="version: 1\nprofiles:\n  x: {region: X}\n  y: {region: Y}\n"
        "groups:\n  alpha: {destination: {profile: x}}\n",
        b="version: 1\ngroups:\n  alpha: {destination: {profile: y}}\n",
    )
    assert group.destination is not None
    assert to_plain(group.destination) == {"region": "Y"}


def test_groups_are_sorted_by_key_and_files_by_path(tmp_path: Path) -> None:
    got = load_files(
        tmp_path,
        reconciler=PROJECT,
        groups__b="version: 1\ngroups:\n  alpha: {}\n",
        groups__a="version: 1\ngroups:\n  beta: {}\n  aleph: {}\n",
    )
    assert [each.key for each in got.groups] == ["aleph", "alpha", "beta"]
    assert got.files == ("groups/a.yaml", "groups/b.yaml")


def test_the_account_id_is_read_with_its_span(tmp_path: Path) -> None:
    got = load_files(tmp_path, reconciler=f"account_id: intently_yarn\n{PROJECT}", groups__a=GROUP)
    assert (got.project.content.account_id, str(got.project.account_id_span)) == (
        "intently_yarn",
        "reconciler.yaml:1:13",
    )
    assert got.project.directory == tmp_path


def test_paths_outside_the_working_directory_are_absolute(tmp_path: Path) -> None:
    project = write_files(tmp_path / "specs", reconciler=PROJECT, groups__a=GROUP)
    (tmp_path / "elsewhere").mkdir()
    assert load_strictly(project, tmp_path / "elsewhere").files == (str(tmp_path / "specs/groups/a.yaml"),)
    assert load_strictly(project, tmp_path).files == ("specs/groups/a.yaml",)


def test_an_unset_without_effect_is_a_warning(tmp_path: Path) -> None:
    text = "version: 1\ngroups:\n  alpha: {destination: {regoin: {unset: true}}}\n"
    got = load_files(tmp_path, reconciler=PROJECT, groups__a=text)
    assert [each.code for each in got.warnings] == ["unset-nothing"]


def test_a_missing_project_file_is_reported_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError) as raised:
        load_strictly(Path("specs/reconciler.yaml"), tmp_path)
    [problem] = raised.value.diagnostics
    assert problem.code == "file-unreadable"
    assert "`specs/reconciler.yaml`" in problem.message
    assert "--project FILE" in problem.help


@pytest.mark.parametrize(
    ("project", "code", "where"),
    [
        ("", "empty-spec", "1:1"),
        ("version: 1\n", "missing-key", "1:1"),
        ("specs: [a.yaml]\n", "missing-key", "1:1"),
        ("version: 2\nspecs: [a.yaml]\n", "unsupported-version", "1:10"),
        ("version: true\nspecs: [a.yaml]\n", "unsupported-version", "1:10"),
        ("version: 1\nspecs: []\n", "wrong-shape", "2:8"),
        ("version: 1\nspecs: a.yaml\n", "wrong-shape", "2:8"),
        ("version: 1\nspecs: [a.yaml, 3]\n", "wrong-shape", "2:17"),
        ("version: 1\nspecs: ['']\n", "wrong-shape", "2:9"),
        ("version: 1\nspecs: [a.yaml]\nacount_id: x\n", "unknown-key", "3:1"),
        ("version: 1\nspecs: [a.yaml]\nparallelism: 3\n", "unknown-key", "3:1"),
        ("version: 1\nspecs: [a.yaml]\naccount_id: 17\n", "wrong-shape", "3:13"),
        ("version: 1\nspecs: [a.yaml]\naccount_id: 'a/b'\n", "bad-id", "3:13"),
        ("version: 1\nspecs: [a.yaml]\ndefaults: {group: {}}\n", "unknown-key", "3:12"),
        ("version: 1\nspecs: [a.yaml]\ndefaults: {destination: {profile: x}}\n", "unknown-key", "3:26"),
        ("version: 1\nspecs: [a.yaml]\ndefaults: {destination: 1}\n", "wrong-shape", "3:25"),
        ("version: 1\nspecs: [b.yaml]\n", "no-match", "2:9"),
        ("version: 1\nspecs: ['b*.yaml']\n", "no-match", "2:9"),
        ("version: 1\nspecs: ['**b.yaml']\n", "no-match", "2:9"),
        ("version: 1\nspecs: ['*.yaml']\noverrides: [c.yaml]\n", "no-match", "3:13"),
        ("version: 1\nspecs: ['../*.yaml']\n", "outside-project", "2:9"),
        ("version: 1\nspecs: ['reconciler*']\n", "no-match", "2:9"),
    ],
)
def test_a_bad_project_file_is_one_finding_at_its_span(
    project: str, code: str, where: str, tmp_path: Path
) -> None:
    problem = find_problem(tmp_path, reconciler=project, a=GROUP)
    assert (problem.code, str(problem.span)) == (code, f"reconciler.yaml:{where}")
    assert problem.help


@pytest.mark.parametrize("setting", ["state", "settle"])
@pytest.mark.parametrize(
    ("value", "message", "column"),
    [
        ("", "`{}` must be text", 1),
        ("true", "`{}` must be text", 0),
        ("[1]", "`{}` must be text, not a list", 0),
        ("{a: b}", "`{}` must be text, not a mapping", 0),
    ],
)
def test_a_setting_parsed_from_text_accepts_only_text(
    setting: str, value: str, message: str, column: int, tmp_path: Path
) -> None:
    project = f"version: 1\nspecs: [a.yaml]\n{setting}: {value}\n"
    problem = find_problem(tmp_path, reconciler=project, a=GROUP)
    assert (problem.code, problem.message) == ("wrong-shape", message.format(setting))
    assert str(problem.span) == f"reconciler.yaml:3:{column or len(setting) + 3}"


@pytest.mark.parametrize(
    ("spec", "code", "where"),
    [
        ("", "empty-spec", "1:1"),
        ("version: 1\n", "empty-spec", "1:1"),
        ("version: 1\ngroups: {}\n", "empty-spec", "1:1"),
        ("version: 1\ngroups:\n", "wrong-shape", "2:1"),
        ("groups: {a: {}}\n", "missing-key", "1:1"),
        ("version: '1'\ngroups: {a: {}}\n", "unsupported-version", "1:10"),
        ("version: 1\ngroup: {a: {}}\ngroups: {a: {}}\n", "unknown-key", "2:1"),
        ("version: 1\ngroups: {Big: {}}\n", "bad-key", "2:10"),
        ("version: 1\ngroups: {a-b: {}}\n", "bad-key", "2:10"),
        ("version: 1\ngroups: {a: {}}\nprofiles: {A: {}}\n", "bad-key", "3:12"),
        ("version: 1\ngroups: {a: }\n", "wrong-shape", "2:10"),
        ("version: 1\ngroups: {a: {nmae: x}}\n", "unknown-key", "2:14"),
        ("version: 1\ngroups: {a: {service: x}}\n", "unknown-key", "2:14"),
        ("version: 1\ngroups: {a: {name: ''}}\n", "wrong-shape", "2:20"),
        ("version: 1\ngroups: {a: {name: ' x'}}\n", "wrong-shape", "2:20"),
        ("version: 1\ngroups: {a: {name: 3}}\n", "wrong-shape", "2:20"),
        ("version: 1\ngroups: {a: {name: [x]}}\n", "wrong-shape", "2:20"),
        ("version: 1\ngroups: {a: {name: {unset: true}}}\n", "wrong-shape", "2:20"),
        ("version: 1\ngroups: {a: {id: a/b}}\n", "bad-id", "2:18"),
        ("version: 1\ngroups: {a: {id: ''}}\n", "bad-id", "2:18"),
        ("version: 1\ngroups: {a: {destination: }}\n", "wrong-shape", "2:14"),
        ("version: 1\ngroups: {a: {destination: [x]}}\n", "wrong-shape", "2:27"),
        ("version: 1\ngroups: {a: {destination: {profile: x}}}\n", "unknown-profile", "2:37"),
        ("version: 1\ngroups: {a: {destination: {profile: [x]}}}\n", "wrong-shape", "2:37"),
        ("version: 1\ngroups: {a: {}}\nprofiles: {p: x}\n", "wrong-shape", "3:15"),
        ("version: 1\ngroups: {a: {}}\nprofiles: {p: {profile: q}}\n", "unknown-key", "3:16"),
        ("version: 1\ngroups: {a: {}, b: {name: a}}\n", "duplicate-name", "2:27"),
        ("version: 1\ngroups: {a: {id: x}, b: {id: x}}\n", "duplicate-id", "2:30"),
        ("version: 1\ngroups: {a: {destination: {config: {x: {unset: 1}}}}}\n", "wrong-shape", "2:41"),
        ("version: 1\nprofiles: {p: {}}\n", "empty-spec", ""),
    ],
)
def test_a_bad_spec_file_is_one_finding_at_its_span(spec: str, code: str, where: str, tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler=PROJECT, groups__a=spec)
    expected = f"groups/a.yaml:{where}" if where else "reconciler.yaml:2:9"
    assert (problem.code, str(problem.span)) == (code, expected)
    assert problem.help


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ("version: 1\ngroups: {a: {nmae: x}}\n", "did you mean `name`?"),
        ("version: 1\ngruops: {a: {}}\ngroups: {b: {}}\n", "did you mean `groups`?"),
        (
            "version: 1\ngroups: {a: {service: x}}\n",
            "known here are `id`, `name`, `was`, `destination`; settings of a destination stand below `destination:`",
        ),
        (
            "version: 1\nprofiles: {snow: {}}\ngroups: {a: {destination: {profile: snwo}}}\n",
            "did you mean `snow`?",
        ),
    ],
)
def test_misspelt_keys_get_suggestions(spec: str, advice: str, tmp_path: Path) -> None:
    assert find_problem(tmp_path, reconciler=PROJECT, groups__a=spec).help == advice


def test_findings_of_all_files_are_raised_together(tmp_path: Path) -> None:
    problems = find_problems(
        tmp_path,
        reconciler=PROJECT,
        groups__a="version: 1\ngroups: {a: 'x\n",
        groups__b="version: 1\ngroups: {Bad: {}}\n",
        groups__c="version: 1\ngroups: {c: {}, d: {name: c}}\n",
    )
    assert [(each.code, each.span.path if each.span else "") for each in problems] == [
        ("yaml-syntax", "groups/a.yaml"),
        ("bad-key", "groups/b.yaml"),
        ("duplicate-name", "groups/c.yaml"),
    ]


def test_definitions_of_a_broken_file_are_not_reported_as_missing(tmp_path: Path) -> None:
    problem = find_problem(
        tmp_path,
        reconciler="version: 1\nspecs: [profiles.yaml, a.yaml]\noverrides: [b.yaml]\n",
        profiles="version: 1\nprofiles: [\n",
        a="version: 1\ngroups: {a: {destination: {profile: snow}}}\n",
        b="version: 1\ngroups: {zeta: {}}\n",
    )
    assert problem.code == "yaml-syntax"


def test_a_key_in_two_files_is_an_error_with_both_spans(tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler=PROJECT, groups__a=GROUP, groups__b=GROUP)
    assert (problem.code, str(problem.span)) == ("duplicate-group", "groups/b.yaml:3:3")
    assert problem.notes == ("first described at groups/a.yaml:3:3",)


def test_a_profile_in_two_files_is_an_error_with_both_spans(tmp_path: Path) -> None:
    text = "version: 1\nprofiles: {p: {}}\ngroups: {%s: {}}\n"
    problem = find_problem(tmp_path, reconciler=PROJECT, groups__a=text % "a", groups__b=text % "b")
    assert (problem.code, problem.notes) == ("duplicate-key", ("first described at groups/a.yaml:2:12",))


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("version: 1\ngroups: {alhpa: {}}\n", "unknown-override-target"),
        ("version: 1\ngroups: {alpha: {}}\nprofiles: {}\n", "unknown-key"),
        ("version: 1\n", "empty-spec"),
        ("version: 1\ngroups: {}\n", "empty-spec"),
    ],
)
def test_an_override_only_changes_groups_that_exist(override: str, code: str, tmp_path: Path) -> None:
    project = f"{PROJECT}overrides: [prod.yaml]\n"
    assert find_problem(tmp_path, reconciler=project, groups__a=GROUP, prod=override).code == code


def test_a_file_that_matches_twice_is_read_once(tmp_path: Path) -> None:
    project = "version: 1\nspecs: [a.yaml, './a.yaml', '*.yaml', '**/*.yaml']\n"
    (tmp_path / "link.yaml").symlink_to(tmp_path / "a.yaml")
    assert load_files(tmp_path, reconciler=project, a=GROUP).files == ("a.yaml",)


def test_a_glob_excludes_the_project_file_overrides_hidden_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "dir.yaml").mkdir()
    files = {
        "reconciler": "version: 1\nspecs: ['**/*.yaml']\noverrides: [prod.yaml]\n",
        "prod": "version: 1\ngroups: {alpha: {name: A}}\n",
        ".hidden": "not: [a spec",
        ".git__a": "not: [a spec",
        "a": GROUP,
    }
    assert load_files(tmp_path, **files).files == ("a.yaml", "prod.yaml")


def test_an_absolute_path_outside_the_project_is_accepted(tmp_path: Path) -> None:
    write_files(tmp_path / "shared", groups=GROUP)
    project = f"version: 1\nspecs: ['{tmp_path}/shared/*.yaml']\n"
    got = load_strictly(write_files(tmp_path / "specs", reconciler=project), tmp_path)
    assert got.files == ("shared/groups.yaml",)


@pytest.fixture
def monorepo(tmp_path: Path) -> Path:
    """Create a repository with a project in `envs/prod`, and a folder beside the repository."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    write_files(root / "shared/specs", a=GROUP)
    write_files(tmp_path / "beside", b=GROUP.replace("alpha", "beta"))
    return root


@pytest.mark.parametrize(
    "pattern",
    [
        "../../shared/specs/*.yaml",
        "../../shared/specs/a.yaml",
        "../../s*/**/a.yaml",
        "x/../../../shared/specs/*.yaml",
    ],
)
def test_specs_elsewhere_in_the_repository_are_found_by_relative_paths(pattern: str, monorepo: Path) -> None:
    project = write_files(monorepo / "envs/prod", reconciler=f"version: 1\nspecs: ['{pattern}']\n")
    assert load_strictly(project, monorepo).files == ("shared/specs/a.yaml",)
    assert load_strictly(project, monorepo / "envs/prod").files == ("../../shared/specs/a.yaml",)
    assert load_strictly(project, monorepo.parent).files == ("repository/shared/specs/a.yaml",)


def test_overrides_elsewhere_in_the_repository_are_found(monorepo: Path) -> None:
    write_files(monorepo / "shared", prod="version: 1\ngroups: {alpha: {name: Alpha}}\n")
    text = "version: 1\nspecs: [../../shared/specs/a.yaml]\noverrides: [../../shared/prod.yaml]\n"
    project = write_files(monorepo / "envs/prod", reconciler=text)
    assert load_strictly(project, monorepo).files == ("shared/specs/a.yaml", "shared/prod.yaml")


def test_an_absolute_path_within_the_repository_is_shown_relative(monorepo: Path) -> None:
    text = f"version: 1\nspecs: ['{monorepo}/shared/specs/*.yaml']\n"
    project = write_files(monorepo / "envs/prod", reconciler=text)
    assert load_strictly(project, monorepo / "envs/prod").files == ("../../shared/specs/a.yaml",)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("../../../beside/*.yaml", "leads out of the repository of the project"),
        ("../../../../../../../../b.yaml", "leads out of the repository of the project"),
        ("link.yaml", "a symbolic link leads from `link.yaml` out of the repository of the project"),
        ("l*.yaml", "a symbolic link leads from `l*.yaml` out of the repository of the project"),
        ("dir/b.yaml", "a symbolic link leads from `dir/b.yaml` out of the repository of the project"),
        ("../../shared/out/b.yaml", "a symbolic link leads from `../../shared/out/b.yaml` out of"),
    ],
)
def test_a_path_that_leads_out_of_the_repository_is_refused(pattern: str, words: str, monorepo: Path) -> None:
    folder = monorepo / "envs/prod"
    project = write_files(folder, reconciler=f"version: 1\nspecs: ['{pattern}']\n")
    (folder / "link.yaml").symlink_to(monorepo.parent / "beside/b.yaml")
    (folder / "dir").symlink_to(monorepo.parent / "beside")
    (monorepo / "shared/out").symlink_to(monorepo.parent / "beside")
    with pytest.raises(ReconcilerError) as raised:
        load_strictly(project, monorepo)
    [problem] = raised.value.diagnostics
    assert problem.code == "outside-project"
    assert words in problem.message
    assert problem.help == "move the file into the repository, or name it by an absolute path"


def test_a_link_to_another_folder_of_the_repository_is_followed(monorepo: Path) -> None:
    project = write_files(monorepo / "envs/prod", reconciler="version: 1\nspecs: [groups/*.yaml]\n")
    (monorepo / "envs/prod/groups").symlink_to("../../shared/specs")
    assert load_strictly(project, monorepo).files == ("envs/prod/groups/a.yaml",)


@pytest.mark.parametrize("pattern", ["link.yaml", "l*.yaml", "dir/groups.yaml"])
def test_a_link_that_leads_out_of_the_project_is_refused(pattern: str, tmp_path: Path) -> None:
    write_files(tmp_path / "outside", groups=GROUP)
    inside = tmp_path / "specs"
    project = write_files(inside, reconciler=f"version: 1\nspecs: ['{pattern}']\n")
    (inside / "link.yaml").symlink_to(tmp_path / "outside/groups.yaml")
    (inside / "dir").symlink_to(tmp_path / "outside")
    with pytest.raises(ReconcilerError) as raised:
        load_strictly(project, tmp_path)
    assert [each.code for each in raised.value.diagnostics] == ["outside-project"]


def test_circular_links_are_no_endless_loop(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.yaml").symlink_to(tmp_path / "self.yaml")
    problem = find_problem(tmp_path, reconciler="version: 1\nspecs: ['**/*.yaml']\n", a=GROUP)
    assert problem.code == "file-unreadable"


def test_a_pattern_without_match_is_reported_with_other_findings(tmp_path: Path) -> None:
    project = "version: 1\nspecs: [groups, 'x/*.yaml', '../y.yaml']\noverrides: [z.yaml]\n"
    problems = find_problems(tmp_path, reconciler=project, groups__a=GROUP)
    assert sorted(each.code for each in problems) == ["no-match", "no-match", "outside-project"]


def test_a_directory_in_specs_is_refused(tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler="version: 1\nspecs: [groups]\n", groups__a=GROUP)
    assert (problem.code, str(problem.span)) == ("file-unreadable", "reconciler.yaml:2:9")


@pytest.mark.parametrize(
    ("entry", "hidden"),
    [("passwrod: canary", True), ("destnation: {config: {password: canary}}", True), ("nmae: Alpha", False)],
)
def test_the_excerpt_of_an_unknown_key_is_hidden_if_it_may_show_a_secret(
    entry: str, hidden: bool, tmp_path: Path
) -> None:
    text = f"version: 1\ngroups:\n  alpha:\n    {entry}\n"
    assert find_problem(tmp_path, reconciler=PROJECT, groups__a=text).secret is hidden


def test_values_are_not_repeated_in_messages(tmp_path: Path) -> None:
    text = """\
        version: 1
        groups:
          alpha:
            id: canary/1
            name: [canary]
            passwrod: canary
            destination: canary
        """
    problems = find_problems(tmp_path, reconciler=PROJECT, groups__a=text)
    assert len(problems) == 4
    for each in problems:
        assert "canary" not in f"{each.message} {each.help} {each.notes} {each.label}"


def test_an_impossible_file_name_matches_nothing(tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler=f"version: 1\nspecs: [{'x' * 5000}]\n", a=GROUP)
    assert problem.code == "no-match"
    with pytest.raises(ReconcilerError) as raised:
        load_strictly(tmp_path / ("x" * 5000), tmp_path)
    assert [each.code for each in raised.value.diagnostics] == ["file-unreadable"]


@pytest.mark.parametrize(
    ("project", "spec", "words"),
    [
        (PROJECT, "version: 1\ngroups: [a]\n", "`analytics: {}`"),
        (PROJECT, "version: 1\ngroups:\n", "`analytics: {}`"),
        (PROJECT, "version: 1\ngroups: {a: }\n", "`a: {}`"),
        (PROJECT, "version: 1\ngroups: {a: {destination: }}\n", "`service: snowflake`"),
        ("version: 1\nspecs: a.yaml\n", GROUP, '`specs: ["a.yaml"]`'),
        ("version: 1\nspecs: []\n", GROUP, '`specs: ["groups/*.yaml"]`'),
        ("version: 1\nspecs: [a.yaml]\noverrides: b.yaml\n", GROUP, '`overrides: ["b.yaml"]`'),
    ],
)
def test_help_shows_the_correct_form(project: str, spec: str, words: str, tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler=project, groups__a=spec)
    assert problem.code == "wrong-shape"
    assert words in problem.help


def test_an_empty_list_is_not_reported_as_another_type(tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler="version: 1\nspecs: []\n")
    assert problem.message == "`specs` must be a list with at least one entry"


@pytest.mark.parametrize(
    ("key", "like"), [("Ab-c", "ab_c"), ("'1'", "group_1"), ("Žluť", "lu"), ("'-'", "group"), ("a b", "a_b")]
)
def test_a_bad_key_is_reported_with_a_valid_key(key: str, like: str, tmp_path: Path) -> None:
    problem = find_problem(tmp_path, reconciler=PROJECT, groups__a=f"version: 1\ngroups: {{{key}: {{}}}}\n")
    assert problem.code == "bad-key"
    assert f"`{key.strip(chr(39))}`" in problem.message
    assert f"`{like}`" in problem.help


def test_twins_are_reported_by_their_common_name_or_id(tmp_path: Path) -> None:
    text = "version: 1\ngroups: {a: {name: X, id: one}, b: {name: X, id: one}}\n"
    messages = [each.message for each in find_problems(tmp_path, reconciler=PROJECT, groups__a=text)]
    assert messages == [
        "groups `a` and `b` have the same name `X`",
        "groups `a` and `b` have the same id `one`",
    ]


def test_a_path_outside_the_project_is_named(tmp_path: Path) -> None:
    assert "`../x`" in find_problem(tmp_path, reconciler="version: 1\nspecs: ['../x']\n").message


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("$${X}", "${X}"), ("$$${X}", "$${X}"), ("a$${b}$${", "a${b}${"), ("$", "$"), ("$5 {x}", "$5 {x}")],
)
def test_an_escaped_mark_stands_for_itself_everywhere(text: str, meaning: str, tmp_path: Path) -> None:
    spec = f"version: 1\ngroups:\n  alpha:\n    name: '{text}'\n    destination: {{config: {{'{text}': ['{text}']}}}}\n"
    [group] = load_files(tmp_path, reconciler=PROJECT, groups__a=spec).groups
    assert group.name == meaning
    assert group.destination is not None
    assert to_plain(group.destination) == {"config": {meaning: [meaning]}}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("${X}", "undefined-variable"),
        ("a ${X} b", "undefined-variable"),
        ("$${a}${b}", "undefined-variable"),
        ("${X:-y}", "bad-variable"),
        ("${ X }", "bad-variable"),
        ("${1X}", "bad-variable"),
        ("${}", "bad-variable"),
        ("${", "bad-variable"),
        ("${{ github.actor }}", "bad-variable"),
    ],
)
def test_a_mark_without_a_value_is_an_error_at_its_place(text: str, code: str, tmp_path: Path) -> None:
    spec = f"version: 1\ngroups:\n  alpha:\n    name: '{text}'\n"
    [problem] = select_errors(find_problems(tmp_path, reconciler=PROJECT, groups__a=spec))
    column = 12 + text.replace("$${", "___").index("${")
    assert (problem.code, str(problem.span)) == (code, f"groups/a.yaml:4:{column}")
    assert "`$${`" in problem.help


def test_a_malformed_mark_is_located_behind_a_variable(tmp_path: Path) -> None:
    spec = "version: 1\ngroups:\n  alpha:\n    name: '${X} ${Y-}'\n"
    assert str(find_problem(tmp_path, reconciler=PROJECT, groups__a=spec).span) == "groups/a.yaml:4:17"


def test_an_undefined_variable_is_found_in_overrides_profiles_and_defaults(tmp_path: Path) -> None:
    project = "version: 1\nspecs: ['groups/*.yaml']\noverrides: [prod.yaml]\n"
    spec = "version: 1\nprofiles: {p: {region: '${A}'}}\ngroups: {alpha: {destination: {region: x}}}\n"
    override = "version: 1\ngroups: {alpha: {destination: {region: '${B}'}}}\n"
    found = find_problems(tmp_path, reconciler=project, groups__a=spec, prod=override)
    assert [str(each.span) for each in found] == ["groups/a.yaml:2:25", "prod.yaml:2:41"]
    defaults = f"{PROJECT}defaults: {{destination: {{region: '${{C}}'}}}}\n"
    [problem] = select_errors(find_problems(tmp_path, reconciler=defaults, groups__a=GROUP))
    assert (problem.code, str(problem.span)) == ("undefined-variable", "reconciler.yaml:3:35")


def test_a_value_of_several_lines_is_located_by_its_line(tmp_path: Path) -> None:
    head = "version: 1\ngroups:\n  alpha:\n    destination:\n      config:\n"
    spec = f"{head}        a: |\n          $${{x}}\n          y ${{z}}\n"
    assert str(find_problem(tmp_path, reconciler=PROJECT, groups__a=spec).span) == "groups/a.yaml:8:13"


def test_a_value_behind_aliases_is_reported_once(tmp_path: Path) -> None:
    spec = "version: 1\ngroups:\n  alpha: {destination: &d {region: '${X}'}}\n  beta: {destination: *d}\n"
    assert str(find_problem(tmp_path, reconciler=PROJECT, groups__a=spec).span) == "groups/a.yaml:3:37"


def test_look_alikes_of_variables_are_one_warning_of_each_kind_in_a_file(tmp_path: Path) -> None:
    spec = "version: 1\ngroups:\n  alpha: {name: '$USER {{ x }}'}\n  beta: {name: '$HOME {{ y }}'}\n"
    loaded = load_files(tmp_path, reconciler=PROJECT, groups__a=spec)
    assert [(each.code, str(each.span)) for each in loaded.warnings] == [
        ("unexpanded-text", "groups/a.yaml:3:18"),
        ("unexpanded-text", "groups/a.yaml:3:24"),
    ]


def test_commands_may_have_variables_of_their_shell(tmp_path: Path) -> None:
    project = f"{PROJECT}secrets: {{commands: {{key: [sh, -c, 'echo $KEY $${{KEY}} {{{{ x }}}}']}}}}\n"
    loaded = load_files(tmp_path, reconciler=project, groups__a=GROUP)
    assert loaded.warnings == ()
    assert loaded.project.content.secrets.commands["key"][-1] == "echo $KEY ${KEY} {{ x }}"


@pytest.mark.parametrize("name", ["groups/a.yaml", "profiles/a.yaml"])
def test_a_project_with_an_unsaved_file_is_not_fresh(name: str, tmp_path: Path) -> None:
    """The other glob of the project still matches nothing, and that stays an error once the file is written."""
    project = write_files(tmp_path, reconciler="version: 1\nspecs: ['groups/*.yaml', 'profiles/*.yaml']\n")
    assert [each.code for each in load(project, tmp_path).findings] == ["no-specs"]
    unsaved = UnsavedFiles({(tmp_path / name).resolve(): GROUP})
    with pytest.raises(ReconcilerError) as raised:
        load(project, tmp_path, unsaved=unsaved)
    assert [each.code for each in raised.value.diagnostics] == ["no-match"]
