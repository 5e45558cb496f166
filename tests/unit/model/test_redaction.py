"""Test that known secrets are redacted in every encoding, and that no ordinary text is mangled."""

from __future__ import annotations

import base64
import json
import random
import string
import threading
import time
from functools import cache

import pytest
from echoed_encodings import ENCODINGS, LINE_ENCODINGS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples

from reconciler.model.redaction import MIN_LENGTH, MIN_RUN, Redactor
from reconciler.model.value import MASKED_IN_OUTPUT


def make_key(seed: int, lines: int = 25) -> str:
    """Make a text in the form of a private key."""
    chance = random.Random(seed)
    data = base64.b64encode(chance.randbytes(48 * lines + 10)).decode()
    rows = [data[start : start + 64] for start in range(0, len(data), 64)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *rows, "-----END PRIVATE KEY-----", ""])


KEY = make_key(1)
SECRETS = {
    "a password": "tr0ub4dor&3",
    "a short password": "pw-1234",
    "a phrase": "correct horse battery staple",
    "signs": "p\"<w>&'/\\x+y%41~z",
    "other alphabets": "пароль-密码-ÿÿ",
    "beyond 16 bits": "key😀of🔑mine",
    "escapes": "100%25 &amp; \\n\\u0041",
    "an escape of a form": "000ß%00",
    "an escape of XML": "a&lt;ßb",
    "an escape of JSON": "1\\u0041ß",
    "a token": "hvs.CAESIJ7dkq2Xy0b3ZpQmAAAAAbcdefgh123456789",
    "a Basic header": base64.b64encode(b"the-api-key:the-api-secret").decode(),
    "a key": KEY,
    "a document": json.dumps({"type": "service_account", "private_key": make_key(2), "project_id": "acme"}),
}


def make_redactor(*secrets: object) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


@cache
def make_full_redactor() -> Redactor:
    return make_redactor(*SECRETS.values())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_redacted_in_every_encoding(name: str, encoding: str) -> None:
    encoded = ENCODINGS[encoding](SECRETS[name]).rstrip("\n")
    redacted = make_full_redactor().redact(f"before ({encoded}) after")
    assert encoded not in redacted
    assert redacted.startswith("before (")
    assert redacted.endswith(") after")
    # A line break at the end of a secret, or a sign beside the secret in base64, may stay.
    assert len(redacted) <= len(f"before ({MASKED_IN_OUTPUT}) after") + 12


@pytest.mark.parametrize("encoding", LINE_ENCODINGS)
def test_a_key_is_redacted_on_one_line_and_on_other_lines(encoding: str) -> None:
    encoded = LINE_ENCODINGS[encoding](KEY)
    redacted = make_redactor(KEY).redact(f"before ({encoded}) after")
    assert not any(line in redacted for line in KEY.splitlines() if "-----" not in line)
    assert len(redacted) < 90


@pytest.mark.parametrize("start", range(0, 1_200, 97))
def test_a_part_of_a_key_is_redacted_in_any_encoding(start: int) -> None:
    redactor = make_redactor(KEY)
    part = "".join(KEY.splitlines()[1:-1])[start : start + MIN_RUN + 8]
    for encoded in (part, part.replace("/", "%2F"), json.dumps(part).replace("/", "\\/")):
        redacted = redactor.redact(f"quoting {encoded}, it ended")
        assert MASKED_IN_OUTPUT in redacted
        assert redacted.startswith("quoting")
        assert redacted.endswith(", it ended")
        assert not any(part[place : place + 8] in redacted for place in range(len(part) - 7))
    whole = base64.b64encode(KEY.encode()).decode()
    assert whole[start : start + 60] not in redactor.redact(f"… {whole[start : start + 60]} …")


