"""Test the line of a handled request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.report.request_line import render_request

AT = datetime(2026, 11, 30, 9, 14, 2, tzinfo=UTC)


def render(**changes: Any) -> Any:
    request = {"at": AT, "method": "GET", "target": "/v1/groups", "status": 200, "seconds": 0.012, "note": ""}
    return render_request(**{**request, **changes})


def test_columns_are_aligned() -> None:
    texts = [
        render().plain,
        render(method="DELETE", status=404, seconds=1.5, target="/v1/groups/x").plain,
        render(status=None, note="GET * reset").plain,
        render(method="", status=None, target="").plain,
    ]
    time = AT.astimezone().strftime("%H:%M:%S")
    assert texts == [
        f"{time}  GET     200      12 ms  /v1/groups",
        f"{time}  DELETE  404   1,500 ms  /v1/groups/x",
        f"{time}  GET     -        12 ms  /v1/groups  no response  (GET * reset)",
        f"{time}  -       -        12 ms  connection  no response",
    ]


@pytest.mark.parametrize(
    ("status", "style"),
    [
        (200, "green"),
        (201, "green"),
        (302, "yellow"),
        (404, "yellow"),
        (500, "red"),
        (503, "red"),
        (None, "red"),
    ],
)
def test_the_colour_follows_the_status(status: int | None, style: str) -> None:
    line = render(status=status)
    styles = {line.plain[span.start : span.end].strip(): str(span.style) for span in line.spans}
    assert style in styles[str(status or "-")]


@pytest.mark.parametrize("field", ["target", "method", "note"])
def test_control_characters_are_escaped(field: str) -> None:
    text = render(**{field: "a\x1b]0;title\x07\r\n\u202eb\udc80::x"}).plain
    assert text.isprintable()
    assert "\\x1b]0;title" in text


def test_a_long_path_is_cut() -> None:
    assert len(render(target="/v1/" + "a" * 10_000).plain) < 500
