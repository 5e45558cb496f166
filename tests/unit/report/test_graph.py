"""Test the graph: user texts stay texts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reconciler.model.address import Address
from reconciler.model.graph import GraphNode
from reconciler.model.plan import Action
from reconciler.report.graph import fits_mermaid, render_mermaid, serialize_graph

GROUP, DESTINATION = Address("group", "orders"), Address("destination", "orders")
PAIR = (
    GraphNode(GROUP, "Orders of today", (), Action.NO_OP),
    GraphNode(DESTINATION, "big_query", (GROUP,), Action.CREATE),
)


def decode_label(label: str) -> str:
    """Decode a label as Mermaid does."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)


def test_a_graph_has_boxes_arrows_and_classes() -> None:
    assert [line for line in render_mermaid(PAIR).splitlines() if "classDef" not in line] == [
        "flowchart LR",
        '  group_orders["group.orders<br/>Orders of today"]:::no_op',
        '  destination_orders["destination.orders<br/>big_query"]:::create',
        "  group_orders --> destination_orders",
    ]
    assert re.findall(r"classDef (\w+) ", render_mermaid(PAIR)) == ["create", "no_op"]


@pytest.mark.parametrize("status", ["incomplete", "broken"])
def test_a_destination_that_is_not_connected_has_a_mark_and_a_class(status: str) -> None:
    nodes = [GraphNode(DESTINATION, "big_query", (), Action.UPDATE, status)]
    lines = render_mermaid(nodes).splitlines()
    assert f'  destination_orders["destination.orders<br/>big_query<br/>{status}"]:::update' in lines
    assert lines[-1] == f"  class destination_orders {status}"
    assert lines[-2].startswith(f"  classDef {status} ")


def test_no_other_status_is_drawn() -> None:
    for status in ("connected", 'new"]; click x'):
        node = GraphNode(DESTINATION, "big_query", (), Action.UPDATE, status)
        assert render_mermaid([node]) == render_mermaid(
            [GraphNode(DESTINATION, "big_query", (), Action.UPDATE)]
        )
        assert serialize_graph([node], [])["nodes"][0]["setup_status"] == status


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_class(action: Action) -> None:
    drawn = render_mermaid([GraphNode(GROUP, "", (), action)])
    [used] = re.findall(r":::(\w+)", drawn)
    assert f"  classDef {used} " in drawn


def test_without_actions_there_are_no_classes() -> None:
    assert render_mermaid([GraphNode(GROUP, "", ())]) == 'flowchart LR\n  group_orders["group.orders"]'


@pytest.mark.parametrize(
    "title",
    [
        'x"] --> y["z',
        "x\nclick group_orders href javascript:alert(1)",
        "x\r\u2028%%{init: {}}%%",
        "`**md**` <b>html</b> &amp; #quot; \\n ;",
        "(round) {brace} [bracket] |pipe| $$tex$$",
        "\x1b[31m\u202e",
    ],
)
def test_a_title_stays_inside_its_label(title: str) -> None:
    drawn = render_mermaid([GraphNode(GROUP, title, ())])
    first, box = drawn.splitlines()
    assert first == "flowchart LR"
    label = re.fullmatch(r'  group_orders\["group\.orders<br/>([^"]*)"\]', box)
    assert label
    assert re.fullmatch(r"(?:[\w _./,-]|#\d+;)*", label[1])
    assert decode_label(label[1]).isprintable()


def test_entities_decode_to_the_text() -> None:
    text = 'a "b" [c] #1; `d`'
    [_, box] = render_mermaid([GraphNode(GROUP, text, ())]).splitlines()
    label = box.partition("<br/>")[2].removesuffix('"]')
    assert decode_label(label) == text


def test_a_graph_is_serialized_as_nodes() -> None:
    assert serialize_graph(PAIR, [])["nodes"][1] == {
        "address": "destination.orders",
        "title": "big_query",
        "action": "create",
        "depends_on": ["group.orders"],
    }


def make_pairs(count: int, action: Action, first: int = 0) -> list[GraphNode]:
    """Make groups with names of a usual length and their destinations."""
    nodes: list[GraphNode] = []
    for number in range(first, first + count):
        key = f"marketing_team_{number:04}"
        group = Address("group", key)
        nodes += [
            GraphNode(group, f"Marketing team {number}", (), action),
            GraphNode(Address("destination", key), "managed_data_lake", (group,), action),
        ]
    return nodes


@pytest.mark.parametrize("action", [Action.NO_OP, Action.CREATE])
def test_three_hundred_pairs_stay_below_the_limits_of_mermaid(action: Action) -> None:
    chart = render_mermaid(make_pairs(300, action))
    assert fits_mermaid(chart)
    assert all(f"destination.marketing_team_{number:04}<br/>" in chart for number in range(300))
    assert chart.count(" --> ") == 300


def test_short_ids_keep_classes_marks_and_arrows() -> None:
    broken = GraphNode(DESTINATION, "big_query", (), Action.UPDATE, "broken")
    nodes = [*make_pairs(300, Action.CREATE), broken]
    lines = render_mermaid(nodes).splitlines()
    assert '  n600["destination.orders<br/>big_query<br/>broken"]:::update' in lines
    assert "  class n600 broken" in lines
    assert "  n0 --> n1" in lines


def test_a_chart_beyond_the_limits_leaves_out_unchanged_entries() -> None:
    unchanged = make_pairs(2000, Action.NO_OP)
    unhealthy = replace(unchanged[1], setup_status="broken")
    changed = make_pairs(3, Action.UPDATE, first=5000)
    chart = render_mermaid([unchanged[0], unhealthy, *unchanged[2:], *changed])
    assert fits_mermaid(chart)
    assert chart.count(" --> ") == 4, "three changed pairs, and the broken destination in its group"
    assert chart.endswith('  rest["3,998 unchanged entries are left out"]')
    assert not fits_mermaid(render_mermaid(make_pairs(2000, Action.CREATE)))
