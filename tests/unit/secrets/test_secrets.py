"""Test the sources of secret values, and references without a value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.model.value import Reference, Secret
from reconciler.secrets.base import Registry, SecretUnavailable
from reconciler.secrets.demo import DemoResolver
from reconciler.secrets.env import Environment
from reconciler.secrets.file import MAX_BYTES, Files


class CountingStore:
    """Count how often the store is read."""

    def __init__(self, value: str | None) -> None:
        self.value = value
        self.asked = 0

    def resolve(self, reference: Reference) -> str:
        self.asked += 1
        if self.value is None:
            raise SecretUnavailable(reference, "the store is closed")
        return self.value


def make_registry(directory: Path, **environ: str) -> Registry:
    return Registry({"env": Environment(environ), "file": Files(directory)})


def resolve_and_fail(store: Registry, reference: Reference) -> str:
    with pytest.raises(SecretUnavailable) as raised:
        store.resolve(reference)
    assert raised.value.reference == reference
    return raised.value.reason


def reveal(store: Registry, reference: Reference) -> object:
    value = store.resolve(reference)
    assert isinstance(value, Secret)
    return value.reveal()


def test_a_confidential_value_is_a_secret_and_a_visible_one_is_text(tmp_path: Path) -> None:
    store = make_registry(tmp_path, X="canary")
    secret = store.resolve(Reference("env", "X"))
    assert isinstance(secret, Secret)
    assert secret.reveal() == "canary"
    assert store.resolve(Reference("env", "X", confidential=False)) == "canary"


@pytest.mark.parametrize("value", ["found", None])
def test_a_store_resolves_a_reference_once(value: str | None) -> None:
    counted = CountingStore(value)
    store = Registry({"env": counted})
    for confidential in (True, False, True):
        try:
            store.resolve(Reference("env", "X", confidential=confidential))
        except SecretUnavailable as unavailable:
            assert unavailable.reason == "the store is closed"
    assert counted.asked == 1


def test_another_part_is_another_reference(tmp_path: Path) -> None:
    store = make_registry(tmp_path, X='{"a": "1", "b": 2}')
    assert reveal(store, Reference("env", "X", "a")) == "1"
    assert reveal(store, Reference("env", "X", "b")) == "2"


def test_an_unknown_scheme_has_no_store(tmp_path: Path) -> None:
    assert (
        resolve_and_fail(make_registry(tmp_path), Reference("vault", "kv/x"))
        == "no store of this name is known"
    )


@pytest.mark.parametrize(
    "value", ["${X}", "${PASS:-x}", " ${X}\n", "$(PASSWORD)", "$PASSWORD", "", " ", "\n"]
)
def test_an_empty_value_or_a_placeholder_is_never_used(value: str) -> None:
    assert resolve_and_fail(Registry({"env": CountingStore(value)}), Reference("env", "X"))


def test_a_value_that_only_contains_a_dollar_sign_is_used() -> None:
    assert reveal(Registry({"env": CountingStore("pa$$w${o}rd")}), Reference("env", "X")) == "pa$$w${o}rd"


@pytest.mark.parametrize(
    ("environ", "words"), [({}, "not set"), ({"X": ""}, "empty"), ({"X": "\udcff"}, "not valid")]
)
def test_an_environment_variable_must_be_set_to_text(
    environ: dict[str, str], words: str, tmp_path: Path
) -> None:
    assert words in resolve_and_fail(make_registry(tmp_path, **environ), Reference("env", "X"))


@pytest.mark.parametrize("name", ["FIVETRAN_APISECRET", "fivetran_apikey", "RECONCILER_PROJECT"])
def test_own_variables_of_the_reconciler_are_never_read(name: str, tmp_path: Path) -> None:
    assert "own settings" in resolve_and_fail(
        make_registry(tmp_path, **{name: "canary"}), Reference("env", name)
    )


@pytest.mark.parametrize(
    ("written", "read"), [("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), ("a\nb", "a\nb")]
)
def test_one_line_end_of_a_file_is_dropped(written: str, read: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(written.encode())
    assert reveal(make_registry(tmp_path), Reference("file", "key")) == read
    assert reveal(make_registry(tmp_path / "elsewhere"), Reference("file", str(tmp_path / "key"))) == read


def test_a_part_is_a_member_of_a_json_object(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"a/b": "x"}')
    assert reveal(make_registry(tmp_path), Reference("file", "key.json", "a/b")) == "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("canary", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["canary"]', "not a JSON object"),
        ('{"other": "canary"}', "no member `part`"),
        ('{"part": ["canary"]}', "neither text"),
        ('{"part": null}', "neither text"),
        ('{"part": true}', "neither text"),
        ('{"part": ""}', "empty"),
        ('{"part": "${X}"}', "placeholder"),
        ('{"part": ' + "9" * 5000 + "}", ""),
    ],
)
def test_a_missing_part_is_reported_without_the_content(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(text)
    message = resolve_and_fail(make_registry(tmp_path), Reference("file", "key.json", "part"))
    assert words in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("absent", "cannot be read"),
        ("directory", "regular file"),
        ("fifo", "regular file"),
        ("device", "regular file"),
        ("large", "larger"),
        ("binary", "UTF-8"),
        ("empty", "empty"),
    ],
)
def test_only_readable_text_files_of_limited_size_are_read(kind: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    match kind:
        case "directory":
            file.mkdir()
        case "fifo":
            os.mkfifo(file)
        case "large":
            file.write_bytes(b"x" * (MAX_BYTES + 1))
        case "binary":
            file.write_bytes(b"\xff\xfe")
        case "empty":
            file.write_bytes(b"\n")
    path = "/dev/zero" if kind == "device" else str(file)
    assert words in resolve_and_fail(make_registry(tmp_path), Reference("file", path))


def test_a_relative_path_stays_in_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "outside").write_text("canary")
    (project / "link").symlink_to(tmp_path / "outside")
    for path in ("../outside", "link", "a/../../outside"):
        assert "stay in" in resolve_and_fail(make_registry(project), Reference("file", path))


def test_an_impossible_path_is_unavailable(tmp_path: Path) -> None:
    for path in ("a\x00b", "/a\x00b", "x" * 5000, "/" + "x" * 5000):
        assert resolve_and_fail(make_registry(tmp_path), Reference("file", path))


def test_demo_values_are_deterministic() -> None:
    def store() -> Registry:
        return Registry({}, fallback=DemoResolver())

    first, other = Reference("env", "X"), Reference("vault", "kv/x", "y")
    assert reveal(store(), first) == reveal(store(), first)
    assert reveal(store(), first) != reveal(store(), other)
    assert str(reveal(store(), first)).startswith("demo-")
