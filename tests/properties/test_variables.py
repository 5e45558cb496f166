"""Law of variables: specs with variables mean the same as specs in which a user has replaced them by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import open_project

from reconciler.model.diagnostic import ReconcilerError, select_errors
from reconciler.model.given_variables import GivenVariables
from reconciler.model.variable_mark import escape_variables
from reconciler.spec.characters import find_forbidden_in_value
from reconciler.spec.load import load
from reconciler.workspace.changed_entries import collect_versions
from reconciler.workspace.specs import compile_specs

NAMES = ("A", "b", "_C1")
FRAGMENTS = (
    "$",
    "{",
    "}",
    "${",
    "$${",
    "${A}",
    "'",
    '"',
    "\\",
    "\n",
    " #",
    ": ",
    "env:X",
    "#",
    "é",
    "日",
    " ",
    "-",
)

TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=5).map("".join)
VISIBLE_TEXTS = TEXTS.filter(lambda text: find_forbidden_in_value(text) is None)
Value: TypeAlias = str | int | float | bool
VALUES = (
    VISIBLE_TEXTS | st.integers(-9999, 9999) | st.floats(-10, 10).map(lambda x: round(x, 3)) | st.booleans()
)


@dataclass(frozen=True)
class Text:
    """Text of a spec: names of variables at odd places, and literal texts between them."""

    parts: tuple[str, ...]

    def surround(self, before: str, after: str = "") -> Text:
        """Return the text between two literal texts."""
        parts = [*self.parts]
        parts[0] = before + parts[0]
        parts[-1] += after
        return Text(tuple(parts))

    def write(self) -> str:
        """Write the text with its variables. No literal `$` can stand directly before a variable."""
        return "".join(
            f"${{{part}}}" if number % 2 else escape_variables(part) + ("." if part.endswith("$") else "")
            for number, part in enumerate(self.parts)
        )

    def replace_by_hand(self, values: Mapping[str, Value]) -> Value:
        """Replace the variables as a user would. A text that is one variable becomes its value."""
        if len(self.parts) == 3 and not self.parts[0] and not self.parts[2]:
            value = values[self.parts[1]]
            return escape_variables(value) if isinstance(value, str) else value
        return escape_variables(
            "".join(
                spell(values[part]) if number % 2 else part + ("." if part.endswith("$") else "")
                for number, part in enumerate(self.parts)
            )
        )


def spell(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@st.composite
def draw_text(draw: st.DrawFn) -> Text:
    parts = [draw(VISIBLE_TEXTS)]
    for _ in range(draw(st.integers(0, 2))):
        parts += [draw(st.sampled_from(NAMES)), draw(VISIBLE_TEXTS)]
    return Text(tuple(parts))


WHOLE = st.sampled_from(NAMES).map(lambda name: Text(("", name, "")))
ANY_TEXT = draw_text() | WHOLE


def fill(template: Any, values: Mapping[str, Value] | None) -> Any:
    """Write a tree of texts: with variables, or replaced by hand."""
    match template:
        case Text():
            return template.write() if values is None else template.replace_by_hand(values)
        case dict():
            return {key: fill(part, values) for key, part in template.items()}
        case list():
            return [fill(part, values) for part in template]
    return template


def build_groups(texts: list[Text], locator: Text, *, has_checked_fields: bool) -> dict[str, Any]:
    """Build entries of texts. Most texts are errors in a field that the catalogue checks."""
    name, database, port, region, hidden, profile = texts
    config = {
        "database": database.surround("d"),
        "user": {"value": locator.surround("file:d", ".json")},
        "brand_new": [hidden, {"x": hidden}],
    }
    destination = {"service": "postgres_rds_warehouse", "config": config}
    groups: dict[str, Any] = {"one": {"name": name.surround("n", "n"), "destination": destination}}
    if has_checked_fields:
        config["port"], destination["region"] = port, region
        groups["two"] = {"name": name, "destination": {"profile": profile}}
    # A use of every variable, so that no `--var` is without one.
    note = Text(("", "A", "", "b", "", "_C1", ""))
    return groups | {"three": {"destination": {"service": "big_query", "config": {"brand_new": note}}}}


def write(file: Path, **content: Any) -> None:
    file.write_text(json.dumps({"version": 1, **content}, ensure_ascii=False))


def compile_project(
    groups: Any, values: Mapping[str, Value] | None = None, sources: Mapping[str, str] | None = None
) -> Any:
    """Compile specs. Returns their entries, or the errors. `sources` has the source of each variable."""
    by_source: dict[str, dict[str, Any]] = {"vars": {}, "overrides": {}, "option": {}}
    for name, value in (values or {}).items():
        by_source[(sources or {})[name]][name] = escape_variables(value) if isinstance(value, str) else value
    given = {name: json.dumps(value, ensure_ascii=False) for name, value in by_source["option"].items()}
    with TemporaryDirectory() as folder:
        write(
            Path(folder, "reconciler.yaml"),
            specs=["main.yaml"],
            overrides=["more.yaml"],
            vars=by_source["vars"],
        )
        write(Path(folder, "main.yaml"), groups=groups, profiles={"p": {}})
        write(Path(folder, "more.yaml"), groups={"one": {}}, vars=by_source["overrides"])
        try:
            loaded = load(Path(folder, "reconciler.yaml"), Path(folder), given=GivenVariables(given))
            specs = compile_specs(loaded, strict=False)
        except ReconcilerError as error:
            return {(problem.code, problem.message) for problem in select_errors(error.diagnostics)}
    return collect_versions((*specs.groups, *specs.destinations), specs.removed)


@check_examples(
    st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.sampled_from(["vars", "overrides", "option"]))),
    st.lists(ANY_TEXT, min_size=6, max_size=6),
    draw_text(),
    st.booleans(),
    few=8,
    many=400,
)
def test_variables_mean_what_their_values_mean(
    values: Mapping[str, Value],
    sources: Mapping[str, str],
    texts: list[Text],
    locator: Text,
    has_checked_fields: bool,
) -> None:
    groups = build_groups(texts, locator, has_checked_fields=has_checked_fields)
    by_hand = compile_project(fill(groups, values))
    assert compile_project(fill(groups, None), values, sources) == by_hand


def plan_changes(groups: Any, **settings: Any) -> Any:
    """Plan a new project. Returns its changes without the places of their lines."""
    with open_project() as project:
        write(project.folder / "reconciler.yaml", specs=["main.yaml"], **settings)
        project.declare(groups)
        plan = project.plan().plan
    changes = [
        replace(change, span=None, fields=tuple(replace(field, span=None) for field in change.fields))
        for change in plan.changes
    ]
    return changes, plan.digest


@check_examples(
    st.fixed_dictionaries(dict.fromkeys(NAMES, VISIBLE_TEXTS)),
    st.lists(draw_text(), min_size=2, max_size=2),
    few=4,
    many=100,
)
def test_variables_give_the_plan_that_their_values_give(values: Mapping[str, str], texts: list[Text]) -> None:
    name, host = (text.surround("n", "n") for text in texts)
    groups = {
        "one": {
            "name": name,
            "destination": {
                "service": "postgres_rds_warehouse",
                "region": "GCP_US_EAST4",
                "time_zone_offset": "0",
                "config": {
                    "host": host,
                    "port": 8443,
                    "user": "u",
                    "database": "d",
                    "password": {"secret": "env:P_W"},
                },
            },
        }
    }
    definitions = {name: escape_variables(value) for name, value in values.items()}
    assert plan_changes(fill(groups, None), vars=definitions) == plan_changes(fill(groups, values))
