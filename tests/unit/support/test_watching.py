"""Test that the search for secrets is active in every test, also without a running command."""

from __future__ import annotations

import base64

import pytest
from in_process_harness import open_project
from secret_leak_detector import detect_leaks, find_leaks, get_detector


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
@pytest.mark.parametrize("after", ["", "z", "zy"])
@pytest.mark.parametrize("secret", ["sixsix", "?>?>?>~~~", "a-key-of-mine"])
def test_a_secret_is_found_at_every_offset_in_base64(before: str, after: str, secret: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert find_leaks(b"x" + encode(f"{before}{secret}{after}".encode()) + b"x", {"THE_KEY": secret})
        assert not find_leaks(encode(f"{before}another text{after}".encode()), {"THE_KEY": secret})


def test_every_test_has_the_leak_detector(request: pytest.FixtureRequest) -> None:
    assert "no_secret_leaks" in request.fixturenames
    assert get_detector().secrets == {}, "each test starts with an empty detector"


def test_captured_output_is_an_artefact() -> None:
    sections = [("captured stdout", "it is a-key-of-mine")]
    with pytest.raises(AssertionError, match="captured stdout: value 1 of THE_KEY"), detect_leaks(sections):
        get_detector().add_secret("THE_KEY", "a-key-of-mine")


def test_a_leaking_state_is_found_without_a_process() -> None:
    config = {"project_id": "acme", "data_set_location": "US", "secret_key": {"secret": "env:ORDERS_KEY"}}
    destination = {
        "service": "big_query",
        "region": "GCP_US_EAST4",
        "time_zone_offset": "0",
        "config": config,
    }
    leak = r"secrets leaked:\n +state/notes: value 1 of ORDERS_KEY, raw"
    with pytest.raises(AssertionError, match=leak), open_project() as account:
        account.secrets["ORDERS_KEY"] = "a-key-of-mine"
        account.declare({"orders": {"destination": destination}})
        account.apply()
        (account.folder / "state" / "notes").write_text("a-key-of-mine")
