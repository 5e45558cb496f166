"""Test the profiles of imported entries: fewer lines that declare the same."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from generated_accounts import build_large_account, build_typical_account, read_seed
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from imported_specs import compile_entries, count_lines
from long_runs import small_and_large

from reconciler.importing.entries import EntryBuilder
from reconciler.importing.keys import assign_keys
from reconciler.importing.model import EntryOptions, ImportedEntry, LiveGroup
from reconciler.importing.profiles import factor_profiles
from reconciler.model.resource import Observed

NETWORK = {
    "connection_type": "SshTunnel", "tunnel_host": "bastion.example", "tunnel_port": 22, "tunnel_user": "tunnel",
}  # fmt: skip


def make_entry(key: str, **destination: Any) -> ImportedEntry:
    live = LiveGroup(Observed("group", f"id_{key}", key, {}))
    return ImportedEntry(
        key, live, {"id": f"id_{key}", "destination": {"service": "mysql_warehouse", **destination}}
    )


def make_entries(count: int, *, name: str = "e", region: str = "EU", **config: Any) -> list[ImportedEntry]:
    """Make entries that differ by their host and secret only."""
    return [
        make_entry(
            f"{name}_{number}",
            region=region,
            config={
                "host": f"{name}-{number}",
                "password": {"secret": f"env:{name.upper()}_{number}"},
                **NETWORK,
                **config,
            },
        )
        for number in range(count)
    ]


def import_seed(seed: dict[str, Any]) -> list[ImportedEntry]:
    groups = read_seed(seed)
    keys, _ = assign_keys(groups, set())
    builder = EntryBuilder(EntryOptions())
    return [builder.build(live, keys[live.id]) for live in groups]


def list_declared(entries: Any, profiles: Any = None) -> dict[str, Any]:
    """List all declared fields by address, as a plan gets them."""
    specs = compile_entries(entries, profiles)
    return {
        str(desired.address): (desired.name, desired.id, desired.fields, desired.unchecked)
        for desired in (*specs.groups, *specs.destinations)
    }


def test_fields_that_entries_share_stand_in_a_profile() -> None:
    entries = make_entries(4)
    factored = factor_profiles(entries, set())
    assert factored.profiles == {
        "mysql_warehouse": {"service": "mysql_warehouse", "region": "EU", "config": NETWORK}
    }
    assert factored.entries[2].content == {
        "id": "id_e_2",
        "destination": {
            "profile": "mysql_warehouse",
            "config": {"host": "e-2", "password": {"secret": "env:E_2"}},
        },
    }
    assert [entry.key for entry in factored.entries] == [entry.key for entry in entries]


def test_an_entry_keeps_what_differs() -> None:
    entries = [*make_entries(4), *make_entries(1, name="odd", tunnel_port=2222, always_encrypted=True)]
    factored = factor_profiles(entries, set())
    assert factored.entries[-1].content["destination"] == {
        "profile": "mysql_warehouse",
        "config": {
            "host": "odd-0",
            "password": {"secret": "env:ODD_0"},
            "tunnel_port": 2222,
            "always_encrypted": True,
        },
    }


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_entries_have_no_profile(count: int) -> None:
    entries = make_entries(count)
    factored = factor_profiles(entries, set())
    assert factored.entries == tuple(entries)
    assert factored.profiles == {}


def test_a_profile_that_saves_no_lines_is_not_made() -> None:
    entries = [make_entry(f"e_{number}", region="EU", config={"host": f"h{number}"}) for number in range(3)]
    assert factor_profiles(entries, set()).profiles == {}


def test_secrets_ids_and_names_stay_in_the_entries() -> None:
    entries = make_entries(5, password={"secret": "env:SHARED"})
    factored = factor_profiles(entries, set())
    assert "password" not in factored.profiles["mysql_warehouse"]["config"]
    assert all("id" not in profile and "name" not in profile for profile in factored.profiles.values())
    assert {entry.content["destination"]["config"]["password"]["secret"] for entry in factored.entries} == {
        "env:SHARED"
    }


def test_a_field_that_one_entry_lacks_is_not_inherited() -> None:
    entries = make_entries(4, always_encrypted=True)
    lacking = make_entries(1, name="lacking")
    factored = factor_profiles([*entries, *lacking], set())
    assert "always_encrypted" not in factored.profiles["mysql_warehouse"]["config"]
    assert list_declared(factored.entries, factored.profiles) == list_declared([*entries, *lacking])


def test_a_value_that_two_entries_share_stays_in_the_entries() -> None:
    more = {"port": 3306, "user": "loader"}
    entries = [
        *make_entries(2, database="shared", **more),
        *make_entries(1, name="f", database="own", **more),
    ]
    (profile,) = factor_profiles(entries, set()).profiles.values()
    assert profile["config"] == NETWORK | more


def test_unchecked_fields_and_mappings_stay_in_the_entries() -> None:
    entries = [
        make_entry(f"e_{number}", config={**NETWORK, "box": {"a": 1}}, extra_config={"new": 1})
        for number in range(5)
    ]
    (profile,) = factor_profiles(entries, set()).profiles.values()
    assert profile == {"service": "mysql_warehouse", "config": NETWORK}


def test_values_of_different_types_are_different() -> None:
    values: list[Any] = [1, True, "1"]
    entries = [
        entry
        for number, value in enumerate(values)
        for entry in make_entries(2, name=f"e{number}", resource_id=value)
    ]
    (profile,) = factor_profiles(entries, set()).profiles.values()
    assert "resource_id" not in profile["config"]


def test_each_region_has_a_profile_if_that_saves_lines() -> None:
    more = {"port": 3306, "database": "warehouse", "user": "loader"}
    eu = make_entries(6, name="eu", region="AWS_EU_CENTRAL_1", **more)
    us = make_entries(6, name="us", region="AWS_US_EAST_1", **more | {"user": "american", "database": "us"})
    factored = factor_profiles([*us, *eu], set())
    assert list(factored.profiles) == ["mysql_warehouse_aws_eu_central_1", "mysql_warehouse_aws_us_east_1"]
    assert [entry.content["destination"]["profile"] for entry in factored.entries] == (
        ["mysql_warehouse_aws_us_east_1"] * 6 + ["mysql_warehouse_aws_eu_central_1"] * 6
    )
    assert list_declared(factored.entries, factored.profiles) == list_declared([*us, *eu])


@pytest.mark.parametrize(
    ("field", "one", "other", "names"),
    [
        ("time_zone_offset", "+1", "-5", ["utc_minus_5", "utc_plus_1"]),
        ("networking_method", "SshTunnel", None, ["ssh_tunnel", "directly"]),
        ("config_switch", True, None, ["config_switch", "without_config_switch"]),
        ("region", "x" * 30, "eu", ["region", "eu"]),
    ],
)  # fmt: skip
def test_a_profile_is_named_after_what_its_entries_share(
    field: str, one: Any, other: Any, names: list[str]
) -> None:
    def make(name: str, value: Any) -> list[ImportedEntry]:
        config = dict.fromkeys(map("field_{}".format, range(6)), name)
        top = {field: value} if value is not None else {}
        return [make_entry(f"{name}_{number}", **top, config=config) for number in range(6)]

    factored = factor_profiles([*make("one", one), *make("other", other)], set())
    assert sorted(factored.profiles) == sorted(f"mysql_warehouse_{name}" for name in names)


def test_a_name_in_use_gets_a_number() -> None:
    factored = factor_profiles(make_entries(4), {"mysql_warehouse", "mysql_warehouse_2"})
    assert list(factored.profiles) == ["mysql_warehouse_3"]


def test_the_order_of_the_entries_decides_nothing() -> None:
    entries = import_seed(build_typical_account())
    factored = factor_profiles(entries, set())
    by_key = {entry.key: entry for entry in factored.entries}
    for seed in range(3):
        shuffled = factor_profiles(random.Random(seed).sample(entries, len(entries)), set())
        assert shuffled.profiles == factored.profiles
        assert list(shuffled.profiles) == list(factored.profiles)
        assert {entry.key: entry for entry in shuffled.entries} == by_key


def test_the_order_of_fields_follows_from_the_keys() -> None:
    one = make_entry("a", region="EU", time_zone_offset="0", config=NETWORK)
    others = [make_entry(key, time_zone_offset="0", region="EU", config=NETWORK) for key in "bcd"]
    for entries in ([one, *others], [*others, one]):
        (profile,) = factor_profiles(entries, set()).profiles.values()
        assert list(profile) == ["service", "region", "time_zone_offset", "config"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_typical_account_has_a_third_fewer_lines_and_declares_the_same(seed: int) -> None:
    entries = import_seed(build_typical_account(seed))
    factored = factor_profiles(entries, set())
    assert count_lines(factored.entries, factored.profiles) <= 0.7 * count_lines(entries, {})
    assert 5 <= len(factored.profiles) <= 12
    assert list_declared(factored.entries, factored.profiles) == list_declared(entries)
    uses = Counter(entry.content.get("destination", {}).get("profile") for entry in factored.entries)
    assert all(uses[name] >= 3 for name in factored.profiles)


@small_and_large("count", 126, 840)
def test_every_service_declares_the_same(count: int) -> None:
    entries = import_seed(build_large_account(count))
    factored = factor_profiles(entries, set())
    assert len(factored.profiles) > 10
    assert count_lines(factored.entries, factored.profiles) < count_lines(entries, {})
    assert list_declared(factored.entries, factored.profiles) == list_declared(entries)


values = st.sampled_from(["a", "b", True, 1, "1", ["x"], ["x", "y"], {"secret": "env:A"}, {"m": {"n": 1}}])
blocks = st.fixed_dictionaries(
    {"service": st.sampled_from(["clickhouse", "milvus"])},
    optional={
        "region": st.sampled_from(["EU", "US"]),
        "time_zone_offset": st.sampled_from(["+1", "0"]),
        "config": st.dictionaries(st.sampled_from([f"field_{number}" for number in range(5)]), values, min_size=1),
        "extra_config": st.just({"more": 1}),
    },
)  # fmt: skip


@check_examples(st.lists(blocks, min_size=3, max_size=12), st.integers(1, 3), few=15, many=200)
def test_any_entries_declare_the_same_in_fewer_lines(blocks: list[dict[str, Any]], copies: int) -> None:
    entries = [make_entry(f"e_{number}", **block) for number, block in enumerate(blocks * copies)]
    factored = factor_profiles(entries, set())
    assert list_declared(factored.entries, factored.profiles) == list_declared(entries)
    saved = count_lines(entries, {}) - count_lines(factored.entries, factored.profiles)
    assert saved >= 2 * len(factored.profiles)
