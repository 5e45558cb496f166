"""Test all findings of a project together, rendered without its secrets."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.report.diagnostics import render_full
from reconciler.spec.load import load
from reconciler.workspace.specs import compile_specs

PROJECT = "version: 1\nspecs: [g.yaml]\n"
CANARY = "hunter2secret"


def render_spec(config: str, more: str = "") -> str:
    """Render a spec of one snowflake destination with more lines in its config, and below the destination."""
    fields = (
        'host: h\ndatabase: d\nuser: u\nport: 443\nauth: PASSWORD\npassword: {secret: "env:DB_PASSWORD"}\n'
    )
    lines = {line.split(":")[0]: line for line in [*fields.splitlines(), *config.splitlines()]}
    top = f'service: snowflake\nregion: AWS_US_EAST_1\ntime_zone_offset: "0"\n{more}config:\n'
    text = top + indent("\n".join(lines.values()), "  ")
    return "version: 1\ngroups:\n  a:\n    destination:\n" + indent(text, "      ") + "\n"


def find_problems(
    directory: Path, spec: str | bytes, project: str = PROJECT, **more: str
) -> list[Diagnostic]:
    """Find all errors, or without errors all warnings, of a project with `g.yaml` and more files."""
    files = {"reconciler": project, "g": spec, **more}
    for name, text in files.items():
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        (directory / f"{name}.yaml").write_bytes(data)
    try:
        return list(compile_specs(load(directory / "reconciler.yaml", directory), strict=False).warnings)
    except ReconcilerError as error:
        return list(error.diagnostics)


def list_codes(found: list[Diagnostic]) -> list[str]:
    return [each.code for each in found]


def get_only(found: list[Diagnostic]) -> Diagnostic:
    assert len(found) == 1, found
    return found[0]


def render(directory: Path, found: list[Diagnostic]) -> str:
    """Render the findings as a user sees them."""

    def line(path: str, number: int) -> str | None:
        lines = (directory / path).read_text(encoding="utf-8", errors="replace").split("\n")
        return lines[number - 1] if number <= len(lines) else None

    return render_full(found, line).plain


def test_the_destination_of_these_tests_has_no_finding(tmp_path: Path) -> None:
    assert find_problems(tmp_path, render_spec("")) == []


@pytest.mark.parametrize(
    "destination",
    [
        f"{{service: snowflake, password: {CANARY}, config: x}}",
        f"{{service: snowflake, config: {{password: {CANARY}, password: {CANARY}}}}}",
        f"{{service: snowflake, config: {{passwrod: {CANARY}}}, regoin: X}}",
        f"{{service: snowflake, config: {{host: h}}, extra_config: {{x: {CANARY}, host: {CANARY}}}}}",
        f"{{profile: nope, config: {{password: {CANARY}}}}}",
        f"{{profile: nope, extra_config: {{x: {CANARY}}}}}",
        f"{{region: {{unset: true}}, extra_config: {{x: {CANARY}}}}}",
        f"{{trust: any, extra_config: {{x: {CANARY}}}}}",
        f"{{profile: [x], api_secret: {CANARY}}}",
        f"{{service: snowflake, config: {{password: *{CANARY}}}}}",
        f"{{service: snowflake, config: {{host: h,\n      port: 'x' y, password: {CANARY}\n    }}}}",
        f"{{service: snowflake, config: {{host: h,\n  password: {CANARY}, user: 'x' y}}}}",
        f"{{service: snowflake, config: {{host: h,\n  password: {CANARY}, user: x}}, region: 1, region: 2}}",
        f"\n      config:\n        a: 1\n     password: {CANARY}: x",
        f"\n      config:\n        a: 1\n  password: {CANARY}: x",
        f"\n      config:\n        private_key: |\n{CANARY}\nmore",
        f'\n      config:\n        password: "{CANARY}\n      region: "x"',
        f"\n      config:\n        password: {CANARY}\u200b",
        f"\n      config:\n        password: >\n          {CANARY}\n          {CANARY}\u200b",
        f"\n      config:\n        password: !{CANARY}",
        f"\n--- {CANARY}",
    ],
)
def test_no_excerpt_shows_a_possible_secret(destination: str, tmp_path: Path) -> None:
    found = find_problems(tmp_path, f"version: 1\ngroups:\n  a:\n    destination: {destination}\n")
    assert found
    assert CANARY not in render(tmp_path, found)
    assert CANARY not in repr(found)


def test_invalid_bytes_do_not_unmask_their_line(tmp_path: Path) -> None:
    spec = render_spec(f"role: {CANARY}\xff").encode("latin-1")
    found = find_problems(tmp_path, spec)
    assert list_codes(found) == ["not-utf8"]
    assert CANARY not in render(tmp_path, found)


@pytest.mark.parametrize(
    ("spec", "project", "text"),
    [
        ("- a\n", PROJECT, "- a"),
        ("hello\n", PROJECT, "hello"),
        (render_spec(""), PROJECT + "hooks: []\n", "hooks: []"),
        (render_spec('role: {value: "env:FIVETRAN_APIKEY"}'), PROJECT, "env:FIVETRAN_APIKEY"),
        ("version: 1\ngroups:\n  a: {destination: {service: snowflaek, region: X}}\n", PROJECT, "snowflaek"),
    ],
)
def test_a_value_other_than_a_secret_is_shown(spec: str, project: str, text: str, tmp_path: Path) -> None:
    assert text in render(tmp_path, find_problems(tmp_path, spec, project))


def test_a_list_of_keys_at_the_top_of_a_file_is_not_shown(tmp_path: Path) -> None:
    assert CANARY not in render(tmp_path, find_problems(tmp_path, f"- password: {CANARY}\n"))
    assert CANARY not in render(tmp_path, find_problems(tmp_path, f"{CANARY}\n"))


@pytest.mark.parametrize("locator", ["FOO", CANARY])
def test_a_reference_between_braces_needs_no_quotes(locator: str, tmp_path: Path) -> None:
    assert find_problems(tmp_path, render_spec(f"password: {{secret: env:{locator}}}")) == []


def test_a_locator_that_may_be_a_secret_is_not_shown(tmp_path: Path) -> None:
    problem = get_only(find_problems(tmp_path, render_spec(f"password: {{secret: evn:{CANARY}}}")))
    assert problem.code == "bad-reference"
    assert CANARY not in repr(problem)


@pytest.mark.parametrize(
    "password", ["{secret: hunter2}", '{secret: "env:"}', '{secret: "env:FOO", x: 1}', "{secret: 1}"]
)
def test_a_malformed_reference_counts_as_declared(password: str, tmp_path: Path) -> None:
    assert list_codes(find_problems(tmp_path, render_spec(f"password: {password}"))) == ["bad-reference"]


@pytest.mark.parametrize("config", ["null", "text", "[]"])
def test_a_malformed_config_has_no_missing_fields(config: str, tmp_path: Path) -> None:
    spec = (
        "version: 1\ngroups:\n  a:\n    destination:\n      service: snowflake\n"
        f"      networking_method: SshTunnel\n      config: {config}\n"
    )
    found = find_problems(tmp_path, spec)
    assert list_codes(found) == ["wrong-shape"]


def test_a_number_instead_of_text_is_quoted_as_written(tmp_path: Path) -> None:
    assert (
        get_only(find_problems(tmp_path, render_spec("role: 1.10"))).help
        == 'put it in quotes: `role: "1.10"`'
    )
    assert (
        get_only(find_problems(tmp_path, render_spec("role: True"))).help
        == 'put it in quotes: `role: "True"`'
    )


PROFILES = """\
version: 1
profiles:
  idle:
    config:
      password: hunter2
      databse: x
    truts: {}
    trust: {certificates: maybe}
    region: {secret: hunter2}
