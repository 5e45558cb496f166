"""Check that imported entries plan empty: for every service, every spelling of answers, and every switch; also for
answers that make no sense."""

from __future__ import annotations

from typing import Any

from client_switches import behaviours
from destination_strategies import DestinationModel, destination_models, render_response
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from imported_specs import check_plans_empty, get_text, read_live_groups, write_entries
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.importing.entries import EntryBuilder
from reconciler.importing.keys import assign_keys
from reconciler.importing.model import EntryOptions, ImportedEntry, LiveGroup, UnknownFieldTreatment
from reconciler.model.plan import Action
from reconciler.model.resource import Observed
from reconciler.model.value import ExternalKey, FieldPath

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
    st.data(), behaviours, treatments, st.lists(destination_models(), min_size=1, max_size=3), few=10, many=150
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


_TELLING_TEXTS = (
    "", "******", "a\u200bb", "Directly", "SshTunnel", "KEY_PAIR", "443", "true", "EU", "x:y", "secret"
)  # fmt: skip
_any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | st.floats(-1e6, 1e6)
    | st.sampled_from(_TELLING_TEXTS)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "secret", "value", "unset", "api_token", "env"]), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@st.composite
def senseless_destinations(draw: Any) -> Observed:
    """Draw a destination with values of any kind in its fields."""
    service = draw(st.sampled_from([*load_service_names(), "quantum_store", "snowflaek"]))
    known = load_service(service)
    names = st.sampled_from(
        [*(known.fields if known else ()), "warp_factor", "some_key", "secret", "unset", "a b", ""]
    )
    top_level = st.sampled_from([*load_destination_facts().fields, "created_at"])
    fields: dict[FieldPath, Any] = {("service",): service}
    fields |= {
        (name,): value for name, value in draw(st.dictionaries(top_level, _any_values, max_size=4)).items()
    }
    config = draw(
        st.dictionaries(names, _any_values | st.builds(ExternalKey, st.text(max_size=5)), max_size=8)
    )
    fields |= {("config", name): value for name, value in config.items()}
    return Observed("destination", "some_id", "some_id", fields, "connected")


@check_examples(senseless_destinations(), treatments, few=40, many=400)
def test_an_answer_that_makes_no_sense_is_declared_as_far_as_possible(
    destination: Observed, treatment: UnknownFieldTreatment
) -> None:
    live = LiveGroup(Observed("group", "some_id", "some group", {}), destination)
    entry = EntryBuilder(EntryOptions(unknown_fields=treatment)).build(live, "key")
    check_plans_empty([entry])
