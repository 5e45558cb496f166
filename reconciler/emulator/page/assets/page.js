"use strict";

// Keeps the list of requests up to date. Nothing else of the page changes, so that open parts, typed texts and the
// focus stay as they are.

const INTERVAL = 1500;
const MAX_ITEMS = 300;

const list = document.getElementById("request-list");
const live = document.getElementById("live");
let timer;

function report(text, withLink) {
  if (live.textContent.startsWith(text)) return;
  live.textContent = text;
  if (withLink) {
    const link = document.createElement("a");
    link.href = "/_emulator/";
    link.textContent = "Refresh the page";
    live.append(" ", link);
  }
}

function merge(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  const shown = list.querySelector("ol");
  const incoming = fresh.querySelector("ol");
  const known = Number(shown.dataset.newest);
  if (Number(incoming.dataset.newest) < known) {
    list.replaceChildren(...fresh.childNodes); // the account was reset: requests are counted from 1 again
    report("The account was reset.", true);
    return;
  }
  const added = [...incoming.children].filter((item) => Number(item.dataset.sequence) > known);
  shown.prepend(...added);
  shown.dataset.newest = incoming.dataset.newest;
  list.querySelector("[data-count]").textContent = fresh.querySelector("[data-count]").textContent;
  while (shown.children.length > MAX_ITEMS) shown.lastElementChild.remove();
  if (added.some((item) => "effects" in item.dataset)) report("The account has changed.", true);
}

async function update() {
  try {
    if (!document.hidden) {
      const known = list.querySelector("ol").dataset.newest;
      const response = await fetch(`/_emulator/page/requests?known=${known}`, { cache: "no-store" });
      const text = await response.text();
      if (text) merge(text); // empty if there is no new request
      if (live.dataset.lost) report("Connected again.", true);
      delete live.dataset.lost;
    }
  } catch {
    live.dataset.lost = "true";
    report("The emulator does not answer. It may have ended.", false);
  }
  timer = setTimeout(update, INTERVAL);
}

timer = setTimeout(update, INTERVAL);
addEventListener("pagehide", () => clearTimeout(timer));
addEventListener("pageshow", (event) => {
  if (event.persisted) timer = setTimeout(update, 0);
});
