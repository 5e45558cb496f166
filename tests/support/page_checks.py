"""Check the width, the contrasts and the structure of a page in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    if (!["col", "row"].includes(cell.scope)) problems.push("a header cell without scope");
  }
  for (const element of document.querySelectorAll("button, summary, input:not([type=hidden]), select")) {
    const box = (element.closest("label") || element).getBoundingClientRect();
    if (element.checkVisibility() && box.height < 24) problems.push(`a target of ${box.height} px: ${name(element)}`);
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


HIDDEN_FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  const box = document.activeElement.getBoundingClientRect();
  const isSeen = box.width > 1 && box.top >= 0 && box.bottom <= innerHeight + 1;
  const hasOutline = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none";
  return isSeen && hasOutline ? "" : document.activeElement.outerHTML;
}"""


def run_axe(page: Page) -> list[str]:
    """Run all rules of axe-core on a page. Returns each violation with the elements that violate it."""
    # Imported here: the tests are collected in installations without the extra `browser` too.
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes'][:5]]}"
        for each in violations
    ]