def test_a_line_of_a_key_is_redacted_and_its_markers_are_not() -> None:
    redactor = make_redactor("-----BEGIN KEY-----\nMIIEvgIBADAN\nBgkqhkiG9w0B\n-----END KEY-----\n")
    assert redactor.redact("|MIIEvgIBADAN|") == f"|{MASKED_IN_OUTPUT}|"
    assert redactor.redact("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_the_secret_members_of_a_document_are_redacted_and_others_are_not() -> None:
    document = json.loads(SECRETS["a document"])
    redactor = make_redactor(json.dumps({**document, "project_id": "project-of-the-acme-company"}, indent=2))
    member = document["private_key"].splitlines()[3]
    assert redactor.redact(f"key {member}") == f"key {MASKED_IN_OUTPUT}"
    text = "project project-of-the-acme-company of a service_account"
    assert redactor.redact(text) == text


@pytest.mark.parametrize(
    "secret", ["q", "123456", "password", "ordinary", "Snowflake", "20260301", "FIVETRAN"]
)
def test_a_short_or_common_secret_mangles_no_ordinary_text(secret: str) -> None:
    redactor = make_redactor(secret)
    text = f"destination.orders: config.password `{secret}` is wrong"
    assert redactor.redact(text) == text
    if len(secret) > MIN_LENGTH:
        encoded = base64.b64encode(f"user:{secret}".encode()).decode()
        assert redactor.redact(encoded) != encoded


ORDINARY = (
    "Plan: 6000 to add, 0 to change, 0 to destroy.",
    "error[api-refused]: Fivetran refused the request: Invalid 'config' object",
    "https://api.fivetran.com/v1/destinations/gentle_ivory?limit=1000&cursor=eyJza2lwIjoxfQ==",
    "digest f98253ce0cda5b6f7d1c8a9e4b3f2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e",
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA",
    "\\u2022 50%25 &lt;br&gt; a+b=c",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert make_full_redactor().redact(text) == text
    assert Redactor().redact(text) == text


def test_the_public_texts_of_the_project_stay_in_clear_but_for_credentials() -> None:
    redactor = make_redactor("analytics-db", "other-secret-1")
    redactor.add("api-key-1234", is_credential=True)
    redactor.add_public(lambda: ["database: Analytics-DB\n# api-key-1234"])
    text = "analytics-db, other-secret-1, api-key-1234"
    assert redactor.redact(text) == f"analytics-db, {MASKED_IN_OUTPUT}, {MASKED_IN_OUTPUT}"
    assert redactor.redact("YW5hbHl0aWNzLWRi") == MASKED_IN_OUTPUT
    redactor.add("analytics-database-of-acme")
    redactor.add_public(lambda: ["analytics-database-of-acme"])
    assert redactor.redact("on analytics-database-of-acme") == "on analytics-database-of-acme"


def test_public_texts_are_read_only_if_a_secret_is_found() -> None:
    redactor = make_redactor("analytics-db")
    read: list[str] = []
    redactor.add_public(lambda: read.append("once") or ["nothing"])  # type: ignore[func-returns-value]
    redactor.redact("nothing to find here")
    assert read == []
    for _ in range(2):
        redactor.redact("analytics-db")
    assert read == ["once"]


def test_a_secret_that_is_added_later_is_redacted_from_then_on() -> None:
    redactor = make_redactor("first-secret")
    assert redactor.redact("second-secret") == "second-secret"
    redactor.add({"nested": ["second-secret"]})
    assert redactor.redact("first-secret second-secret") == f"{MASKED_IN_OUTPUT} {MASKED_IN_OUTPUT}"


def test_a_secret_inside_another_secret_leaves_nothing_behind() -> None:
    redactor = make_redactor("hunter-2", "hunter-2-and-more", "re-hunter-2")
    assert (
        redactor.redact("hunter-2-and-more, re-hunter-2-and-more")
        == f"{MASKED_IN_OUTPUT}, {MASKED_IN_OUTPUT}"
    )


def test_values_are_redacted_with_their_keys() -> None:
    value = {"key tr0ub4dor&3": ["tr0ub4dor&3", 1, None, ("tr0ub4dor&3",)]}
    masked = MASKED_IN_OUTPUT
    assert make_redactor("tr0ub4dor&3").redact_all(value) == {f"key {masked}": [masked, 1, None, (masked,)]}


def test_a_redactor_shows_no_secret() -> None:
    assert "tr0ub4dor" not in repr(make_redactor("tr0ub4dor&3"))


ESCAPES = ("%00", "%C3", "&lt;", "&#65;", "\\n", "\\u0041", "\\x41")
"""Texts inside secrets that a decoder takes for escapes."""
ALPHABET = string.ascii_letters + string.digits + " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~äß€😀"


@fixed_examples(200)
@given(
    secret=st.lists(st.sampled_from((*ALPHABET, *ESCAPES)), min_size=MIN_LENGTH, max_size=80).map("".join),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    before=st.text(ALPHABET, max_size=9),
    after=st.text(ALPHABET, max_size=9),
)
def test_any_secret_is_redacted_between_any_texts(
    secret: str, encoding: str, before: str, after: str
) -> None:
    is_word = len(secret) < 12 and (secret.isalpha() or secret.isdigit())
    if is_word or len(secret.strip()) < MIN_LENGTH:
        return
    encoded = ENCODINGS[encoding](secret)
    redacted = make_redactor(secret).redact(f"{before}|{encoded}|{after}")
    assert f"|{encoded}|" not in redacted
    assert MASKED_IN_OUTPUT in redacted


def test_secrets_are_redacted_while_another_thread_adds_secrets() -> None:
    redactor = make_redactor("first-secret")
    adding = threading.Thread(target=lambda: [redactor.add(f"secret-number-{each}") for each in range(2_000)])
    adding.start()
    while adding.is_alive():
        assert redactor.redact("a first-secret b") == f"a {MASKED_IN_OUTPUT} b"
    adding.join()
    assert redactor.redact("secret-number-1999") == MASKED_IN_OUTPUT


def test_the_time_does_not_grow_with_the_number_of_secrets() -> None:
    text = "\n".join(f"destination.team_{number} config.host acme.example" for number in range(5_000))

    def measure(count: int) -> float:
        redactor = make_redactor(*(f"password-{number:06}-of-the-team" for number in range(count)))
        redactor.redact("indexes the secrets")
        start = time.process_time()
        assert redactor.redact(text) == text
        return time.process_time() - start

    assert measure(2_000) < 20 * (measure(2) + 0.05)
