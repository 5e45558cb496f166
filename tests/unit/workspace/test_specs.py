"""Everything that is wrong with a project, found together, and shown without its secrets."""

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


def snowflake(config: str, more: str = "") -> str:
    """A spec of one snowflake destination with some lines more in its config, and below the destination."""
    fields = (
        'host: h\ndatabase: d\nuser: u\nport: 443\nauth: PASSWORD\npassword: {secret: "env:DB_PASSWORD"}\n'
    )
    lines = {line.split(":")[0]: line for line in [*fields.splitlines(), *config.splitlines()]}
    top = f'service: snowflake\nregion: AWS_US_EAST_1\ntime_zone_offset: "0"\n{more}config:\n'
    text = top + indent("\n".join(lines.values()), "  ")
    return "version: 1\ngroups:\n  a:\n    destination:\n" + indent(text, "      ") + "\n"


def findings(directory: Path, spec: str | bytes, project: str = PROJECT, **more: str) -> list[Diagnostic]:
    """All errors, or where there are none all warnings, of a project with `g.yaml` and more files."""
    files = {"reconciler": project, "g": spec, **more}
    for name, text in files.items():
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        (directory / f"{name}.yaml").write_bytes(data)
    try:
        return list(compile_specs(load(directory / "reconciler.yaml", directory), strict=False).warnings)
    except ReconcilerError as error:
        return list(error.diagnostics)


def codes(found: list[Diagnostic]) -> list[str]:
    return [each.code for each in found]


def only(found: list[Diagnostic]) -> Diagnostic:
    assert len(found) == 1, found
    return found[0]


def shown(directory: Path, found: list[Diagnostic]) -> str:
    """What a person sees of them."""

    def line(path: str, number: int) -> str | None:
        lines = (directory / path).read_text(encoding="utf-8", errors="replace").split("\n")
        return lines[number - 1] if number <= len(lines) else None

    return render_full(found, line).plain


def test_the_destination_that_tests_start_from_is_in_order(tmp_path: Path) -> None:
    assert findings(tmp_path, snowflake("")) == []


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
def test_no_excerpt_shows_what_may_be_a_secret(destination: str, tmp_path: Path) -> None:
    found = findings(tmp_path, f"version: 1\ngroups:\n  a:\n    destination: {destination}\n")
    assert found
    assert CANARY not in shown(tmp_path, found)
    assert CANARY not in repr(found)


def test_bytes_that_are_no_text_do_not_uncover_their_line(tmp_path: Path) -> None:
    spec = snowflake(f"role: {CANARY}\xff").encode("latin-1")
    found = findings(tmp_path, spec)
    assert codes(found) == ["not-utf8"]
    assert CANARY not in shown(tmp_path, found)


@pytest.mark.parametrize(
    ("spec", "project", "text"),
    [
        ("- a\n", PROJECT, "- a"),
        ("hello\n", PROJECT, "hello"),
        (snowflake(""), PROJECT + "hooks: []\n", "hooks: []"),
        (snowflake('role: {value: "env:FIVETRAN_APIKEY"}'), PROJECT, "env:FIVETRAN_APIKEY"),
        ("version: 1\ngroups:\n  a: {destination: {service: snowflaek, region: X}}\n", PROJECT, "snowflaek"),
    ],
)
def test_what_is_no_secret_is_shown(spec: str, project: str, text: str, tmp_path: Path) -> None:
    assert text in shown(tmp_path, findings(tmp_path, spec, project))


def test_a_list_of_keys_at_the_top_of_a_file_is_not_shown(tmp_path: Path) -> None:
    assert CANARY not in shown(tmp_path, findings(tmp_path, f"- password: {CANARY}\n"))
    assert CANARY not in shown(tmp_path, findings(tmp_path, f"{CANARY}\n"))


def test_a_reference_without_quotes_is_told_with_the_line_to_write(tmp_path: Path) -> None:
    problem = only(findings(tmp_path, snowflake("password: {secret: env:FOO}")))
    assert (problem.code, problem.help) == (
        "yaml-syntax",
        'put the reference in quotes: `{secret: "env:FOO"}`',
    )


def test_a_locator_that_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    problem = only(findings(tmp_path, snowflake(f"password: {{secret: env:{CANARY}}}")))
    assert CANARY not in repr(problem)
    assert '`{secret: "scheme:locator"}`' in problem.help


@pytest.mark.parametrize(
    "password", ["{secret: hunter2}", '{secret: "env:"}', '{secret: "env:FOO", x: 1}', "{secret: 1}"]
)
def test_a_reference_that_cannot_be_read_counts_as_declared(password: str, tmp_path: Path) -> None:
    assert codes(findings(tmp_path, snowflake(f"password: {password}"))) == ["bad-reference"]


@pytest.mark.parametrize("config", ["null", "text", "[]"])
def test_nothing_is_missing_from_a_config_that_cannot_be_read(config: str, tmp_path: Path) -> None:
    spec = (
        "version: 1\ngroups:\n  a:\n    destination:\n      service: snowflake\n"
        f"      networking_method: SshTunnel\n      config: {config}\n"
    )
    found = findings(tmp_path, spec)
    assert codes(found) == ["wrong-shape"]


def test_a_number_for_a_text_is_quoted_as_it_was_written(tmp_path: Path) -> None:
    assert only(findings(tmp_path, snowflake("role: 1.10"))).help == 'put it in quotes: `role: "1.10"`'
    assert only(findings(tmp_path, snowflake("role: True"))).help == 'put it in quotes: `role: "True"`'


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


