"""Read HTML pages, and fill in their forms as a browser does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class HtmlForm:
    """Form of a page: its address, and the submitted value of each input that is left alone."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


class HtmlPage(HTMLParser):
    """Parsed page: its forms, its ids, and its visible text in one line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[HtmlForm] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._words: list[str] = []
        self._text_of: tuple[str, str] | None = None
        self._select = ""
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())

    def find_form(self, action: str, **values: str) -> HtmlForm:
        """Find the only form with this action and these values."""
        found = [
            each
            for each in self.forms
            if each.action.partition("#")[0] == f"/_emulator/page/{action}"
            and values.items() <= each.values.items()
        ]
        assert len(found) == 1, f"{len(found)} forms {action} {values}"
        return found[0]

    def list_attributes(self, tag: str) -> list[dict[str, str]]:
        """List the attributes of all elements of a tag."""
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        name = attributes.get("name", "")
        if tag == "form":
            self.forms.append(HtmlForm(attributes["action"]))
        elif tag == "input" and self.forms:
            kind = self.forms[-1].types[name] = attributes.get("type", "text")
            value = attributes.get("value", "")
            # Browsers drop line breaks from a line of text.
            self.forms[-1].values[name] = value if kind == "hidden" else re.sub("[\r\n]", "", value)
        elif tag == "select":
            self._select = name
            self.forms[-1].choices[name] = []
        elif tag == "option" and self._select:
            # Without a selected option, browsers submit the first option.
            self._add_option(attributes)
        elif tag == "textarea":
            self._text_of = ("textarea", name)
            self.forms[-1].values[name] = ""

    def _add_option(self, attributes: Mapping[str, str]) -> None:
        form, choice = self.forms[-1], attributes.get("value", "")
        form.choices[self._select].append(choice)
        if "selected" in attributes or self._select not in form.values:
            form.values[self._select] = choice

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            name = self._text_of[1] if self._text_of else ""
            # Browsers skip a line break right after the tag, and submit line breaks as CR LF.
            text = self.forms[-1].values[name].removeprefix("\n")
            self.forms[-1].values[name] = text.replace("\n", "\r\n")
            self._text_of = None
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._text_of:
            self.forms[-1].values[self._text_of[1]] += data
        self._words.append(data)
