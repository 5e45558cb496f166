"""Test the text of the steps that make Terraform release objects: blocks, lines and their quoting."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest
from terraform_states import make_pair, make_resource, parse_state, read_state

from reconciler.importing.terraform_release import build_release
from reconciler.importing.terraform_state import TerraformState
from reconciler.report.terraform_release import render_terraform_release, serialize_terraform_release


def render(state: TerraformState, managed: dict[str, str]) -> str:
    """Render the steps as plain text."""
    return "\n".join(str(part.text) for part in render_terraform_release(build_release(state, managed)))


def read_lines(text: str, start: str) -> list[str]:
    """Read the lines of a text that begin with these words."""
    return [line for line in text.splitlines() if line.startswith(start)]


def test_nothing_is_rendered_if_nothing_is_released() -> None:
    assert render(read_state(), {}) == ""


def test_the_steps_are_rendered_in_one_text() -> None:
    pair = make_pair("sales", {"eu": "g1", "us": "g2"})
    shop = make_resource("connector", "shop", {None: "c1"}, dependencies=["fivetran_destination.old"])
    shop["instances"][0]["attributes"] = {"id": "c1", "group_id": "g3"}
    state = parse_state([*make_pair("old", {None: "g3"}), *pair, shop])
    assert (
        render(state, {"g1": "sales_eu", "g3": "old"})
        == """
Terraform still manages these objects. Make it release them before you change them here:

1. Change the configuration, in one change:
   delete   resource "fivetran_destination" "old"
   delete   resource "fivetran_group" "old"
   change   fivetran_destination.sales: take "eu" out of its `for_each`; fivetran_destination.sales["us"] stays
   change   fivetran_group.sales: take "eu" out of its `for_each`; fivetran_group.sales["us"] stays
   replace  fivetran_connector.shop: group_id → local.fivetran_groups["old"]
   replace  fivetran_connector.shop: the reference to fivetran_destination.old
   and add (Terraform 1.7 or newer):

moved {
  from = fivetran_destination.sales["eu"]
  to   = fivetran_destination.released_sales_eu
}

moved {
  from = fivetran_group.sales["eu"]
  to   = fivetran_group.released_sales_eu
}

removed {
  from = fivetran_destination.old
  lifecycle { destroy = false }
}

removed {
  from = fivetran_group.old
  lifecycle { destroy = false }
}

removed {
  from = fivetran_destination.released_sales_eu
  lifecycle { destroy = false }
}

removed {
  from = fivetran_group.released_sales_eu
  lifecycle { destroy = false }
}

locals {
  fivetran_groups = {
    "old" = "g3" # fivetran_destination.old, fivetran_group.old
  }
}

   In place of a `moved` and its `removed` block, run its line right before the change is applied:

terraform state rm 'fivetran_destination.sales["eu"]'
terraform state rm 'fivetran_group.sales["eu"]'

2. Check that `terraform plan` shows `0 to add` and `0 to destroy`: Terraform forgets the released objects, and leaves\
 all others alone. Then apply."""
    )


@pytest.mark.parametrize(
    "key", ["eu", "a b", "a'b", 'a"b', "a\\b", "${HOME}", "`id`", "$(id)", "a\nb", "!!", "süd"]
)
def test_every_key_survives_the_shell_and_terraform(key: str) -> None:
    state = parse_state(make_pair("sales", {key: "g1", "other": "g2"}))
    lines = read_lines(render(state, {"g1": "sales"}), "terraform state rm ")
    addresses = [str(item.address) for item in state.objects if item.group_id == "g1"]
    assert [shlex.split(line) for line in lines] == [["terraform", "state", "rm", each] for each in addresses]


def test_a_group_is_one_line_per_attribute() -> None:
    text = render(read_state(), {"courier_timber": "warehouse"})
    assert [line for line in text.splitlines() if "fivetran_group_users.warehouse" in line] == [
        '   replace  fivetran_group_users.warehouse: group_id → local.fivetran_groups["warehouse"]'
    ]


def test_a_key_is_no_command_of_a_runner() -> None:
    text = render(parse_state(make_pair("sales", {"##[error]x": "g1", "other": "g2"})), {"g1": "sales"})
    assert "##[" not in text


def test_an_old_version_gets_lines_and_no_blocks() -> None:
    text = render(replace(read_state(), version="1.5.7"), {"courier_timber": "warehouse"})
    assert read_lines(text, "removed") == read_lines(text, "moved") == []
    assert read_lines(text, "terraform state rm") == [
        "terraform state rm fivetran_destination.warehouse",
        "terraform state rm fivetran_group.warehouse",
    ]
    assert "since Terraform 1.5.7 knows no `removed` blocks" in text


def test_renumbered_instances_follow_the_released_ones() -> None:
    text = render(read_state(), {"patient_rambling": "shard_0"})
    assert [line.split()[2] for line in read_lines(text, "terraform state")] == [
        "rm",
        "rm",
        "mv",
        "mv",
        "mv",
        "mv",
    ]
    assert "with the values in their new order" in text


def test_opentofu_is_called_by_its_name() -> None:
    state = replace(read_state(), program="tofu")
    text = render(state, {"courier_timber": "warehouse"})
    assert "OpenTofu still manages" in text
    assert "(OpenTofu 1.10 or newer)" in text
    assert "terraform plan" not in text


def test_many_kept_instances_are_counted() -> None:
    state = parse_state([make_resource("group", "a", {f"k{number}": f"g{number}" for number in range(9)})])
    [line] = read_lines(render(state, {"g0": "a_k0"}), "   change")
    assert line.endswith(
        'fivetran_group.a["k1"], fivetran_group.a["k2"], fivetran_group.a["k3"], 5 more stay'
    )


def test_a_block_in_a_module_is_named_with_its_module() -> None:
    text = render(read_state(), {"mirror_sparrow": "eu", "arrow_robust": "us"})
    assert '   delete   resource "fivetran_group" "this"  in module.region' in text


def test_names_of_attributes_cannot_forge_lines() -> None:
    shop = make_resource("connector", "shop", {None: "c1"})
    shop["instances"][0]["attributes"] = {"x\n2. Run\x1b[31m": "g1"}
    text = render(parse_state([*make_pair("a", {None: "g1"}), shop]), {"g1": "a"})
    assert "fivetran_connector.shop: x\\n2. Run\\x1b[31m → local" in text


def test_the_document_has_all_steps() -> None:
    managed = {"courier_timber": "warehouse", "gentle_ivory": "sales_de", "patient_rambling": "shard_0"}
    document = serialize_terraform_release(build_release(read_state(), managed))
    assert json.loads(json.dumps(document)) == document
    assert document["program"] == "terraform"
    assert document["minimum_version"] == "1.7"
    assert document["blocks_to_delete"] == ["fivetran_destination.warehouse", "fivetran_group.warehouse"]
    assert document["moved"][1] == {
        "from": 'fivetran_group.sales["de"]',
        "to": "fivetran_group.released_sales_de",
    }
    assert document["removed"][-1] == "fivetran_group.released_sales_de"
    assert document["state_rm"] == ["fivetran_destination.shard[0]", "fivetran_group.shard[0]"]
    assert len(document["state_mv"]) == 4
    assert document["group_ids"] == {"sales_de": "gentle_ivory", "warehouse": "courier_timber"}
    assert document["remaining_uses"][1] == {
        "address": "fivetran_connector.shop",
        "keys": {"group_id": ["warehouse"]},
        "references": ["fivetran_destination.warehouse", "fivetran_group.warehouse"],
    }
