"""Variables of specs: their values, their places, and the texts that they fill."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.given_variables import NO_VARIABLES, GivenVariables
from reconciler.model.value import Reference
from reconciler.spec.fill import MAX_FILLED
from reconciler.spec.load import load
from reconciler.workspace.specs import Specs, compile_specs

PROJECT = "version: 1\nspecs: [g.yaml]\n"
GROUP = "version: 1\ngroups: {{a: {{destination: {{service: clickhouse, config: {config}}}}}}}\n"


def compile_files(directory: Path, given: GivenVariables = NO_VARIABLES, **files: str) -> Specs:
    """Compile a project of these files. Raises ReconcilerError."""
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return compile_specs(load(directory / "reconciler.yaml", directory, given=given), strict=False)


def find_errors(directory: Path, given: GivenVariables = NO_VARIABLES, **files: str) -> list[Diagnostic]:
    with pytest.raises(ReconcilerError) as raised:
        compile_files(directory, given, **files)
    return list(raised.value.diagnostics)


def read_field(specs: Specs, name: str) -> object:
    [desired] = specs.destinations
    return desired.fields["config", name]


@pytest.mark.parametrize(
    ("definition", "text", "value"),
    [
        ("", "5432", 5432),
        ("", '"5432"', "5432"),
        ("", "'5432'", "5432"),
        ("", " 5432 ", 5432),
        ("", "1.5", 1.5),
        ("", "true", True),
        ("", "True", True),
        ("", "no", "no"),
        ("", "017", "017"),
        ("", "+1", 1),
        ("", '""', ""),
        ("", "a: b # c", "a: b # c"),
        ("", '"\\u00e9\\n"', "é\n"),
        ("", "'it''s'", "it's"),
        ("", "$${X}", "${X}"),
        ("", "a=b", "a=b"),
        ("text", "5432", "5432"),
        ("text", '"5432"', "5432"),
        ("text", "true", "true"),
        ("text", "", ""),
        ("text", "null", "null"),
        ("1", "5432", 5432),
        ("1", '"5432"', 5432),
        ("1", "1.5", 1.5),
        ("1.5", "2", 2),
        ("true", "false", False),
        ("false", "'true'", True),
    ],
)
def test_a_value_of_the_command_line_is_read_as_in_a_file(
    definition: str, text: str, value: object, tmp_path: Path
) -> None:
    project = f"{PROJECT}vars: {{X: {definition}}}\n" if definition else PROJECT
    specs = compile_files(
        tmp_path, GivenVariables({"X": text}), reconciler=project, g=GROUP.format(config='{user: "${X}"}')
    )
    found = read_field(specs, "user")
    assert (found, type(found)) == (value, type(value))
    assert specs.given_variables == {"X": value}


@pytest.mark.parametrize(
    ("definition", "text", "problem"),
    [
        ("1", "many", "a number belongs here, as defined at reconciler.yaml:3:11"),
        ("1", "true", "a number belongs here, as defined at reconciler.yaml:3:11"),
        ("1", "", "a number belongs here, as defined at reconciler.yaml:3:11"),
        ("true", "1", "`true` or `false` belongs here, as defined at reconciler.yaml:3:11"),
        ("true", "yes", "`true` or `false` belongs here, as defined at reconciler.yaml:3:11"),
        ("", "", "the value is missing"),
        ("", "null", "the value is missing"),
        ("", "'a", "this is no quoted text of YAML"),
        ("", '"a" b', "this is no quoted text of YAML"),
        ("", '"a": b', "this is no quoted text of YAML"),
        ("", "${Y}", "the value of a variable cannot hold another variable"),
        ("", '"\\x24{Y}"', "the value of a variable cannot hold another variable"),
        ("", "a\u202eb", "the value has the invisible character U+202E (right-to-left override)"),
        ("", "a\udcffb", "the value has the invisible character U+DCFF"),
    ],
)
def test_an_unusable_value_of_the_command_line_is_one_error(
    definition: str, text: str, problem: str, tmp_path: Path
) -> None:
    project = f"{PROJECT}vars: {{X: {definition}}}\n" if definition else PROJECT
    [found] = find_errors(
        tmp_path, GivenVariables({"X": text}), reconciler=project, g=GROUP.format(config='{user: "${X}"}')
    )
    assert (found.code, found.message) == ("bad-var-option", f"`--var X`: {problem}")


def test_the_last_definition_wins_and_the_command_line_wins_over_all(tmp_path: Path) -> None:
    files = {
        "reconciler": f"{PROJECT}overrides: [one.yaml, two.yaml]\nvars: {{A: a0, B: b0, C: c0, D: d0}}\n",
        "one": "version: 1\nvars: {B: b1, C: c1, D: d1}\n",
        "two": "version: 1\nvars: {C: c2, D: d2, E: e2}\n",
        "g": GROUP.format(config='{user: "${A}${B}${C}${D}${E}"}'),
    }
    assert read_field(compile_files(tmp_path, GivenVariables({"D": "d3"}), **files), "user") == "a0b1c2d3e2"


def test_values_keep_their_types_alone_and_their_spelling_within_a_text(tmp_path: Path) -> None:
    specs = compile_files(
        tmp_path,
        reconciler=f"{PROJECT}vars: {{N: 1.10, B: True, T: '017', Z: +1}}\n",
        g=GROUP.format(config="{user: '${N}', hosts: ['${B}', {x: '${T}', y: v${N}-${B}-${T}}]}").replace(
            "y: v${N}-${B}-${T}", "y: 'v${N}-${B}-${T}'"
        ),
    )
    assert read_field(specs, "user") == 1.1
    assert read_field(specs, "hosts") == [True, {"x": "017", "y": "v1.10-True-017"}]


def test_a_number_keeps_the_sign_that_fivetran_needs(tmp_path: Path) -> None:
    project = f"{PROJECT}vars: {{ZONE: +1}}\ndefaults: {{destination: {{time_zone_offset: '${{ZONE}}'}}}}\n"
    [desired] = compile_files(tmp_path, reconciler=project, g=GROUP.format(config="{}")).destinations
    assert desired.fields["time_zone_offset",] == "+1"


def test_one_pass_leaves_the_marks_of_values_alone(tmp_path: Path) -> None:
    specs = compile_files(
        tmp_path,
        reconciler=f"{PROJECT}vars: {{A: '$${{B}}', B: b, D: $}}\n",
        g=GROUP.format(config="{user: '${A} $${A} ${D}{B}'}"),
    )
    assert read_field(specs, "user") == "${B} ${A} ${B}"


def test_a_value_behind_an_alias_may_have_a_variable_only_where_one_may_stand(tmp_path: Path) -> None:
    spec = "version: 1\ngroups: {a: {name: &x '${X}', destination: {service: *x}}}\n"
    [found] = find_errors(tmp_path, reconciler=f"{PROJECT}vars: {{X: snowflake}}\n", g=spec)
    assert (found.code, str(found.span)) == ("misplaced-variable", "g.yaml:2:24")


def test_a_merged_value_that_becomes_a_reference_is_none(tmp_path: Path) -> None:
    files = {
        "reconciler": f"{PROJECT}vars: {{X: 'env:HOME'}}\n",
        "g": "version: 1\nprofiles: {p: {service: clickhouse, config: {user: {other: 1}}}}\n"
        "groups: {a: {destination: {profile: p, config: {user: {value: '${X}', other: {unset: true}}}}}}\n",
    }
    [found] = find_errors(tmp_path, **files)
    assert found.code == "bad-reference"
    assert found.message == "a variable can stand only behind the scheme of a reference"


def test_a_variable_behind_the_scheme_is_part_of_the_reference(tmp_path: Path) -> None:
    specs = compile_files(
        tmp_path,
        reconciler=f"{PROJECT}vars: {{TEAM: sales, PART: 7}}\n",
        g=GROUP.format(config="{password: {secret: 'vault:kv/${TEAM}/x#p${PART}'}}"),
    )
    assert read_field(specs, "password") == Reference("vault", "kv/sales/x", "p7")


def test_long_values_that_stand_often_in_texts_are_refused(tmp_path: Path) -> None:
    text = "x" * (MAX_FILLED // 4)
    found = find_errors(
        tmp_path,
        reconciler=f"{PROJECT}vars: {{X: {text}}}\n",
        g=GROUP.format(config="{user: '${X}${X}', database: '${X}${X}${X}'}"),
    )
    assert [each.code for each in found] == ["too-large"]


def test_a_definition_of_a_hidden_value_is_hidden_too(tmp_path: Path) -> None:
    specs = compile_files(
        tmp_path,
        reconciler=f"{PROJECT}overrides: [o.yaml]\n",
        o="version: 1\nvars: {TOKEN: abcdef, USER: u}\n",
        g="version: 1\ngroups: {a: {destination: {service: big_query, config: {bucket: '${USER}'},"
        " extra_config: {x: '${TOKEN}'}}}}\n",
    )
    assert {str(span) for span in specs.hidden} == {"g.yaml:2:95", "o.yaml:2:15"}
    assert [variable.name for variable in specs.hidden_variables] == ["TOKEN"]
    assert [variable.name for variable in specs.public_variables] == ["USER"]


def test_lenient_values_need_neither_a_use_nor_a_definition(tmp_path: Path) -> None:
    given = GivenVariables({"PORT": "many", "UNUSED": "x"}).make_lenient()
    specs = compile_files(
        tmp_path,
        given,
        reconciler=f"{PROJECT}vars: {{PORT: 1}}\n",
        g=GROUP.format(config="{user: '${PORT} ${UNDEFINED}'}"),
    )
    assert read_field(specs, "user") == "many ${UNDEFINED}"
