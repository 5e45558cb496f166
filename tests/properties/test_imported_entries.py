"""Check that imported entries plan empty: for every service, every spelling of answers, and every switch."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import DestinationModel, destination_models, render_response
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from imported_specs import get_text, read_live_groups, write_entries
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.importing.entries import EntryBuilder
from reconciler.importing.keys import assign_keys
from reconciler.importing.model import EntryOptions, ImportedEntry, UnknownFieldTreatment
from reconciler.model.plan import Action

_CHARACTERS = st.sampled_from("abcXYZ019 _-&/äß日🐍$\u00a0{}'\"#:") | st.characters(categories=["Ll", "Lo"])
group_names = st.text(_CHARACTERS, min_size=1, max_size=8)
treatments = st.sampled_from(UnknownFieldTreatment)


def create_by_hand(draw: Any, account: InProcessProject, pairs: list[DestinationModel]) -> None:
    """Create pairs with any names in the account, without the REST API."""
    for pair in pairs:
        group = account.app.dashboard.add_group(draw(group_names))
        account.app.dashboard.add_destination(group, pair.service, **render_response(draw, pair))


def import_account(account: InProcessProject, options: EntryOptions) -> list[ImportedEntry]:
    live = read_live_groups(account.app)
    keys, omissions = assign_keys(live, set())
    assert omissions == ()
    builder = EntryBuilder(options)
    return [builder.build(group, keys[group.id]) for group in live]


def declare(account: InProcessProject, entries: list[ImportedEntry], **more: Any) -> None:
    """Declare imported entries, with some secret behind each reference."""
    account.declare(write_entries(entries), **more)
    for entry in entries:
        for written in entry.references:
            account.secrets[written.reference.removeprefix("env:")] = f"secret of {entry.key}"


@check_examples(
    st.data(), behaviours, treatments, st.lists(destination_models(), min_size=1, max_size=3), few=10, many=300
)  # fmt: skip
def test_imported_entries_plan_empty(
    data: st.DataObject,
    behaviour: dict[str, Any],
    treatment: UnknownFieldTreatment,
    pairs: list[DestinationModel],
) -> None:
    with open_project(**behaviour) as account:
        create_by_hand(data.draw, account, pairs)
        entries = import_account(account, EntryOptions(unknown_fields=treatment))
        declare(account, entries)
        secrets = [str(secret) for pair in pairs for secret in pair.secrets.values()]
        assert not [secret for secret in secrets if secret in get_text(entries)]
        planned = account.plan()
        assert planned.plan.blockers == ()
        assert set(list_actions(planned).values()) == {Action.ADOPT}
        assert account.apply() == []
        assert set(list_actions(account.plan()).values()) == {Action.NO_OP}
