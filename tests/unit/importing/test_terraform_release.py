"""Test the steps that make Terraform release objects. Their effect is modelled: no program of Terraform is needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from terraform_states import make_pair, make_resource, parse_state, read_state

from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_release import TerraformRelease, build_release
from reconciler.importing.terraform_state import TerraformState

KEYS = {
    "courier_timber": "warehouse",
    "gentle_ivory": "sales_de",
    "tranquil_mulberry": "sales_fr",
    "fathom_pastel": "sales_nord_and_sued",
    "patient_rambling": "shard_0",
    "pumpkin_island": "shard_1",
    "cotton_inkwell": "shard_2",
    "mirror_sparrow": "region_eu_this",
    "arrow_robust": "region_us_this",
}


def release(*keys: str, state: TerraformState | None = None) -> TerraformRelease:
    """Release the groups with these keys of the recorded state."""
    return build_release(state or read_state(), {id: key for id, key in KEYS.items() if key in keys})


def to_texts(addresses: Collection[TerraformAddress]) -> list[str]:
    return [str(address) for address in addresses]


def test_a_resource_with_all_instances_is_removed_as_a_whole() -> None:
    steps = release("warehouse", "sales_de", "sales_fr", "sales_nord_and_sued")
    assert to_texts(steps.removed_addresses) == [
        "fivetran_destination.sales",
        "fivetran_destination.warehouse",
        "fivetran_group.sales",
        "fivetran_group.warehouse",
    ]
    assert (steps.partial, steps.interim_addresses, steps.forgotten_addresses) == ((), {}, ())


def test_all_instances_of_a_module_are_removed_by_the_address_of_the_block() -> None:
    steps = release("region_eu_this", "region_us_this")
    assert to_texts(steps.removed_addresses) == [
        "module.region.fivetran_destination.this",
        "module.region.fivetran_group.this",
    ]


def test_an_instance_of_for_each_moves_to_an_address_of_its_own() -> None:
    steps = release("sales_de")
    moved = {str(instance): str(interim) for instance, interim in steps.interim_addresses.items()}
    assert moved == {
        'fivetran_destination.sales["de"]': "fivetran_destination.released_sales_de",
        'fivetran_group.sales["de"]': "fivetran_group.released_sales_de",
    }
    assert to_texts(steps.removed_addresses) == [*moved.values()]
    assert steps.forgotten_addresses == ()
    assert [partial.advice for partial in steps.partial] == ['take "de" out of its `for_each`'] * 2
    assert to_texts(steps.partial[0].kept) == [
        'fivetran_destination.sales["fr"]',
        'fivetran_destination.sales["nord & süd"]',
    ]


def test_kept_instances_of_a_count_are_renumbered_by_lines() -> None:
    steps = release("shard_0")
    assert (steps.interim_addresses, steps.removed_addresses) == ({}, ())
    assert to_texts(steps.forgotten_addresses) == ["fivetran_destination.shard[0]", "fivetran_group.shard[0]"]
    assert [(str(old), str(new)) for old, new in steps.renumberings] == [
        ("fivetran_destination.shard[1]", "fivetran_destination.shard[0]"),
        ("fivetran_destination.shard[2]", "fivetran_destination.shard[1]"),
        ("fivetran_group.shard[1]", "fivetran_group.shard[0]"),
        ("fivetran_group.shard[2]", "fivetran_group.shard[1]"),
    ]
    assert {partial.advice for partial in steps.partial} == {"lower its `count` to 2"}


def test_the_last_instance_of_a_count_leaves_the_numbers_alone() -> None:
    steps = release("shard_2")
    assert to_texts(steps.interim_addresses) == ["fivetran_destination.shard[2]", "fivetran_group.shard[2]"]
    assert (steps.renumberings, steps.forgotten_addresses) == ((), ())


def test_instances_of_a_large_count_are_renumbered_in_the_order_of_numbers() -> None:
    state = parse_state([make_resource("group", "shard", {number: f"g{number}" for number in range(12)})])
    steps = build_release(state, {"g2": "a"})
    assert [(old.key, new.key) for old, new in steps.renumberings] == [(n, n - 1) for n in range(3, 12)]


def test_a_module_instance_with_nothing_else_can_go() -> None:
    steps = release("region_eu_this")
    assert {partial.advice for partial in steps.partial} == {
        'take `module.region["eu"]` out of its `for_each` or `count`'
    }
    assert len(steps.interim_addresses) == 2


def test_a_module_instance_with_other_objects_stays() -> None:
    module = 'module.region["eu"]'
    resources = [
        *make_pair("this", {None: "g1"}, module),
        *make_pair("this", {None: "g2"}, 'module.region["us"]'),
        make_resource("connector", "shop", {None: "c1"}, f"{module}.module.inner"),
    ]
    steps = build_release(parse_state(resources), {"g1": "eu"})
    assert steps.partial[0].advice == f"make the block conditional, so that `{module}` does not declare it"
    # Terraform refuses a `moved` block from a block that remains.
    assert steps.interim_addresses == {}
    assert to_texts(steps.forgotten_addresses) == [
        f"{module}.fivetran_destination.this",
        f"{module}.fivetran_group.this",
    ]


def test_an_instance_of_an_inner_module_stays_too() -> None:
    resources = [
        *make_pair("this", {None: "g1"}, 'module.region["eu"].module.pair'),
        *make_pair("this", {None: "g2"}, 'module.region["us"].module.pair'),
    ]
    steps = build_release(parse_state(resources), {"g1": "eu"})
    assert steps.partial[0].advice.startswith("make the block conditional")
    assert len(steps.forgotten_addresses) == 2


def test_instances_in_several_modules_get_no_wrong_advice() -> None:
    resources = [
        *make_pair("sales", {"de": "g1"}, 'module.region["eu"]'),
        *make_pair("sales", {"de": "g2"}, 'module.region["us"]'),
    ]
    assert [partial.advice for partial in build_release(parse_state(resources), {"g1": "eu"}).partial] == [
        "",
        "",
    ]


def test_an_old_version_gets_lines_only() -> None:
    steps = release("warehouse", "sales_de", state=replace(read_state(), version="1.6.6"))
    assert (steps.knows_removed, steps.interim_addresses, steps.removed_addresses) == (False, {}, ())
    assert to_texts(steps.forgotten_addresses) == [
        "fivetran_destination.warehouse",
        "fivetran_group.warehouse",
        'fivetran_destination.sales["de"]',
        'fivetran_group.sales["de"]',
    ]


@pytest.mark.parametrize(
    ("program", "version", "knows_removed"),
    [
        ("terraform", "1.7.0", True),
        ("terraform", "1.10.0-beta1", True),
        ("terraform", "0.15.5", False),
        ("terraform", "", True),
        ("tofu", "1.9.1", False),
        ("tofu", "1.10.0", True),
    ],
)
def test_the_version_decides_about_blocks(program: str, version: str, knows_removed: bool) -> None:
    state = replace(read_state(), program=program, version=version)
    assert release("warehouse", state=state).knows_removed is knows_removed


def test_remaining_uses_have_the_keys_of_released_groups_only() -> None:
    steps = release("warehouse", "region_eu_this")
    assert {use.address: dict(use.keys) for use in steps.uses} == {
        "data.fivetran_group.warehouse": {"id": ("warehouse",)},
        "fivetran_connector.shop": {"group_id": ("warehouse",)},
        "fivetran_group_users.warehouse": {"group_id": ("warehouse",)},
        "terraform_data.policy": {"input": ("region_eu_this",), "output": ("region_eu_this",)},
        "output.regions": {"value": ("region_eu_this",)},
        "output.warehouse_id": {"value": ("warehouse",)},
    }
    assert [(replaced.key, replaced.id) for replaced in steps.ids] == [
        ("region_eu_this", "mirror_sparrow"),
        ("warehouse", "courier_timber"),
    ]


def test_a_dependency_on_kept_instances_is_no_remaining_use() -> None:
    assert release("sales_fr").uses == ()


def test_nothing_managed_releases_nothing() -> None:
    steps = release()
    assert (steps.whole, steps.partial, steps.uses, steps.ids) == ((), (), (), ())


@st.composite
def draw_releases(draw: st.DrawFn) -> tuple[TerraformState, dict[str, str]]:
    """Draw a state and the managed groups of it, with some groups or destinations missing."""
    resources, ids = [], []
    for number in range(draw(st.integers(1, 3))):
        modules = draw(
            st.sampled_from(
                [[""], ["module.a"], ['module.a["x"]', 'module.a["y"]'], ["module.a[0].module.b"]]
            )
        )
        keys = draw(st.sampled_from([[None], ["a", "b", "c"], [0, 1, 2, 3]]))
        kinds = draw(st.sampled_from([["group"], ["destination"], ["group", "destination"]]))
        for place, module in enumerate(modules):
            own = {key: f"g{number}_{place}_{position}" for position, key in enumerate(keys)}
            resources += [make_resource(kind, f"r{number}", own, module) for kind in kinds]
            ids += own.values()
    managed = draw(st.sets(st.sampled_from(ids)))
    return parse_state(resources), {id: f"key_{id}" for id in managed}


def simulate(state: TerraformState, steps: TerraformRelease) -> tuple[list[str], dict[TerraformAddress, str]]:
    """Carry out the steps on the addresses of a state. Returns the released ids, and the kept ids by address."""
    kept = {item.address: item.group_id for item in state.objects}

    def release_all(address: TerraformAddress) -> list[str]:
        """Release an instance, or all instances of a resource, as `removed` and `state rm` do."""
        return [kept.pop(each) for each in [*kept] if address in {each, each.resource}]

    released = [id for address in steps.forgotten_addresses for id in release_all(address)]
    for source, target in (*steps.renumberings, *steps.interim_addresses.items()):
        assert target not in kept
        kept[target] = kept.pop(source)
    released += [id for address in steps.removed_addresses for id in release_all(address)]
    return released, kept


@check_examples(draw_releases(), st.sampled_from(["1.11.4", "1.5.0"]), few=60, many=800)
def test_the_steps_release_exactly_the_managed_objects(
    drawn: tuple[TerraformState, dict[str, str]], version: str
) -> None:
    state, managed = drawn
    steps = build_release(replace(state, version=version), managed)
    released, kept = simulate(state, steps)
    ids = [item.group_id for item in state.objects]
    assert sorted(released) == sorted(id for id in ids if id in managed)
    assert sorted(kept.values()) == sorted(id for id in ids if id not in managed)
    numbers: dict[tuple[str, TerraformAddress], list[int]] = defaultdict(list)
    for address in kept:
        if isinstance(address.key, int):
            numbers[address.module, address.resource].append(address.key)
    assert [each for each in numbers.values() if sorted(each) != [*range(len(each))]] == []
