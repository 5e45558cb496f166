"""Check that any input to the other resources is answered with an envelope and never with a 500."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from emulated_account import EmulatedAccount
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from known_endpoints import (
    AGENT,
    CERTIFICATE,
    CONNECTION,
    FINGERPRINT,
    INVITED,
    LINK,
    MANAGER,
    PROXY,
    TEAM,
    WEBHOOK,
    fill_placeholders,
    prepare_account,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
SENSIBLE = {
    "/v1/destinations/{group}/certificates": CERTIFICATE,
    "/v1/destinations/{group}/fingerprints": FINGERPRINT,
    "/v1/certificates": {**CERTIFICATE, "destination_id": "{group}"},
    "/v1/fingerprints": {**FINGERPRINT, "connection_id": "{group}"},
    "/v1/hybrid-deployment-agents": {**AGENT, "auth_type": "AUTO"},
    "/v1/hybrid-deployment-agents/{agent}/re-auth": {"auth_type": "AUTO"},
    "/v1/proxy": PROXY,
    "/v1/private-links": LINK,
    "/v1/private-links/{ready_link}": {"config": {}},
    "/v1/external-secrets-managers": {**MANAGER, "is_hybrid_deployment": False},
    "/v1/external-secrets-managers/{manager}": {"config": {}},
    "/v1/groups/{group}/users": {"email": "{email}", "role": "Reviewer"},
    "/v1/users": {**INVITED, "picture": "", "role": ""},
    "/v1/users/{member}": {"given_name": "", "role": "", "phone": ""},
    "/v1/teams": TEAM,
    "/v1/teams/{team}": TEAM,
    "/v1/teams/{team}/users": {"user_id": "{guest}", "role": "Team Member"},
    "/v1/teams/{team}/users/{member}": {"role": "Team Member"},
    "/v1/users/{member}/groups": {"id": "{free_group}", "role": "Destination Reviewer"},
    "/v1/webhooks/account": {**WEBHOOK, "active": True},
    "/v1/webhooks/{webhook}": WEBHOOK,
    "/v1/connections": {**CONNECTION, "auth": {}, "sync_frequency": 60, "proxy_agent_id": "{proxy}"},
    "/v1/connections/{connection}": {"config": {}, "paused": True, "networking_method": "Directly"},
    "/v1/connections/{connection}/certificates": CERTIFICATE,
}


@check_examples(data=st.data(), few=20, many=120)
def test_any_body_gets_an_envelope(data: st.DataObject) -> None:
    account = EmulatedAccount()
    path = data.draw(st.sampled_from(sorted(SENSIBLE)))
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(SENSIBLE[path])), values))
    names = prepare_account(account)
    sensible = fill_placeholders(SENSIBLE[path], names)
    body: Any = data.draw(st.just({**sensible, **changed}) | values)
    method = data.draw(st.sampled_from(("POST", "PATCH")))
    answer = account.send(method, path.format_map(names), body)
    assert answer.status < 500, account.list_failures()
    account.emulator.close()


@check_examples(
    approved=st.text(min_size=1, max_size=12), asked=st.text(min_size=1, max_size=12), few=10, many=60
)
def test_any_approved_hash_can_be_read(approved: str, asked: str) -> None:
    account = EmulatedAccount()
    path = f"/v1/destinations/{account.must_create('snowflake', {})}/fingerprints"
    data = account.post(path, {"hash": approved, "public_key": "k"}).data
    assert account.get(f"{path}/{data['id']}").data == data
    for name in (approved, asked):
        if name not in {".", ".."}:
            answer = account.get(f"{path}/{quote(name, safe='')}")
            assert answer.status == (200 if name in {data["hash"], data["id"]} else 404), answer
    assert account.list_failures() == []
    account.emulator.close()
