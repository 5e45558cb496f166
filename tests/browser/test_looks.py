"""Check width, contrast and structure of the page by rules of accessibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import EmulatedFivetran
from page_visits import PageVisit

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPEN_ALL = "document.querySelectorAll('details').forEach((part) => { part.open = true })"

LOW_CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const findBackground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] !== 0) throw new Error("half transparent: " + each.className);
    }
    throw new Error("no background");
  };
  const measure = (element, foreground) => {
    const [high, low] = [foreground, findBackground(element)].map(luminance).sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const checked = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() && element.checkVisibility()) {
      checked.push([walker.currentNode.textContent.trim(), measure(element, parse(getComputedStyle(element).color))]);
    }
  }
  for (const input of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    checked.push([input.name, measure(input, parse(getComputedStyle(input).color))]);
    checked.push([input.name + " placeholder", measure(input, parse(getComputedStyle(input, "::placeholder").color))]);
    const border = parse(getComputedStyle(input).borderTopColor);
    checked.push([input.name + " border", measure(input.parentElement, border) * 1.5]); // 3 is enough for a border
  }
  return { count: checked.length, low: checked.filter(([, ratio]) => ratio < 4.5) };
}"""

RULES = """() => {
  const problems = [];
  const name = (element) => (element.getAttribute("aria-label") || element.textContent).replace(/\\s+/g, " ").trim();
  const once = (selector) => {
    const count = document.querySelectorAll(selector).length;
    if (count !== 1) problems.push(`${count} of ${selector}`);
  };
  ["main", "h1", "body > header", "body > footer", "nav[aria-label]", "title"].forEach(once);
  if (document.documentElement.lang !== "en") problems.push("no language");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) problems.push(`h${next} after h${level}: ${name(heading)}`);
    level = next;
  }
  for (const input of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!input.labels.length || !name(input.labels[0])) problems.push(`no label: ${input.outerHTML}`);
  }
  for (const section of document.querySelectorAll("section")) {
    const title = document.getElementById(section.getAttribute("aria-labelledby"));
    if (!title || !title.textContent.trim()) problems.push("a section without name");
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) problems.push("an id twice");
  const names = [...document.querySelectorAll("button")].map(name);
  for (const each of names) {
    if (!each) problems.push("a button without name");
    if (names.filter((other) => other === each).length > 1) problems.push(`two buttons ${each}`);
  }
  for (const link of document.querySelectorAll("a")) {
    if (!name(link)) problems.push("a link without name");
    const target = link.getAttribute("href");
    if (target.startsWith("#") && !document.querySelector(target)) problems.push(`no target ${target}`);
  }
  for (const cell of document.querySelectorAll("th")) {
    if (cell.scope !== "col") problems.push("a header cell without scope");
  }
  for (const element of document.querySelectorAll("button, summary, input:not([type=hidden]), select")) {
    const box = element.getBoundingClientRect();
    if (box.height < 24) problems.push(`a target of ${box.height} px: ${name(element)}`);
  }
  for (const element of document.querySelectorAll("[tabindex]")) {
    if (element.tabIndex > 0) problems.push("a positive tabindex");
  }
  return problems;
}"""


OVERFLOW = """() => {
  const isOutside = (element) => element.getBoundingClientRect().right > innerWidth + 0.5 && element.checkVisibility();
  const outside = [...document.querySelectorAll("body *:not(.hidden)")].filter(isOutside);
  return [document.documentElement.scrollWidth - innerWidth, outside.map((element) => element.outerHTML.slice(0, 120))];
}"""


def measure_overflow(page: Page) -> Any:
    """Measure by how many pixels the page is wider than the window, and list the elements that stick out."""
    return page.evaluate(OVERFLOW)


@pytest.mark.parametrize("width", [320, 360, 704, 1280])
def test_the_page_never_scrolls_sideways(
    visit: PageVisit, full_account: EmulatedFivetran, width: int
) -> None:
    page = visit.open(viewport={"width": width, "height": 700})
    assert measure_overflow(page) == [0, []]
    page.evaluate(OPEN_ALL)
    assert measure_overflow(page) == [0, []]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    visit: PageVisit, full_account: EmulatedFivetran, scheme: Any
) -> None:
    page = visit.open(color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    measured = page.evaluate(LOW_CONTRASTS)
    assert measured["count"] > 300
    assert measured["low"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_messages_have_enough_contrast(visit: PageVisit, full_account: EmulatedFivetran, scheme: Any) -> None:
    page = visit.open(color_scheme=scheme)
    page.get_by_role("button", name="Approve fingerprint").click()
    assert page.evaluate(LOW_CONTRASTS)["low"] == []
    page.locator("details.group > summary").filter(has_text="empty").click()
    page.locator("summary").filter(has_text="Rename the group empty").click()
    page.locator("details[open] input[name=name]").fill("")
    page.get_by_role("button", name="Rename the group empty").click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate(LOW_CONTRASTS)["low"] == []


def test_the_schemes_differ(visit: PageVisit, server: EmulatedFivetran) -> None:
    colors = [
        visit.open(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colors[0] != colors[1]


@pytest.mark.parametrize("width", [320, 1280])
def test_the_structure_follows_the_rules(
    visit: PageVisit, full_account: EmulatedFivetran, width: int
) -> None:
    page = visit.open(viewport={"width": width, "height": 700})
    page.evaluate(OPEN_ALL)
    assert page.evaluate(RULES) == []


def test_an_empty_page_follows_the_rules(visit: PageVisit, server: EmulatedFivetran) -> None:
    assert visit.open().evaluate(RULES) == []


def test_motion_is_reduced_by_choice(visit: PageVisit, server: EmulatedFivetran) -> None:
    page = visit.open(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_the_policy_stops_foreign_scripts(visit: PageVisit, full_account: EmulatedFivetran) -> None:
    visit.expects_errors = True
    page = visit.open()
    page.evaluate(
        """() => {
          const inline = document.createElement("script");
          inline.textContent = "document.title = 'changed'";
          document.body.append(inline);
        }"""
    )
    assert "emulated Fivetran" in page.title()
    blocked = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))")
    assert "Failed to fetch" in blocked
