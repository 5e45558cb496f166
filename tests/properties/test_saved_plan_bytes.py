"""Check that a saved plan with any changed byte is refused (S-51)."""

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

COMMAND_SAMPLES = 30


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


def list_altered_copies(content: bytes, rng: random.Random, changes: int) -> Iterator[tuple[str, bytes]]:
    """Iterate over altered copies and their alterations: anywhere, and at every bit before the content."""
    head = content.index(b'"content"') + 12
    for place in range(head):
        for bit in range(8):
            yield "a bit of the head", replace_byte(content, place, content[place] ^ 1 << bit)
    for number in range(changes):
        place = (number * len(content) + rng.randrange(len(content))) // changes
        if number % 2:
            yield "a bit", replace_byte(content, place, content[place] ^ 1 << rng.randrange(8))
        else:
            yield "a byte", replace_byte(content, place, (content[place] + rng.randrange(1, 256)) % 256)
    for number in range(500):
        place = number * len(content) // 500
        yield "cut off", content[:place]
        yield "a byte less", content[:place] + content[place + 1 :]
        more = bytes([rng.choice([*b' \t\r\n0a"{}[],:', rng.randrange(256)])])
        yield "a byte more", content[:place] + more + content[place:]
        end = place + rng.randrange(1, 200)
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


def replace_byte(content: bytes, place: int, value: int) -> bytes:
    return content[:place] + bytes([value]) + content[place + 1 :]


@pytest.mark.parametrize("options", [(), ("--signature-key", "env:PLAN_KEY")], ids=["sealed", "signed"])
@small_and_large("changes", 1_000, 10_000)
def test_every_changed_byte_is_refused(
    saved_project: SavedPlanProject, options: tuple[str, ...], changes: int
) -> None:
    saved_project.plan(*options)
    content = saved_project.plan_file.read_bytes()
    sign = make_signer(Secret(saved_project.environ["PLAN_KEY"])) if options else None
    assert decode_plan(content, sign).expected
    rng, refused, samples = random.Random(51), Counter[str](), []
    for alteration, changed in list_altered_copies(content, rng, changes):
        if changed == content:  # doubling one of two equal bytes or lines may change nothing
            continue
        try:
            decode_plan(changed, sign)
        except AlteredError:
            refused[alteration] += 1
        else:
            pytest.fail(f"{alteration} was not noticed: {len(changed)} bytes")
        if rng.random() < 0.01:
            samples.append(changed)
    assert sum(refused.values()) > changes + 2000
    assert refused["a bit"] + refused["a byte"] == changes
    writes, files = len(saved_project.server.writes), read_files(saved_project)
    for changed in rng.sample(samples, COMMAND_SAMPLES):
        saved_project.plan_file.write_bytes(changed)
        result = saved_project.apply(*options)
        assert (result.exit, result.stdout) == (4, "")
        assert "error[plan-altered]" in result.stderr
    assert len(saved_project.server.writes) == writes
    assert read_files(saved_project) == files


def read_files(saved_project: SavedPlanProject) -> dict[str, bytes]:
    """Read all files of the project except the plan."""
    return {
        str(file): file.read_bytes()
        for file in sorted((saved_project.folder / "specs").rglob("*"))
        if file.is_file()
    }


def test_a_changed_byte_with_a_valid_seal_is_refused_by_the_signature(
    saved_project: SavedPlanProject,
) -> None:
    """A seal can be recomputed by an attacker; a signature needs the key."""
    saved_project.plan("--signature-key", "env:PLAN_KEY")
    content = saved_project.plan_file.read_bytes()
    sign, rng = make_signer(Secret(saved_project.environ["PLAN_KEY"])), random.Random(52)
    body = content.split(b"\n", 1)[1]
    start = body.index(b'"content"')
    for number in range(1000):
        place = start + number * (len(body) - start) // 1000
        changed = replace_byte(body, place, body[place] ^ 1 << rng.randrange(7))
        seal = hashlib.sha256(changed).hexdigest().encode()
        with pytest.raises((SignatureError, AlteredError)):
            decode_plan(b'{"seal": "%s",\n%s' % (seal, changed), sign)
        with suppress(
            AlteredError, UnsupportedFormatError
        ):  # without a key the plan may be valid, but must not crash
            decode_plan(b'{"seal": "%s",\n%s' % (seal, changed))
