"""Test 1Password by a program that behaves like `op`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from op_stub import OP_TOKEN, InstalledOp, install_op

from reconciler.model.value import Reference
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreContext, StoreTimeout
from reconciler.secrets.onepassword import OnePassword, validate_reference

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]

ITEMS = {
    "Production/database": {
        "password": "canary\n",
        "logins": {"loader": "canary"},
        "json": '{"user": "loader", "password": "canary"}',
    },
    "Production/forbidden item": {"password": "canary"},
}
FAIL = "sys.stderr.write('[ERROR] 2026/01/02 03:04:05 {} canary\\n'); sys.exit(1)"


@pytest.fixture
def installed(tmp_path: Path) -> InstalledOp:
    return install_op(tmp_path / "bin", ITEMS)


def read(context: StoreContext, locator: str = "//Production/database/password", part: str = "") -> str:
    return CachedDocuments(OnePassword(context).read).resolve(Reference("op", locator, part))


def read_and_fail(context: StoreContext, locator: str = "//Production/database/password") -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(context, locator)
    shown = repr(raised.value) + repr(raised.value.__cause__)
    assert "canary" not in shown
    assert OP_TOKEN not in shown
    return raised.value.reason


@pytest.mark.parametrize(
    ("locator", "part", "asked"),
    [
        ("//Production/database/password", "", "op://Production/database/password"),
        ("Production/database/password", "", "op://Production/database/password"),
        ("//Production/database/logins/loader", "", "op://Production/database/logins/loader"),
        ("//Production/database/json", "password", "op://Production/database/json"),
        (
            "//Production/forbidden item/password?ssh-format=openssh",
            "",
            "op://Production/forbidden item/password?ssh-format=openssh",
        ),
    ],
)
def test_a_field_is_read_by_its_reference(
    locator: str, part: str, asked: str, installed: InstalledOp, make_context: MakeContext
) -> None:
    assert read(make_context(**installed.environ), locator, part) == "canary"
    assert installed.calls == [f"read --no-newline {asked}"]


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("//Absent/database/password", "no vault of this name"),
        ("//Production/absent/password", "no such item in this vault"),
        ("//Production/database/absent", "the item in 1Password has no such field"),
        ("//Production/database/logins/absent", "the item in 1Password has no such field"),
        ("//forbidden/unauthorized/(403)", "no vault of this name"),
    ],
)
def test_an_absent_place_is_reported(
    locator: str, words: str, installed: InstalledOp, make_context: MakeContext
) -> None:
    assert words in read_and_fail(make_context(**installed.environ), locator)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "`op` is not signed in: set `OP_SERVICE_ACCOUNT_TOKEN`"),
        ("canary", "does not accept the token in `OP_SERVICE_ACCOUNT_TOKEN`"),
        ("ops_canary", "does not accept the token in `OP_SERVICE_ACCOUNT_TOKEN`"),
    ],
)
def test_wrong_credentials_are_reported(
    token: str, words: str, installed: InstalledOp, make_context: MakeContext
) -> None:
    environ = {**installed.environ, "OP_SERVICE_ACCOUNT_TOKEN": token}
    assert words in read_and_fail(make_context(**environ))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("(429) Too Many Requests: You have reached the maximum", "asked too often"),
        ("(403) Forbidden (Firewall Rule): The IP address was blocked", "does not let these credentials"),
        ("Service Account Deleted", "does not accept the token"),
        ("No accounts configured for use with 1Password CLI.", "not signed in"),
        ("error initializing client: authorization timeout", "not signed in"),
        ("More than one item matches", "refer to it by its ID"),
        ("dial tcp: lookup my.1password.com: no such host", "cannot be reached"),
        ('could not show the item "forbidden network"', "ended with exit code 1"),
        ("something new in version 3", "ended with exit code 1; its error output is not shown"),
    ],
)
def test_a_message_of_the_program_is_recognised(
    message: str, words: str, tmp_path: Path, make_context: MakeContext
) -> None:
    installed = install_op(tmp_path / "bin", ITEMS, behaviour=FAIL.format(message))
    assert words in read_and_fail(make_context(**installed.environ))


def test_a_program_that_waits_for_a_person_ends_at_the_timeout(
    tmp_path: Path, make_context: MakeContext
) -> None:
    installed = install_op(tmp_path / "bin", ITEMS, behaviour="time.sleep(60)")
    with pytest.raises(StoreTimeout, match=r"`op` took longer than 0\.5 s"):
        read(make_context(0.5, **installed.environ))


@pytest.mark.parametrize("behaviour", ["os.kill(os.getpid(), 9)", "sys.stderr.write('canary' * 10 ** 6)"])
def test_a_program_that_ends_otherwise_is_reported_or_read(
    behaviour: str, tmp_path: Path, make_context: MakeContext
) -> None:
    context = make_context(**install_op(tmp_path / "bin", ITEMS, behaviour=behaviour).environ)
    if "kill" in behaviour:
        assert "was ended by signal 9" in read_and_fail(context)
    else:
        assert read(context) == "canary"


def test_a_missing_program_is_reported(make_context: MakeContext, tmp_path: Path) -> None:
    context = make_context(PATH=str(tmp_path), OP_SERVICE_ACCOUNT_TOKEN=OP_TOKEN)
    assert read_and_fail(context) == "1Password's program `op` is not installed, or not in `PATH`"
    (tmp_path / "op").write_text("no program")
    (tmp_path / "op").chmod(0o755)
    assert "`op` cannot be started: exec format error" in read_and_fail(context)


def test_a_field_is_read_once(installed: InstalledOp, make_context: MakeContext) -> None:
    registry = Registry({"op": CachedDocuments(OnePassword(make_context(**installed.environ)).read)})
    references = [Reference("op", "//Production/database/json", part) for part in ("user", "password")]
    registry.prefetch(references, 4)
    assert [registry.resolve(each).reveal() for each in references] == ["loader", "canary"]
    assert len(installed.calls) == 1


@pytest.mark.parametrize(
    ("locator", "is_fine"),
    [
        ("//Production/database/password", True),
        ("Production/database/password", True),
        ("//Production/My database/My logins/password", True),
        ("//Production/key/private key?ssh-format=openssh", True),
        ("//Production/database/password?x=1", False),
        ("//Production/database", False),
        ("//Production//password", False),
        ("//a/b/c/d/e", False),
        ("//Production/ /password", False),
        ("///Production/database/password", False),
        ("//Production/data\nbase/password", False),
    ],
)
def test_a_reference_holds_vault_item_and_field(locator: str, is_fine: bool) -> None:
    found = validate_reference(Reference("op", locator))
    assert (found is None) == is_fine
    assert found is None or all(found)
