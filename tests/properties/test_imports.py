"""Check imports of random accounts: their plans are empty, they only read, each object once, and write no secret."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from client_switches import SETTINGS, behaviours
from generated_accounts import build_large_account, build_typical_account, list_clear_secrets
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.catalogue.load import load_service_names
from reconciler.emulator.seed import Seed
from reconciler.emulator.switches import Behaviour
from reconciler.importing.model import EntryOptions, UnknownFieldTreatment
from reconciler.importing.options import ImportOptions, Layout, ProfileUse
from reconciler.importing.results import ImportResult
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS
from reconciler.report.formats import Verbosity
from reconciler.report.import_json import serialize_import
from reconciler.report.import_text import render_import
from reconciler.report.renderer import Printed
from reconciler.workspace.specs import Specs, load_specs

OTHER_SETTINGS = [
    (name, value)
    for name, values in SETTINGS.items()
    for value in values
    if value != Behaviour.model_fields[name].default
]


def load_account(project: InProcessProject, seed: Mapping[str, Any]) -> None:
    """Load a seed, whose secrets no artefact may have, and write a project without a spec file."""
    project.app.load_seed(Seed.model_validate(seed))
    for number, secret in enumerate(sorted(list_clear_secrets(seed))):
        project.leak_detector.add_secret(f"SEED_{number}", secret)
    project.write_project_file(specs=["groups/*.yaml"])


def check_import(project: InProcessProject, seed: Mapping[str, Any], options: ImportOptions) -> ImportResult:
    """Import a whole account, and check its plan, its requests and its output."""
    project.read_new_history()
    result = project.import_groups(options)
    sent = project.read_new_history()
    destinations = sum("destination" in group for group in seed["groups"])
    assert result.left_out == (), result.left_out
    assert len(result.imported) == len(seed["groups"])
    refers_to_links = any("private_link_id" in group.get("destination", {}) for group in seed["groups"])
    assert [entry.method for entry in sent] == ["GET"] * (1 + 2 + refers_to_links + destinations)
    assert result.requests == len(sent)
    planned = project.plan()
    assert planned.plan.blockers == ()
    assert set(list_actions(planned).values()) <= ACTIONS_WITHOUT_REQUESTS
    assert planned.plan.unmanaged == ()
    parts = render_import(result, "", Verbosity.VERBOSE)
    texts = [str(part.text) for part in parts if isinstance(part, Printed)]
    output = "\n".join([*texts, json.dumps(serialize_import(result), default=str)])
    assert [secret for secret in list_clear_secrets(seed) if secret in output] == []
    return result


@check_examples(
    st.integers(0, 10**6),
    behaviours,
    st.sampled_from(Layout),
    st.sampled_from(UnknownFieldTreatment),
    few=2,
    many=250,
)
def test_the_plan_of_any_imported_account_is_empty(
    seed: int, behaviour: dict[str, Any], layout: Layout, treatment: UnknownFieldTreatment
) -> None:
    rng = random.Random(seed)
    services = rng.sample(load_service_names(), 5)
    account = build_large_account(rng.randrange(1, 25), seed, services)
    with open_project(**behaviour) as project:
        load_account(project, account)
        check_import(
            project, account, ImportOptions(layout=layout, entries=EntryOptions(unknown_fields=treatment))
        )


@pytest.mark.sampled(every=400)
@pytest.mark.parametrize(("switch", "setting"), OTHER_SETTINGS)
def test_all_services_are_imported_under_every_switch(switch: str, setting: Any) -> None:
    account = build_large_account(len(load_service_names()))
    with open_project(**{switch: setting}) as project:
        load_account(project, account)
        check_import(project, account, ImportOptions())


def test_profiles_do_not_change_what_the_entries_declare() -> None:
    account = build_typical_account()
    loaded = []
    for use in ProfileUse:
        with open_project() as project:
            load_account(project, account)
            result = check_import(project, account, ImportOptions(profiles=use))
            assert bool(result.profiles) is (use is ProfileUse.AUTO)
            loaded.append(load_all(project))
    with_profiles, without = loaded
    assert compare(with_profiles) == compare(without)


def load_all(project: InProcessProject) -> Specs:
    return load_specs(project.build_settings())


def compare(specs: Specs) -> dict[str, Any]:
    """Return what specs declare, without places."""
    entries = (*specs.groups, *specs.destinations)
    return {
        str(entry.address): (entry.name, entry.id, dict(entry.fields), entry.setup_tests) for entry in entries
    }
