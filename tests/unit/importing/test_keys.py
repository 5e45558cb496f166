"""Test the keys of imported entries."""

from __future__ import annotations

import random
import re

import pytest
from generated_accounts import build_typical_account, read_seed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples

from reconciler.importing.keys import assign_keys, suggest_key
from reconciler.importing.model import LiveGroup
from reconciler.model.resource import Observed

KEY = re.compile(r"[a-z][a-z0-9_]*")


def make_group(id: str, name: str, service: str = "", region: str = "") -> LiveGroup:
    fields = {("service",): service, ("region",): region}
    destination = Observed("destination", id, id, fields) if service else None
    return LiveGroup(Observed("group", id, name, {("name",): name}), destination)


def assign(*groups: LiveGroup, taken: set[str] | None = None, **fixed: str) -> dict[str, str]:
    keys, omissions = assign_keys(groups, taken or set(), fixed)
    assert omissions == ()
    return dict(keys)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("finance", "finance"),
        ("Finance", "finance"),
        ("Finance Prod", "finance_prod"),
        ("Sales / EMEA", "sales_emea"),
        ("Trailing blank ", "trailing_blank"),
        ("\u00a0Hard\u00a0blanks", "hard_blanks"),
        ("__private__", "private"),
        ("2024 Archive", "group_2024_archive"),
        ("Zürich", "zuerich"),
        ("Zu\u0308rich", "zuerich"),
        ("Größe ÄÖÜ", "groesse_aeoeue"),
        ("Données", "donnees"),
        ("Łódź", "lodz"),
        ("R&D", "r_and_d"),
        ("Sales & Support", "sales_and_support"),
        ("dev+test", "dev_plus_test"),
        ("O'Brien's", "obriens"),
        ("東京", "dongjing"),
        ("Москва", "moskva"),
        ("🐍", "snake"),
        ("${ENV} data", "env_data"),
        ("null", "group_null"),
        ("Yes", "group_yes"),
        ("group", "group"),
    ],
)
def test_a_name_becomes_a_key(name: str, key: str) -> None:
    assert suggest_key(name) == key
    assert assign(make_group("some_id", name)) == {"some_id": key}


def test_a_name_without_letters_and_digits_gets_its_id_as_key() -> None:
    groups = [make_group("decent_dropsy", "???"), make_group("9_lives", "!"), make_group("--", "---")]
    assert assign(*groups) == {"decent_dropsy": "decent_dropsy", "9_lives": "group_9_lives", "--": "group"}


def test_a_group_whose_name_is_the_key_keeps_it() -> None:
    groups = [make_group("id_1", "Finance", "snowflake"), make_group("id_2", "finance", "redshift")]
    assert assign(*groups) == {"id_1": "finance_snowflake", "id_2": "finance"}


def test_groups_of_one_name_differ_by_service() -> None:
    groups = [make_group("id_1", "Sales", "snowflake"), make_group("id_2", "Sales", "big_query")]
    assert assign(*groups) == {"id_1": "sales_snowflake", "id_2": "sales_big_query"}


def test_groups_of_one_service_differ_by_region() -> None:
    groups = [
        make_group("id_1", "Sales", "snowflake", "AWS_EU_CENTRAL_1"),
        make_group("id_2", "sales!", "snowflake", "AWS_US_EAST_1"),
    ]
    assert assign(*groups) == {"id_1": "sales_aws_eu_central_1", "id_2": "sales_aws_us_east_1"}


def test_groups_differ_by_service_and_region_together_if_neither_is_enough() -> None:
    pairs = [(service, region) for service in ("snowflake", "redshift") for region in ("EU", "US")]
    groups = [make_group(f"id_{number}", "Sales", *pair) for number, pair in enumerate(pairs)]
    assert set(assign(*groups).values()) == {
        "sales_snowflake_eu", "sales_snowflake_us", "sales_redshift_eu", "sales_redshift_us",
    }  # fmt: skip


def test_groups_that_nothing_tells_apart_differ_by_id() -> None:
    groups = [
        make_group("id_1", "Sales", "snowflake", "EU"),
        make_group("id_2", "Sales", "snowflake", "EU"),
        make_group("id_3", "Sales"),
    ]
    assert assign(*groups) == {"id_1": "sales_id_1", "id_2": "sales_id_2", "id_3": "sales_id_3"}