"""


def test_an_unused_profile_is_checked(tmp_path: Path) -> None:
    found = find_problems(tmp_path, render_spec(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=PROFILES)
    assert [(each.code, each.span.line if each.span else 0) for each in found] == [
        ("literal-secret", 5),
        ("unknown-field", 6),
        ("unknown-key", 7),
        ("wrong-shape", 8),
        ("bad-reference", 9),
    ]


def test_a_profile_with_a_service_is_checked_by_its_service(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  idle: {service: snowflake, config: {http_path: x, port: 0}}\n"
    found = find_problems(tmp_path, render_spec(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert list_codes(found) == ["unknown-field", "out-of-range"]


def test_defaults_are_checked_without_any_destination(tmp_path: Path) -> None:
    project = PROJECT + "defaults:\n  destination:\n    config: {token: hunter2}\n    trsut: {}\n"
    found = find_problems(tmp_path, "version: 1\ngroups: {a: {}}\n", project)
    assert list_codes(found) == ["literal-secret", "unknown-key"]


def test_a_literal_secret_in_a_profile_is_found_although_the_group_overrides_it(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  p: {config: {password: hunter2}}\n"
    spec = render_spec("", more="profile: p\n")
    found = find_problems(tmp_path, spec, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert [(each.code, str(each.span)) for each in found] == [("literal-secret", "p.yaml:3:26")]


def test_an_error_of_a_profile_is_reported_once(tmp_path: Path) -> None:
    groups = render_spec("", more="profile: p\n")
    twin = groups.replace("version: 1\ngroups:\n", "").replace("  a:\n", "  b:\n")
    profiles = "version: 1\nprofiles:\n  p: {config: {role: 1.5}, trust: {fingerprints: x}}\n"
    found = find_problems(tmp_path, groups + twin, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert list_codes(found) == ["wrong-type", "wrong-shape"]


def test_a_profile_with_fields_of_several_services_is_accepted(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  p: {config: {http_path: x, role: y}, extra_config: {x_y: 1}}\n"
    assert find_problems(tmp_path, render_spec(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles) == []


def test_an_unknown_profile_hides_no_other_finding(tmp_path: Path) -> None:
    spec = (
        "version: 1\ngroups:\n  a:\n    destination:\n      profile: nope\n      regoin: X\n"
        "  b:\n    destination:\n      service: snowflaek\n      time_zone_offset: '0'\n"
    )
    found = find_problems(tmp_path, spec)
    assert list_codes(found) == ["unknown-profile", "unknown-key", "unknown-service"]


def test_an_unreadable_file_hides_no_finding_in_other_files(tmp_path: Path) -> None:
    broken = "version: 1\nprofiles:\n  p: {region: X\u200b}\ngroups: {c: {name: '\u200b'}}\n"
    spec = "version: 1\ngroups:\n  a: {destination: {profile: p}}\n  b: {destination: {service: snowflaek}}\n"
    found = find_problems(tmp_path, spec, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=broken)
    assert list_codes(found) == ["unknown-service", "forbidden-character", "forbidden-character"]
    assert str(found[0].address) == "destination.b"


def test_an_unreadable_override_file_causes_no_missing_fields(tmp_path: Path) -> None:
    project = PROJECT + "overrides: [o.yaml]\n"
    spec = "version: 1\ngroups:\n  a: {destination: {service: snowflake, config: {prot: 1}}}\n"
    found = find_problems(tmp_path, spec, project, o="version: 1\ngroups: [\n")
    assert list_codes(found) == ["unknown-field", "yaml-syntax"]


def test_a_malformed_entry_hides_no_finding_in_other_entries(tmp_path: Path) -> None:
    spec = (
        "version: 1\nprofiles: {Bad-Name: {region: X}}\ngroups:\n"
        "  a: {destination: {profile: bad_name}}\n  b: {nmae: x}\n"
        "  c: {destination: {service: snowflaek, time_zone_offset: '0'}}\n"
    )
    assert list_codes(find_problems(tmp_path, spec)) == ["bad-key", "unknown-key", "unknown-service"]


def test_a_malformed_unset_causes_no_other_error(tmp_path: Path) -> None:
    assert list_codes(find_problems(tmp_path, render_spec("host: {unset: 1}"))) == ["wrong-shape"]


def test_an_unset_without_effect_is_one_warning_at_its_key(tmp_path: Path) -> None:
    spec = render_spec("role: {unset: true}")
    problem = get_only(find_problems(tmp_path, spec))
    assert (problem.code, problem.severity) == ("unset-nothing", Severity.WARNING)
    assert problem.span is not None
    assert spec.split("\n")[problem.span.line - 1][problem.span.column - 1 :].startswith("role")


def test_a_legacy_service_is_one_warning_with_the_count_of_its_destinations(tmp_path: Path) -> None:
    entry = "  {}: {{destination: {{service: onelake, time_zone_offset: '0'}}}}\n"
    spec = "version: 1\ngroups:\n" + "".join(entry.format(key) for key in "abc")
    found = [each for each in find_problems(tmp_path, spec) if each.code == "legacy-service"]
    assert "3 destinations are of this service" in get_only(found).notes
    assert "managed_data_lake" in get_only(found).help


def test_trees_of_files_are_parsed_again_for_findings(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text(
        "version: 1\nspecs: ['*.spec.yaml']\nvars: {HOST: acme.example}\n"
    )
    entry = "{service: redshift, config: {host: '${HOST}', port: 5439}}"
    for key in ("first", "second"):
        text = f"version: 1\ngroups:\n  {key}: {{destination: {entry}}}\n"
        (tmp_path / f"{key}.spec.yaml").write_text(text)
    loaded = load(tmp_path / "reconciler.yaml", tmp_path)
    specs = compile_specs(loaded, strict=False)
    assert dict(specs.roots) == dict(loaded.roots)
    assert specs.roots["first.spec.yaml"] is not loaded.roots["first.spec.yaml"]
    assert (len(specs.roots), "second.spec.yaml" in specs.roots, "other" in specs.roots) == (3, True, False)
