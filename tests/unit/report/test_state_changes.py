"""Test the file of Terraform variables: no id or key breaks its syntax."""

from __future__ import annotations

import pytest

from reconciler.report.state_changes import render_tfvars


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("decent_dropsy", '"decent_dropsy"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("${a}", '"$${a}"'),
        ("%{a}", '"%%{a}"'),
        ("$a %b", '"$a %b"'),
        ("a\nb", '"a\\nb"'),
        ("a\x1bb", '"a\\u001bb"'),
        ("a\U000e0001b", '"a\\U000e0001b"'),
        ("zürich", '"zürich"'),
    ],
)
def test_every_text_is_quoted(text: str, quoted: str) -> None:
    assert render_tfvars("state.json", {"orders": text, text: "x"}).splitlines()[1:] == [
        "fivetran_groups = {",
        f'  "orders" = {quoted}',
        f'  {quoted} = "x"',
        "}",
    ]


def test_the_comment_is_one_line() -> None:
    assert render_tfvars("a\nb = 1", {}).splitlines()[-1] == "fivetran_groups = {}"
    assert len(render_tfvars("a\nb = 1", {}).splitlines()) == 2