def test_a_key_of_the_specs_is_not_used_again() -> None:
    group = make_group("id_1", "Sales", "snowflake")
    assert assign(group, taken={"sales"}) == {"id_1": "sales_snowflake"}
    assert assign(group, taken={"sales", "sales_snowflake"}) == {"id_1": "sales_id_1"}
    assert assign(group, taken={"sales", "sales_snowflake", "sales_id_1"}) == {"id_1": "sales_id_1_2"}


def test_a_suffix_never_takes_the_key_of_another_name() -> None:
    groups = [
        make_group("id_1", "Sales", "snowflake"),
        make_group("id_2", "Sales", "redshift"),
        make_group("id_3", "Sales Snowflake", "redshift"),
    ]
    assert assign(*groups) == {"id_1": "sales_id_1", "id_2": "sales_redshift", "id_3": "sales_snowflake"}


def test_a_fixed_key_comes_first() -> None:
    groups = [make_group("id_1", "sales", "snowflake"), make_group("id_2", "Other", "redshift")]
    assert assign(*groups, id_2="sales") == {"id_1": "sales_snowflake", "id_2": "sales"}


@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        ({"id_1": "taken"}, "the specs have the key `taken` already"),
        ({"id_1": "same", "id_2": "same"}, "two groups have the key `same`"),
        ({"id_1": "Not-A-Key"}, "`Not-A-Key` is no key"),
    ],
)
def test_a_fixed_key_that_cannot_be_used_is_an_omission(fixed: dict[str, str], reason: str) -> None:
    groups = [make_group("id_1", "One"), make_group("id_2", "Two")]
    keys, omissions = assign_keys(groups, {"taken"}, fixed)
    assert "id_1" not in keys
    assert [(omission.reason, omission.key) for omission in omissions] == [
        (reason, fixed[live.id]) for live in groups if live.id in fixed
    ]
    assert all(omission.help for omission in omissions)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "the group has no name"),
        ("a\u200bb", "its name has the invisible character U+200B (zero width space), which no spec may have"),
        ("a\u202eb", "its name has the invisible character U+202E (right-to-left override), which no spec may have"),
        ("\x1b[31m", "its name has the invisible character U+001B, which no spec may have"),
    ],
)  # fmt: skip
def test_a_name_that_no_spec_can_declare_is_an_omission(name: str, reason: str) -> None:
    keys, (omission,) = assign_keys([make_group("id_1", name)], set())
    assert keys == {}
    assert (omission.live.id, omission.reason) == ("id_1", reason)


def test_the_order_of_the_groups_decides_nothing() -> None:
    groups = read_seed(build_typical_account())
    keys, omissions = assign_keys(groups, {"sales_dev"})
    assert omissions == ()
    assert list(keys) == [live.id for live in groups]
    for seed in range(5):
        shuffled = random.Random(seed).sample(groups, len(groups))
        assert assign_keys(shuffled, {"sales_dev"})[0] == keys


def test_ids_that_become_the_same_words_get_numbers_in_their_order() -> None:
    groups = [make_group("a_b", "Sales"), make_group("a-b", "Sales")]
    assert assign(*groups) == assign(*reversed(groups)) == {"a-b": "sales_a_b", "a_b": "sales_a_b_2"}


@fixed_examples(60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Sales", "sales", "SALES ", "sales snowflake", "sales_id_1", "?", "é", "日本"]),
            st.sampled_from(["", "snowflake", "redshift"]),
            st.sampled_from(["", "EU", "US"]),
        ),
        max_size=8,
    ),
    st.sets(st.sampled_from(["sales", "sales_id_1", "id_0", "sales_snowflake", "e"])),
    st.randoms(use_true_random=False),
)
def test_keys_are_unique_and_valid(
    facts: list[tuple[str, str, str]], taken: set[str], rng: random.Random
) -> None:
    groups = [make_group(f"id_{number}", *each) for number, each in enumerate(facts)]
    keys, omissions = assign_keys(groups, taken)
    assert omissions == ()
    assert keys.keys() == {live.id for live in groups}
    assert len({*keys.values()}) == len(keys)
    assert not taken & {*keys.values()}
    assert all(KEY.fullmatch(key) for key in keys.values())
    assert assign_keys(rng.sample(groups, len(groups)), taken)[0] == keys


@fixed_examples(60)
@given(st.text(min_size=1))
def test_any_name_gets_a_valid_key_or_is_an_omission(name: str) -> None:
    keys, omissions = assign_keys([make_group("some_id", name)], set())
    assert len(keys) + len(omissions) == 1
    assert all(KEY.fullmatch(key) for key in keys.values())
