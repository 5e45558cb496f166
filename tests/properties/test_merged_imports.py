"""Check imports into random hand-written spec files: every byte of theirs stays in its place."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st
from hypothesis_settings import check_examples
from importable_account import BIG_QUERY, PASSWORD, SNOWFLAKE, make_group
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.emulator.seed import Seed
from reconciler.importing.options import ImportOptions
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

COMMENTS = ("# plain", "#no blank", "#\twith a tab", '# "quotes" and {braces', "# key: value", "# ü ${X}")
BLOCKS = (
    "{service: big_query, region: GCP_EUROPE_WEST3, config: {project_id: 'a: b'}}",
    '{service: snowflake,  # flow\n        region: AWS_EU_CENTRAL_1, config: {database: "RAW # 1"}}',
    "\n      service: snowflake\n      region:   AWS_EU_CENTRAL_1\n      config:\n        database: >-\n"
    "          folded\n          text",
    "&base\n      service: big_query\n      config: {project_id: p}",
)


def write_file(chance: random.Random) -> str:
    """Write a valid file of entries that the account does not have."""
    lines = [chance.choice(["---", "# Ours", ""]), f"version: 1{trail(chance)}"]
    sections = [write_groups(chance)]
    if chance.random() < 0.5:
        sections.append([f"profiles:{trail(chance)}", "    shared: {service: big_query}"])
    if chance.random() < 0.3:
        sections.append(["removed:", "- {group: gone, id: third_id, name: Third, forget: true}"])
    chance.shuffle(sections)
    for section in sections:
        lines += [*chance.choice([[], [""], ["", chance.choice(COMMENTS)]]), *section]
    text = "\n".join(lines) + chance.choice(["\n", "", "\n\n", "\n# the end\n"])
    text = text.replace("\n", "\r\n") if chance.random() < 0.25 else text
    return ("\ufeff" if chance.random() < 0.15 else "") + text


def write_groups(chance: random.Random) -> list[str]:
    if chance.random() < 0.2:
        return [f"groups: {{mine: {{name: Mine}}, 'other': {{}}}}{trail(chance)}"]
    step = chance.choice([2, 2, 4])
    lines = [f"groups:{trail(chance)}"]
    for number in range(chance.randrange(1, 4)):
        name = chance.choice([f"mine_{number}", f"'mine_{number}'", f'"mine_{number}"'])
        lines += chance.choice([[], [" " * step + chance.choice(COMMENTS)]])
        block = chance.choice(BLOCKS)
        if step != 2 or chance.random() < 0.3:
            lines.append(f"{' ' * step}{name}: {{name: 'N {number}'}}{trail(chance)}")
        elif block.startswith("&") and number:
            lines.append(f"  {name}: {{}}")
        else:
            separator = "" if block.startswith("\n") else " "
            lines += [f"  {name}:{trail(chance)}", f"    destination:{separator}{block}"]
    return lines


def trail(chance: random.Random) -> str:
    return chance.choice(["", "", f"  {chance.choice(COMMENTS)}"])


def is_subsequence(text: str, whole: str) -> bool:
    """Return whether all characters of a text stand in the whole in their order."""
    rest = iter(whole)
    return all(character in rest for character in text)


def open_own_project(project: InProcessProject, text: str) -> None:
    groups = [make_group("one_id", "Eins", SNOWFLAKE), make_group("two_id", "Zwei", BIG_QUERY)]
    seed: dict[str, Any] = {"version": 1, "groups": [*groups, make_group("third_id", "Third")]}
    project.app.load_seed(Seed.model_validate(seed))
    project.leak_detector.add_secret("PASSWORD", PASSWORD)
    project.write_project_file(specs=["own.yaml"])
    (project.folder / "own.yaml").write_bytes(text.encode())


@check_examples(st.integers(0, 10**6), few=4, many=200)
def test_every_byte_of_a_hand_written_file_stays_in_its_place(seed: int) -> None:
    text = write_file(random.Random(seed))
    with open_project() as project:
        open_own_project(project, text)
        result = project.import_groups(
            ImportOptions(selectors=("Eins", "Zwei"), into=project.folder / "own.yaml")
        )
        assert result.left_out == (), (text, result.left_out)
        written = (project.folder / "own.yaml").read_bytes().decode()
        before, after = to_plain(parse(text, "before")), to_plain(parse(written, "after"))
        project.options |= {"targets": ("eins", "zwei")}
        actions = list_actions(project.plan())
    assert is_subsequence(text, written), written
    added = after["groups"].keys() - before["groups"].keys()
    assert added == {"eins", "zwei"}
    for key in added:
        del after["groups"][key]
    assert after == before
    assert ("\n" in written.replace("\r\n", "")) == ("\n" in text.replace("\r\n", "")) or "\r\n" not in text
    assert actions.keys() == {f"{kind}.{key}" for key in added for kind in ("group", "destination")}
    assert {*actions.values()} <= ACTIONS_WITHOUT_REQUESTS
