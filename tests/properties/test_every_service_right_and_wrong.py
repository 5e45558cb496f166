"""Wrong specs of every service are found before the first write, and parts of existing destinations are right."""

from __future__ import annotations

import pytest
from in_process_harness import InProcessProject, open_project
from secret_leak_detector import allow_values
from spec_matrix import CONFIGS, SpecModel, WrongSpec, build_right_spec, list_partial_specs, list_wrong_specs

from reconciler.catalogue.load import load_service_names
from reconciler.model.diagnostic import ReconcilerError, Severity, select_errors
from reconciler.model.plan import Action
from reconciler.spec.load import load
from reconciler.workspace.specs import compile_specs

WRONG = list_wrong_specs()


def declare(project: InProcessProject, spec: SpecModel) -> None:
    """Write a spec, with the environment of its references."""
    (project.folder / "main.yaml").write_text(spec.render(), encoding="utf-8")
    project.secrets = dict(spec.environ)
    allow_values(*(value for name, value in spec.environ.items() if name.startswith("VALUE_OF_")))
    project.reload_specs()


def test_there_are_specs_of_all_services() -> None:
    assert set(CONFIGS) == set(load_service_names())
    assert len(WRONG) == len({wrong.id for wrong in WRONG})
    assert len(WRONG) >= 300
    assert {wrong.spec.service for wrong in WRONG} == set(CONFIGS)
    assert sum(len(list_partial_specs(service, "some_id")) for service in CONFIGS) >= 300


@pytest.mark.sampled(every=16)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.id)
def test_a_wrong_spec_is_one_error_at_its_place_before_the_first_write(wrong: WrongSpec) -> None:
    with open_project() as project:
        declare(project, wrong.spec)
        with pytest.raises(ReconcilerError) as raised:
            project.attempt()
        assert [entry for entry in project.history if entry.method != "GET"] == []
    [error] = select_errors(raised.value.diagnostics)
    assert error.span is not None
    assert (error.code, error.span.line, error.span.column) == (wrong.code, wrong.line, wrong.column)
    named = [name for name in wrong.spec.environ if name.startswith("VALUE_OF_")]
    assert all(any(f"`env:{name}`" in note for note in error.notes) for name in named)


@pytest.mark.sampled(every=8)
@pytest.mark.parametrize("service", sorted(CONFIGS))
def test_a_part_of_an_existing_destination_is_right(service: str) -> None:
    with open_project() as project:
        declare(project, build_right_spec(service))
        project.apply()
        [id] = [change.id for change in project.plan().plan.changes if change.address.kind == "destination"]
        assert id is not None
        for spec, has_id in list_partial_specs(service, id):
            project.lose_state()
            declare(project, spec)
            changes = {change.address.kind: change.action for change in project.plan().plan.changes}
            assert changes["destination"] in (Action.ADOPT, Action.UPDATE, Action.NO_OP)
            loaded = load(project.folder / "reconciler.yaml", project.folder)
            found = compile_specs(loaded, strict=False, warns_incomplete=True).warnings
            assert not [each for each in found if each.severity is Severity.ERROR]
            assert not has_id or "missing-field" not in {each.code for each in found}
