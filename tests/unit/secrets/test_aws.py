"""Test AWS Secrets Manager against an emulated one on a loopback socket."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import boto3
import pytest
from long_runs import small_and_large
from malformed_answers import MalformedAnswer, build_malformed_answer
from moto.server import ThreadedMotoServer
from scripted_server import build_response, serve_script

from reconciler.model.value import Reference
from reconciler.secrets.aws import SecretsManager, validate_reference
from reconciler.secrets.base import CachedDocuments, Registry, SecretUnavailable, StoreContext

pytestmark = pytest.mark.sampled(every=4, tests=2)

MakeContext = Callable[..., StoreContext]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def arns(endpoint: str) -> dict[str, str]:
    """Create secrets in `eu-west-1`; return their ARNs by name."""
    client: Any = boto3.client(
        "secretsmanager",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    made = {
        "prod/db": {"SecretString": '{"user": "loader", "password": "canary"}'},
        "plain": {"SecretString": "canary"},
        "binary": {"SecretBinary": b"canary\n"},
        "noise": {"SecretBinary": b"\xff\xfe"},
        "going": {"SecretString": "canary"},
    }
    found = {name: client.create_secret(Name=name, **content)["ARN"] for name, content in made.items()}
    client.delete_secret(SecretId="going", RecoveryWindowInDays=7)
    return found


def read(context: StoreContext, locator: str, part: str = "") -> str:
    return CachedDocuments(SecretsManager(context).read).resolve(Reference("aws", locator, part))


def read_and_fail(context: StoreContext, locator: str) -> str:
    with pytest.raises(SecretUnavailable) as raised:
        read(context, locator)
    assert "canary" not in repr(raised.value)
    return raised.value.reason


def test_a_secret_is_read_by_its_name_in_the_region_of_the_environment(
    make_context: MakeContext, endpoint: str, arns: dict[str, str]
) -> None:
    context = make_context(AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)
    assert read(context, "prod/db", "password") == "canary"
    assert read(context, "plain") == "canary"
    assert read(context, "binary") == "canary"


def test_an_arn_brings_its_own_region(make_context: MakeContext, endpoint: str, arns: dict[str, str]) -> None:
    context = make_context(
        AWS_DEFAULT_REGION="us-east-1", AWS_ENDPOINT_URL_SECRETS_MANAGER=endpoint, **CREDENTIALS
    )
    assert read(context, arns["prod/db"], "user") == "loader"


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("absent", "no secret of this name in region `eu-west-1`"),
        ("going", "marked for deletion"),
        ("noise", "not UTF-8"),
    ],
)
def test_an_unreadable_aws_secret_is_reported(
    locator: str, words: str, make_context: MakeContext, endpoint: str, arns: dict[str, str]
) -> None:
    context = make_context(AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)
    assert words in read_and_fail(context, locator)


def test_a_secret_is_read_once_for_all_parts(
    make_context: MakeContext, endpoint: str, arns: dict[str, str]
) -> None:
    store = CachedDocuments(
        SecretsManager(make_context(AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)).read
    )
    registry = Registry({"aws": store})
    assert registry.resolve(Reference("aws", "prod/db", "user", confidential=False)) == "loader"
    assert repr(registry.resolve(Reference("aws", "prod/db", "password"))) == "Secret(…)"


def test_a_name_needs_a_region(make_context: MakeContext) -> None:
    assert "set `AWS_REGION`" in read_and_fail(make_context(**CREDENTIALS), "plain")


def test_an_unknown_profile_is_reported(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    context = make_context(AWS_REGION="eu-west-1", AWS_PROFILE="absent", AWS_ENDPOINT_URL=NOWHERE)
    assert "no AWS profile" in read_and_fail(context, "plain")


def test_missing_credentials_are_reported(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CREDENTIALS, "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "no AWS credentials" in read_and_fail(
        make_context(AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=NOWHERE), "plain"
    )


def test_an_access_key_without_its_secret_is_reported(make_context: MakeContext) -> None:
    context = make_context(AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=NOWHERE, AWS_ACCESS_KEY_ID="canary")
    assert "only one of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` is set" in read_and_fail(
        context, "plain"
    )


def test_an_unreachable_endpoint_is_reported(make_context: MakeContext) -> None:
    context = make_context(timeout=30, AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=NOWHERE, **CREDENTIALS)
    assert "cannot be reached" in read_and_fail(context, "plain")


def test_a_missing_library_is_reported_with_the_install_command(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert "`pip install '.[aws]'` in a clone" in read_and_fail(
        make_context(AWS_REGION="eu-west-1", **CREDENTIALS), "plain"
    )


@pytest.mark.parametrize(
    ("locator", "is_fine"),
    [
        ("prod/db", True),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf", True),
        ("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x", True),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/x", False),
        ("a name", False),
        ("", False),
    ],
)
def test_a_reference_holds_a_name_or_an_arn(locator: str, is_fine: bool) -> None:
    assert (validate_reference(Reference("aws", locator)) is None) == is_fine


def read_answer(make_context: MakeContext, answer: MalformedAnswer, timeout: float = 1) -> str:
    """Read the secret of an answer, or the reason for the missing secret."""
    with serve_script(lambda wire, _: answer.send(wire)) as running:
        endpoint = f"http://127.0.0.1:{running.port}"
        context = make_context(timeout, AWS_REGION="eu-west-1", AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)
        try:
            return read(context, "plain")
        except SecretUnavailable as unavailable:
            return unavailable.reason


SECRET = b'{"ARN": "arn:aws:secretsmanager:x", "Name": "plain", "SecretString": "canary"}'


def test_an_answer_that_drips_takes_no_longer_than_a_look_up(make_context: MakeContext) -> None:
    line = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    drip = MalformedAnswer("drip", line, (b" " * 9000,), drip=True, endless=True)
    assert read_answer(make_context, drip) == "AWS did not answer in time"


@pytest.mark.parametrize("body", [b"{}", b'{"SecretString": null}', b'{"SecretString": 7}', b"", b"hello"])
def test_an_answer_without_a_secret_is_no_empty_secret(make_context: MakeContext, body: bytes) -> None:
    assert (
        read_answer(make_context, MalformedAnswer("body", build_response(body)), 10)
        == "the answer of AWS holds no secret"
    )


@small_and_large("count", 3, 60)
def test_every_malformed_answer_is_a_reason_or_the_secret(make_context: MakeContext, count: int) -> None:
    for number in range(count):
        answer = build_malformed_answer(Random(f"aws {number}"), 200, SECRET)
        told = read_answer(make_context, answer)
        assert told == "canary" or "AWS" in told, answer.name
