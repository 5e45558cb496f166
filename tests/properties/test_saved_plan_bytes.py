"""A saved plan in which any byte is another one is refused (S-51)."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
from cli_harness import Project
from long_runs import small_and_large
from saved_plans import SavedPlanProject, prepare_project

from reconciler.model.value import Secret
from reconciler.secrets.fingerprint import make_signer
from reconciler.workspace.planfile import AlteredError, SignatureError, UnsupportedFormatError, decode_plan

THROUGH_THE_COMMAND = 30


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


def altered(content: bytes, chosen: random.Random, changes: int) -> Iterator[tuple[str, bytes]]:
    """Changed copies, with a word that says how: everywhere, and at every bit of what stands before the content."""
    head = content.index(b'"content"') + 12
    for place in range(head):
        for bit in range(8):
            yield "a bit of the head", with_byte(content, place, content[place] ^ 1 << bit)
    for number in range(changes):
        place = (number * len(content) + chosen.randrange(len(content))) // changes
        if number % 2:
            yield "a bit", with_byte(content, place, content[place] ^ 1 << chosen.randrange(8))
        else:
            yield "a byte", with_byte(content, place, (content[place] + chosen.randrange(1, 256)) % 256)
    for number in range(500):
        place = number * len(content) // 500
        yield "cut off", content[:place]
        yield "a byte less", content[:place] + content[place + 1 :]
        more = bytes([chosen.choice([*b' \t\r\n0a"{}[],:', chosen.randrange(256)])])
        yield "a byte more", content[:place] + more + content[place:]
        end = place + chosen.randrange(1, 200)
        yield "doubled", content[:end] + content[place:]
    lines = content.splitlines(keepends=True)
    for number in range(0, len(lines), max(1, len(lines) // 200)):
        yield "a line less", b"".join([*lines[:number], *lines[number + 1 :]])
        yield "a line twice", b"".join([*lines[: number + 1], *lines[number:]])
    yield "twice", content * 2
    yield "a byte behind", content + b"\0"
    yield "a line behind", content + b"\n"
    yield "a byte before", b" " + content
    yield "a mark before", b"\xef\xbb\xbf" + content
    yield "other line ends", content.replace(b"\n", b"\r\n")
    yield "no last line end", content.rstrip(b"\n")
    yield "as UTF-16", content.decode().encode("utf-16")


def with_byte(content: bytes, place: int, value: int) -> bytes:
    return content[:place] + bytes([value]) + content[place + 1 :]


@pytest.mark.parametrize("options", [(), ("--signature-key", "env:PLAN_KEY")], ids=["sealed", "signed"])
@small_and_large("changes", 1_000, 10_000)
def test_no_changed_byte_gets_through(
    saved_project: SavedPlanProject, options: tuple[str, ...], changes: int
) -> None:
    saved_project.plan(*options)
    content = saved_project.plan_file.read_bytes()
    sign = make_signer(Secret(saved_project.environ["PLAN_KEY"])) if options else None
    assert decode_plan(content, sign).expected
    chosen, refused, kept = random.Random(51), Counter[str](), []
    for how, changed in altered(content, chosen, changes):
        if changed == content:  # a line that is the same as the one before it was doubled, for example
            continue
        try:
            decode_plan(changed, sign)
        except AlteredError:
            refused[how] += 1
        else:
            pytest.fail(f"{how} was not noticed: {len(changed)} bytes")
        if chosen.random() < 0.01:
            kept.append(changed)
    assert sum(refused.values()) > changes + 2000
    assert refused["a bit"] + refused["a byte"] == changes
    writes, files = len(saved_project.server.writes), snapshot(saved_project)
    for changed in chosen.sample(kept, THROUGH_THE_COMMAND):
        saved_project.plan_file.write_bytes(changed)
        result = saved_project.apply(*options)
        assert (result.exit, result.stdout) == (4, "")
        assert "error[plan-altered]" in result.stderr
    assert len(saved_project.server.writes) == writes
    assert snapshot(saved_project) == files


def snapshot(saved_project: SavedPlanProject) -> dict[str, bytes]:
    """Everything that lies in the project, but for the plan and the account."""
    return {
        str(file): file.read_bytes()
        for file in sorted((saved_project.folder / "specs").rglob("*"))
        if file.is_file()
    }


def test_a_changed_byte_under_a_fresh_seal_is_stopped_by_the_signature(
    saved_project: SavedPlanProject,
) -> None:
    """Without the key nobody can make the two fit; without a signature that is all that a seal is."""
    saved_project.plan("--signature-key", "env:PLAN_KEY")
    content = saved_project.plan_file.read_bytes()
    sign, chosen = make_signer(Secret(saved_project.environ["PLAN_KEY"])), random.Random(52)
    behind = content.split(b"\n", 1)[1]
    start = behind.index(b'"content"')
    for number in range(1000):
        place = start + number * (len(behind) - start) // 1000
        changed = with_byte(behind, place, behind[place] ^ 1 << chosen.randrange(7))
        seal = hashlib.sha256(changed).hexdigest().encode()
        with pytest.raises((SignatureError, AlteredError)):
            decode_plan(b'{"seal": "%s",\n%s' % (seal, changed), sign)
        with suppress(
            AlteredError, UnsupportedFormatError
        ):  # without a key it is a plan or none, and never a bug
            decode_plan(b'{"seal": "%s",\n%s' % (seal, changed))
