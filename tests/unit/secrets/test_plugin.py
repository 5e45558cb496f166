"""Test stores of other packages, which look installed to Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Reference
from reconciler.secrets.base import Registry, SecretUnavailable, StoreContext
from reconciler.secrets.plugin import entry_points_by_name
from reconciler.secrets.stores import build_validators, open_registry

MakeContext = Callable[..., StoreContext]
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Add packages with an entry point and a module to the path."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def put(module: str, code: str = "", scheme: str = "acme", target: str = "open_store") -> None:
        monkeypatch.delitem(sys.modules, module, raising=False)
        info = tmp_path / "site" / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[reconciler.secrets]\n{scheme} = {module}:{target}\n")
        if code:
            (tmp_path / "site" / f"{module}.py").write_text(dedent(code))

    return put


def open_stores(context: StoreContext, *used: str) -> Registry:
    return open_registry(used or ("acme",), {}, context)


def open_and_fail(context: StoreContext, *used: str) -> Diagnostic:
    with pytest.raises(ReconcilerError) as raised:
        open_stores(context, *used)
    [only] = raised.value.diagnostics
    assert "canary" not in repr(only) + repr(raised.value.__cause__)
    assert only.code == "broken-secret-store"
    return only


def test_a_package_adds_a_scheme(install: Install, make_context: MakeContext) -> None:
    install(
        "acme_one",
        """
        class Store:
            def __init__(self, surroundings):
                self.prefix = surroundings.environ["PREFIX"]

            def resolve(self, reference):
                return f"{self.prefix}-{reference.locator}-{reference.part}"

        def open_store(surroundings):
            return Store(surroundings)
        """,
    )
    registry = open_stores(make_context(PREFIX="p"))
    assert registry.resolve(Reference("acme", "x", "y", confidential=False)) == "p-x-y"


def test_a_package_is_known_without_being_loaded(install: Install) -> None:
    install("acme_two", "raise RuntimeError('canary')")
    assert list(entry_points_by_name()) == ["acme"]
    assert build_validators(())["acme"](Reference("acme", "anything")) is None


def test_an_unused_package_is_not_loaded(install: Install, make_context: MakeContext) -> None:
    install("acme_three", "raise RuntimeError('canary')")
    open_stores(make_context(), "env", "vault")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "the module `acme_four` is missing"),
        ("import no_such_module_of_acme", "the module `no_such_module_of_acme` is missing"),
        ("raise RuntimeError('canary')", "RuntimeError"),
        ("open_shop = 1", "AttributeError"),
        ("open_store = 5", "TypeError"),
        ("def open_store(surroundings): raise ValueError('canary')", "ValueError"),
        ("def open_store(): pass", "TypeError"),
        ("def open_store(surroundings): return object()", "cannot `resolve`"),
    ],
)
def test_a_broken_package_is_one_clear_error(
    code: str, words: str, install: Install, make_context: MakeContext
) -> None:
    install("acme_four", code)
    found = open_and_fail(make_context())
    assert words in found.message
    assert "`acme_four`" in found.notes[0]


def test_two_packages_of_one_scheme_are_an_error(install: Install, make_context: MakeContext) -> None:
    install("acme_five", "canary = 1")
    install("acme_six", "canary = 1")
    assert "more than one package offers it: `acme_five`, `acme_six`" in open_and_fail(make_context()).message


def test_a_package_cannot_replace_a_built_in_scheme(install: Install, make_context: MakeContext) -> None:
    install("acme_seven", "def open_store(surroundings): return None", scheme="env")
    assert "built in" in open_and_fail(make_context(), "env").message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('canary')", "its store ended with ValueError"),
        ("return b'canary'", "something other than text"),
        ("return ''", "empty"),
        (
            "from reconciler.secrets.base import SecretUnavailable\n"
            "        raise SecretUnavailable(reference, 'it is Sunday')",
            "it is Sunday",
        ),
    ],
)
def test_a_misbehaving_store_makes_a_secret_unavailable(
    body: str, words: str, install: Install, make_context: MakeContext
) -> None:
    install(
        "acme_eight",
        f"""
class open_store:
    def __init__(self, surroundings): pass
    def resolve(self, reference):
        {body}
""",
    )
    with pytest.raises(SecretUnavailable) as raised:
        open_stores(make_context()).resolve(Reference("acme", "x"))
    assert words in raised.value.reason
    assert "canary" not in repr(raised.value) + repr(raised.value.__cause__)
