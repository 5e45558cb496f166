"""S-31: test ten thousand damaged files. Each is read or refused with a span, and no file ends the process."""

from __future__ import annotations

import faulthandler
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificate_chain import make_chain

from reconciler.kinds.destination_spec import build_desired_destination
from reconciler.kinds.destination_trust import parse_certificate_files
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.secrets.stores import build_validators
from reconciler.spec.load import load
from reconciler.spec.reference import AllowedSources
from reconciler.spec.source import parse

ROOT = Path(__file__).parents[3]
FILES = 10_000
BATCHES = 40
HANGS_AFTER = 10 * 60  # seconds for a whole batch, which takes about one second

TEMPLATES = [
    *(file.read_bytes() for file in sorted((ROOT / "specs").rglob("*.yaml"))),
    b"""\
version: 1
profiles:
  base: &base {region: AWS_US_EAST_1, trust: {certificates: any}}
  snow: {service: snowflake, config: {host: acme.snowflakecomputing.com, port: 443}}
groups:
  alpha_1:
    name: "Alpha \xe2\x80\x94 \xc5\xbe"
    destination:
      <<: *base
      profile: snow
      time_zone_offset: +1
      config:
        database: ANALYTICS
        auth: KEY_PAIR
        private_key: {secret: "env:KEY#part"}
        role: {unset: true}
      extra_config: {note: [a, 'b', {c: null}]}
      trust: {certificates: [{pem: ca.pem}, "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}
  beta: {id: decent_dropsy}
""",
]
INVALID_TOKENS = [
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\r", b"\t", b"\x1b[31m"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"{unset: true}",
        b"{secret: x}",
        b"{value: 'env:'}",
        b"? ",
        b": ",
        b"- ",
        b"---\n",
    ),
    *(
        b"&a *a",
        b"*nothing",
        b"<<: *base",
        b"!!python/object:os.system x",
        b"%YAML 9.9\n",
        b"|\n",
        b">-\n",
        b"@`",
    ),
    *(
        b"null",
        b"~",
        b"''",
        b'"\\u202e"',
        b'"\\x',
        b"1e400",
        b"-0",
        b"9" * 400,
        b"0x",
        b"[" * 90,
        b"{a: " * 90,
    ),
    *(b"no", b"groups:", b"version: 2", b"config: []", b"destination:", b"profile: [x]", b"x" * 5_000),
]
Mutation = Callable[[random.Random, bytes], bytes]


def flip(random_source: random.Random, data: bytes) -> bytes:
    at = random_source.randrange(len(data))
    return data[:at] + bytes([random_source.randrange(256)]) + data[at + 1 :]


def cut(random_source: random.Random, data: bytes) -> bytes:
    return data[: random_source.randrange(len(data))]


def drop(random_source: random.Random, data: bytes) -> bytes:
    at = random_source.randrange(len(data))
    return data[:at] + data[at + random_source.randrange(1, 30) :]


def insert(random_source: random.Random, data: bytes) -> bytes:
    at = random_source.randrange(len(data))
    return data[:at] + random_source.choice(INVALID_TOKENS) + data[at:]


def replace_token(random_source: random.Random, data: bytes) -> bytes:
    tokens = data.split(b" ")
    tokens[random_source.randrange(len(tokens))] = random_source.choice(INVALID_TOKENS)
    return b" ".join(tokens)


def mutate_lines(change: Callable[[random.Random, list[bytes]], None]) -> Mutation:
    def mutation(random_source: random.Random, data: bytes) -> bytes:
        lines = data.split(b"\n")
        change(random_source, lines)
        return b"\n".join(lines)

    return mutation


def swap_lines(random_source: random.Random, lines: list[bytes]) -> None:
    one, other = random_source.randrange(len(lines)), random_source.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def delete_line(random_source: random.Random, lines: list[bytes]) -> None:
    del lines[random_source.randrange(len(lines))]


def repeat_line(random_source: random.Random, lines: list[bytes]) -> None:
    at = random_source.randrange(len(lines))
    lines[at:at] = [lines[at]] * random_source.randrange(1, 4)


def indent(random_source: random.Random, lines: list[bytes]) -> None:
    at = random_source.randrange(len(lines))
    lines[at] = random_source.choice([b" ", b"  ", b"\t", b"      "]) + lines[at]


def outdent(random_source: random.Random, lines: list[bytes]) -> None:
    at = random_source.randrange(len(lines))
    lines[at] = lines[at].removeprefix(b"  ")


MUTATIONS: list[Mutation] = [
    *(flip, cut, drop, insert, replace_token),
    *(mutate_lines(change) for change in (swap_lines, delete_line, repeat_line, indent, outdent)),
]


def generate_files(batch: int) -> Iterator[bytes]:
    """Generate the files of a batch, the same in every run."""
    random_source = random.Random(batch)
    for _ in range(FILES // BATCHES):
        data = random_source.choice(TEMPLATES)
        for _ in range(random_source.randrange(1, 4)):
            data = random_source.choice(MUTATIONS)(random_source, data) or b"\n"
        yield data


@pytest.fixture
def watchdog() -> Iterator[None]:
    """End the process with a stack trace if a test hangs."""
    faulthandler.dump_traceback_later(HANGS_AFTER, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


def check_findings(findings: tuple[Diagnostic, ...] | list[Diagnostic], data: bytes) -> None:
    lines = data.count(b"\n") + 1
    for each in findings:
        assert each.span is not None, each
        assert 1 <= each.span.line <= lines
        assert each.span.column >= 1
        assert each.message


@pytest.mark.sampled(every=10)
@pytest.mark.usefixtures("watchdog")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_file_is_read_or_refused_with_a_span(batch: int, tmp_path: Path) -> None:
    project, file = tmp_path / "reconciler.yaml", tmp_path / "a.yaml"
    project.write_text("version: 1\nspecs: [a.yaml]\n")
    (tmp_path / "ca.pem").write_text(make_chain()[-1].pem)
    sources, refused = AllowedSources(build_validators(())), 0
    for data in generate_files(batch):
        file.write_bytes(data)
        loaded = load(project, tmp_path)
        found = [each for each in loaded.findings if each.span and each.span.path == "a.yaml"]
        certificates = parse_certificate_files(loaded.certificate_files)
        for group in loaded.groups:
            found += build_desired_destination(group, sources, certificates)[1]
        check_findings(found, data)
        check_findings([each for each in loaded.findings if each.span is None], data)
        refused += bool(found)
    assert refused > FILES // BATCHES // 2  # most damage is noticed


@pytest.mark.usefixtures("watchdog")
def test_a_damaged_project_file_is_read_or_refused_with_a_span() -> None:
    template = (ROOT / "specs/reconciler.yaml").read_bytes()
    random_source = random.Random(0)
    for _ in range(500):
        data = random_source.choice(MUTATIONS)(random_source, template) or b"\n"
        try:
            parse(data.decode("utf-8", "replace"), "reconciler.yaml")
        except ReconcilerError as error:
            assert error.diagnostics
            check_findings(error.diagnostics, data.replace(b"\r", b"\n"))
