"""Test the rules for references of each scheme, and their stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, ValueShape, strip_own_variables
from reconciler.secrets.demo import DemoResolver
from reconciler.secrets.stores import BUILT_IN_SCHEMES, build_validators, open_registry

MakeContext = Callable[..., StoreContext]


def test_every_built_in_scheme_has_a_rule() -> None:
    assert tuple(sorted(build_validators(()))) == BUILT_IN_SCHEMES


@pytest.mark.parametrize(
    ("reference", "is_fine"),
    [
        (Reference("env", "DB_PASSWORD"), True),
        (Reference("env", "A-B"), False),
        (Reference("env", "${A}"), False),
        (Reference("env", "FIVETRAN_APISECRET"), False),
        (Reference("env", "fivetran_apikey", confidential=False), False),
        (Reference("env", "RECONCILER_PROJECT"), False),
        (Reference("file", "any/thing at all"), True),
        (Reference("command", "op"), True),
        (Reference("command", "po"), False),
        (Reference("esm", "snowflake/key#x"), True),
        (Reference("esm", "key", confidential=False), False),
        (Reference("vault", "kv/db", "password"), True),
        (Reference("aws", "prod/db"), True),
        (Reference("azure", "prod-vault/db"), True),
        (Reference("gcp", "acme-prod/db"), True),
        (Reference("op", "//prod/db/password"), True),
    ],
)
def test_a_reference_is_validated_without_a_store(reference: Reference, is_fine: bool) -> None:
    found = build_validators({"op"})[reference.scheme](reference)
    assert (found is None) == is_fine
    assert found is None or all(found)


def test_each_scheme_has_its_store(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of a file\n")
    registry = open_registry(
        BUILT_IN_SCHEMES, {"it": ("echo", "of a command")}, make_context(X="of the environment", PATH="/bin")
    )
    for scheme, locator in (("env", "X"), ("file", "key"), ("command", "it")):
        assert str(registry.resolve(Reference(scheme, locator, confidential=False))).startswith("of ")
    for scheme, locator in (("vault", "a/b"), ("aws", "a/b"), ("op", "a/b/c")):
        with pytest.raises(SecretUnavailable, match=r"must be set|no AWS region|is not installed"):
            registry.resolve(Reference(scheme, locator, "c"))


def test_an_external_secrets_manager_is_never_read(make_context: MakeContext) -> None:
    with pytest.raises(SecretUnavailable, match="no store"):
        open_registry(BUILT_IN_SCHEMES, {}, make_context()).resolve(Reference("esm", "key"))


def test_the_repr_of_a_store_context_hides_the_environment(make_context: MakeContext) -> None:
    assert "canary" not in repr(make_context(X="canary"))


def test_stores_never_see_the_credentials_of_this_program() -> None:
    given = {"FIVETRAN_APIKEY": "1", "fivetran_apisecret": "2", "RECONCILER_PROJECT": "3", "VAULT_TOKEN": "4"}
    assert strip_own_variables(given) == {"VAULT_TOKEN": "4"}


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (ValueShape.TEXT, "[1]", "[1]"),
        (ValueShape.LIST, '["a", "b"]', ["a", "b"]),
        (ValueShape.OBJECT, '{"a": 1}', {"a": 1}),
    ],
)
def test_a_value_has_the_shape_of_its_field(
    form: ValueShape, text: str, expected: object, make_context: MakeContext
) -> None:
    registry = open_registry(("env",), {}, make_context(X=text))
    assert registry.resolve(Reference("env", "X", confidential=False), form) == expected
    assert registry.resolve(Reference("env", "X"), form).reveal() == expected


@pytest.mark.parametrize("form", [ValueShape.LIST, ValueShape.OBJECT])
@pytest.mark.parametrize("text", ["canary", '"canary"', "5", "[" * 100_000])
def test_a_value_of_another_shape_is_unavailable(
    form: ValueShape, text: str, make_context: MakeContext
) -> None:
    with pytest.raises(SecretUnavailable, match="the field needs a JSON") as raised:
        open_registry(("env",), {}, make_context(X=text)).resolve(Reference("env", "X"), form)
    assert "canary" not in repr(raised.value)


def test_kernel_files_are_no_secrets(make_context: MakeContext) -> None:
    for path in ("/proc/self/environ", "/proc/self/../self/environ", "/sys/kernel/notes"):
        with pytest.raises(SecretUnavailable, match="regular file"):
            open_registry(("file",), {}, make_context()).resolve(Reference("file", path))


def test_a_demo_value_can_be_given_for_a_reference() -> None:
    demo = DemoResolver({"env:PORT": "1234"})
    assert demo.resolve(Reference("env", "PORT")) == "1234"
    assert demo.resolve(Reference("env", "HOST")).startswith("demo-")