def test_a_profile_that_nobody_uses_is_checked_by_itself(tmp_path: Path) -> None:
    found = findings(tmp_path, snowflake(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=PROFILES)
    assert [(each.code, each.span.line if each.span else 0) for each in found] == [
        ("literal-secret", 5),
        ("unknown-field", 6),
        ("unknown-key", 7),
        ("wrong-shape", 8),
        ("bad-reference", 9),
    ]


def test_a_profile_with_a_service_is_checked_by_its_service(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  idle: {service: snowflake, config: {http_path: x, port: 0}}\n"
    found = findings(tmp_path, snowflake(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert codes(found) == ["unknown-field", "out-of-range"]


def test_defaults_are_checked_where_no_group_has_a_destination(tmp_path: Path) -> None:
    project = PROJECT + "defaults:\n  destination:\n    config: {token: hunter2}\n    trsut: {}\n"
    found = findings(tmp_path, "version: 1\ngroups: {a: {}}\n", project)
    assert codes(found) == ["literal-secret", "unknown-key"]


def test_a_literal_secret_in_a_profile_is_found_where_the_group_replaces_it(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  p: {config: {password: hunter2}}\n"
    spec = snowflake("", more="profile: p\n")
    found = findings(tmp_path, spec, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert [(each.code, str(each.span)) for each in found] == [("literal-secret", "p.yaml:3:26")]


def test_what_is_wrong_with_a_profile_is_told_once_however_many_use_it(tmp_path: Path) -> None:
    groups = snowflake("", more="profile: p\n")
    twin = groups.replace("version: 1\ngroups:\n", "").replace("  a:\n", "  b:\n")
    profiles = "version: 1\nprofiles:\n  p: {config: {role: 1.5}, trust: {fingerprints: x}}\n"
    found = findings(tmp_path, groups + twin, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles)
    assert codes(found) == ["wrong-type", "wrong-shape"]


def test_a_profile_of_parts_of_several_services_is_in_order(tmp_path: Path) -> None:
    profiles = "version: 1\nprofiles:\n  p: {config: {http_path: x, role: y}, extra_config: {x_y: 1}}\n"
    assert findings(tmp_path, snowflake(""), "version: 1\nspecs: [g.yaml, p.yaml]\n", p=profiles) == []


def test_an_unknown_profile_hides_nothing_else(tmp_path: Path) -> None:
    spec = (
        "version: 1\ngroups:\n  a:\n    destination:\n      profile: nope\n      regoin: X\n"
        "  b:\n    destination:\n      service: snowflaek\n      time_zone_offset: '0'\n"
    )
    found = findings(tmp_path, spec)
    assert codes(found) == ["unknown-profile", "unknown-key", "unknown-service"]


def test_a_file_that_cannot_be_read_hides_no_finding_in_others(tmp_path: Path) -> None:
    broken = "version: 1\nprofiles:\n  p: {region: X\u200b}\ngroups: {c: {name: '\u200b'}}\n"
    spec = "version: 1\ngroups:\n  a: {destination: {profile: p}}\n  b: {destination: {service: snowflaek}}\n"
    found = findings(tmp_path, spec, "version: 1\nspecs: [g.yaml, p.yaml]\n", p=broken)
    assert codes(found) == ["unknown-service", "forbidden-character", "forbidden-character"]
    assert str(found[0].address) == "destination.b"


def test_an_override_file_that_cannot_be_read_makes_nothing_missing(tmp_path: Path) -> None:
    project = PROJECT + "overrides: [o.yaml]\n"
    spec = "version: 1\ngroups:\n  a: {destination: {service: snowflake, config: {prot: 1}}}\n"
    found = findings(tmp_path, spec, project, o="version: 1\ngroups: [\n")
    assert codes(found) == ["unknown-field", "yaml-syntax"]


def test_an_entry_out_of_order_hides_no_finding_in_its_neighbours(tmp_path: Path) -> None:
    spec = (
        "version: 1\nprofiles: {Bad-Name: {region: X}}\ngroups:\n"
        "  a: {destination: {profile: bad_name}}\n  b: {nmae: x}\n"
        "  c: {destination: {service: snowflaek, time_zone_offset: '0'}}\n"
    )
    assert codes(findings(tmp_path, spec)) == ["bad-key", "unknown-key", "unknown-service"]


def test_a_malformed_unset_draws_no_other_error_after_it(tmp_path: Path) -> None:
    assert codes(findings(tmp_path, snowflake("host: {unset: 1}"))) == ["wrong-shape"]


def test_an_idle_unset_is_one_warning_at_its_key(tmp_path: Path) -> None:
    spec = snowflake("role: {unset: true}")
    problem = only(findings(tmp_path, spec))
    assert (problem.code, problem.severity) == ("unset-nothing", Severity.WARNING)
    assert problem.span is not None
    assert spec.split("\n")[problem.span.line - 1][problem.span.column - 1 :].startswith("role")


def test_an_outdated_service_is_one_warning_that_counts_its_destinations(tmp_path: Path) -> None:
    entry = "  {}: {{destination: {{service: onelake, time_zone_offset: '0'}}}}\n"
    spec = "version: 1\ngroups:\n" + "".join(entry.format(key) for key in "abc")
    found = [each for each in findings(tmp_path, spec) if each.code == "legacy-service"]
    assert "3 destinations are of this service" in only(found).notes
    assert "managed_data_lake" in only(found).help
