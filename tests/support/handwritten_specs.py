"""Write random spec files as people write them: with comments, anchors, odd quotes and indentation."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WORDS = [
    "db",
    "eu west",
    "Ä & Ö",
    "it's",
    "a: b",
    "x # y",
    "${HOST}.db",
    "$${X}",
    "yes",
    "017",
    "1.50",
    "-",
    "",
    "~",
]
PLAIN_WORDS = ["db.example.com", "eu-west-1", "Zürich", "a:b", "x#y", "[no", "http://x/y?z=1"]
COMMENTS = ["# plain", "#no blank", "# with\ttab", '# "quotes', "# key: value", "# - {x", "# ${X} ü"]
KEYS = [
    "host",
    "port",
    "database",
    "user",
    "auth",
    "region",
    "note",
    "hosts",
    "options",
    "q1",
    "q2",
    '"quoted"',
]


@dataclass(slots=True)
class HandwrittenFile:
    """Writer of one random file. `text` is the whole file."""

    chance: random.Random
    anchors: dict[str, Any] = field(default_factory=dict)
    step: int = 2

    def write(self) -> str:
        """Write a file whose groups have keys `g0`, `g1` and so on."""
        self.step = self.chance.choice([1, 2, 2, 2, 3, 4])
        sections = ["profiles", "groups"] if self.chance.random() < 0.7 else ["groups"]
        if self.chance.random() < 0.2:
            sections.reverse()
        lines = [*self._comments(0), *self._pick([["---"], []], [0.2, 0.8]), f"version: 1{self._trailer()}"]
        for section in sections:
            lines += [*self._blank(), *self._comments(0), *self._section(section)]
        lines += self._pick([[], ["..."], ["", "# the end"], ["", ""]], [0.6, 0.1, 0.2, 0.1])
        text = "\n".join(lines) + self.chance.choice(["\n", "\n", ""])
        if self.chance.random() < 0.25:
            text = text.replace("\n", "\r\n")
        return ("\ufeff" if self.chance.random() < 0.15 else "") + text

    def _section(self, section: str) -> list[str]:
        count = self.chance.choice([0, 1, 2, 3, 4])
        names = [f"{section[0]}{number}" for number in range(count)]
        if not count:
            empty = self.chance.choice(["", " {}", " null", " ~", " { }"])
            return [f"{section}:{empty}{self._trailer()}", *self._comments(self.step)]
        if self.chance.random() < 0.12:
            entries = ", ".join(f"{name}: {self._flow(self._entry())}" for name in names)
            return [f"{section}: {{{entries}}}{self._trailer()}"]
        if self.chance.random() < 0.1:
            entries = [f"  {name}: {self._flow(self._entry())}" for name in names]
            commas = [f"{entry},{self._trailer()}" for entry in entries[:-1]]
            return [f"{section}: {{{self._trailer()}", *commas, entries[-1] + self._trailer(), "  }"]
        lines = [f"{section}:{self._trailer()}"]
        gap = self.chance.random() < 0.5
        for name in names:
            lines += [""] if gap and name != names[0] else []
            lines += [*self._comments(self.step), *self._pair(name, self._entry(), self.step)]
        return lines

    def _entry(self) -> dict[str, Any]:
        config = {key: self._value() for key in self._some_keys(5)}
        destination = {
            "service": "snowflake",
            **{key: self._value() for key in self._some_keys(2)},
            "config": config,
        }
        return {"id": f"id_{self.chance.randrange(99)}", "destination": destination}

    def _some_keys(self, most: int) -> list[str]:
        return self.chance.sample(KEYS[:-1], self.chance.randint(1, most))

    def _value(self) -> Any:
        return self.chance.choice(
            [
                *self.chance.sample(WORDS, 3),
                *self.chance.sample(PLAIN_WORDS, 2),
                self.chance.randrange(9999),
                True,
                None,
                0.5,
                "two\nlines\n",
                "two\nlines",
                ["a", "b", 3],
                [{"x": "1", "y": [2]}, "b", {"x": 2}],
                {"secret": "env:X_Y"},
                {"unset": True},
                {"a": "1", "b": "x y"},
                [],
                {},
            ]
        )

    # Values in the text

    def _pair(self, key: str, value: Any, indent: int) -> list[str]:
        """Write a key and its value in a block."""
        blanks = " " * indent
        shown = self.chance.choice([key, key, key, f'"{key}"', f"'{key}'"])
        colon = f"{shown}:" if self.chance.random() < 0.95 else f"{shown} :"
        alias = self._find_alias(value)
        if alias is not None:
            return [f"{blanks}{colon} *{alias}{self._trailer()}"]
        anchor = self._new_anchor(value) if self.chance.random() < 0.12 else ""
        if isinstance(value, dict) and value and self.chance.random() < 0.75:
            step = self.chance.choice([self.step, self.step, self.step, 4])
            lines = [f"{blanks}{colon}{f' {anchor}' if anchor else ''}{self._trailer()}"]
            mappings = [name for name, data in self.anchors.items() if isinstance(data, dict)]
            if mappings and self.chance.random() < 0.15:
                merged = self.chance.choice([f"*{mappings[-1]}", f"[*{mappings[0]}, *{mappings[-1]}]"])
                lines.append(f"{' ' * (indent + step)}<<: {merged}{self._trailer()}")
            for name, below in value.items():
                lines += [*self._comments(indent + step, 0.15), *self._pair(name, below, indent + step)]
            return [*lines, *self._comments(indent + step, 0.05)]
        if isinstance(value, list) and value and self.chance.random() < 0.5:
            step = self.chance.choice([0, 2])
            items = []
            for item in value:
                shown_item = self._flow(item)
                if isinstance(item, dict) and item:
                    pairs = [f"{name}: {self._flow(below)}{self._trailer()}" for name, below in item.items()]
                    shown_item = f"\n{blanks}{' ' * step}  ".join(pairs)
                items += f"{blanks}{' ' * step}- {shown_item}{self._trailer()}".split("\n")
            return [f"{blanks}{colon}{f' {anchor}' if anchor else ''}{self._trailer()}", *items]
        if isinstance(value, str) and "\n" in value and self.chance.random() < 0.7:
            sign = "|" if value.endswith("\n") else "|-"
            body = [f"{blanks}    {line}" for line in value.splitlines()]
            return [f"{blanks}{colon} {sign}{self._trailer()}", *body, *self._blank()]
        text = self._flow(value)
        if isinstance(value, dict | list) and value and self.chance.random() < 0.2:
            text = text.replace(", ", f",{self._trailer()}\n{blanks}    ", 1)
        if value is None and self.chance.random() < 0.5:
            text = ""
        parts = [part for part in (anchor, text) if part]
        if parts and self.chance.random() < 0.03:
            return [f"{blanks}{colon}", f"{blanks}  {' '.join(parts)}{self._trailer()}"]
        return "".join([f"{blanks}{colon}", *(f" {part}" for part in parts), self._trailer()]).split("\n")

    def _flow(self, value: Any) -> str:
        if isinstance(value, dict):
            pad = self.chance.choice(["", "", " "]) if value else ""
            pairs = ", ".join(f"{key}: {self._flow(below)}" for key, below in value.items())
            return f"{{{pad}{pairs}{pad}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(self._flow, value))}]"
        if isinstance(value, str):
            is_plain = value in {"db.example.com", "eu-west-1", "Zürich", "db", "snowflake", "env:X_Y"}
            if is_plain and value != "env:X_Y" and self.chance.random() < 0.7:
                return value
            if "\n" not in value and self.chance.random() < 0.4:
                return "'" + value.replace("'", "''") + "'"
            return json.dumps(value, ensure_ascii=False)
        return json.dumps(value)

    def _new_anchor(self, value: Any) -> str:
        name = f"a{len(self.anchors)}"
        self.anchors[name] = value
        return f"&{name}"

    def _find_alias(self, value: Any) -> str | None:
        same = [
            name
            for name, anchored in self.anchors.items()
            if anchored == value and type(anchored) is type(value)
        ]
        return self.chance.choice(same) if same and self.chance.random() < 0.7 else None

    # Comments and blanks

    def _trailer(self) -> str:
        return (
            f"{self.chance.choice([' ', '  '])}{self.chance.choice(COMMENTS)}"
            if self.chance.random() < 0.12
            else ""
        )

    def _comments(self, indent: int, chance: float = 0.25) -> list[str]:
        if self.chance.random() > chance:
            return []
        return [" " * indent + self.chance.choice(COMMENTS) for _ in range(self.chance.randint(1, 2))]

    def _blank(self) -> list[str]:
        return [""] if self.chance.random() < 0.4 else []

    def _pick(self, options: list[list[str]], weights: list[float]) -> list[str]:
        return self.chance.choices(options, weights)[0]


def write_handwritten_file(seed: int, accepts: Callable[[str], bool] = lambda text: True) -> str:
    """Write the file of a seed, or of the next seed whose file is accepted."""
    number = seed * 1000
    while True:
        text = HandwrittenFile(random.Random(number)).write()
        if accepts(text):
            return text
        number += 1
