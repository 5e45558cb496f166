"use strict";
// Filters the changes. Without this script, every change is visible.
(() => {
  const find = (id) => document.getElementById(id);
  const text = find("text");
  const selects = [find("risk"), find("service")];
  const boxes = [...find("filter").querySelectorAll("[name=action]")];
  const unfold = find("unfold");
  const folds = [...document.querySelectorAll(".change details.fields")];
  const wereOpen = folds.map((fold) => fold.open);
  const entries = [...document.querySelectorAll(".change")].map((node) => ({
    node,
    address: node.querySelector("h3 code").textContent.toLowerCase(),
    ...node.dataset,
    risks: node.dataset.risk.split(" "),
  }));

  // The state is in the fragment of the address, so that a link shows the same changes.
  function writeState() {
    const state = new URLSearchParams();
    const actions = boxes.filter((box) => box.checked).map((box) => box.value);
    if (actions.length) state.set("action", actions.join(","));
    for (const select of selects) if (select.value) state.set(select.id, select.value);
    if (text.value.trim()) state.set("text", text.value.trim());
    const fragment = state.toString();
    try {
      history.replaceState(null, "", fragment ? `#${fragment}` : location.href.split("#")[0]);
    } catch {
      // A page in a closed frame has no address of its own.
    }
  }

  function readState() {
    const state = new URLSearchParams(location.hash.slice(1));
    const actions = (state.get("action") || "").split(",");
    for (const box of boxes) box.checked = actions.includes(box.value);
    for (const select of selects) {
      const wanted = state.get(select.id) || "";
      select.value = [...select.options].some((option) => option.value === wanted) ? wanted : "";
    }
    text.value = state.get("text") || "";
  }

  function show() {
    const actions = boxes.filter((box) => box.checked).map((box) => box.value);
    const [risk, service] = selects.map((select) => select.value);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of entries) {
      const fits =
        (!actions.length || actions.includes(entry.action)) &&
        (!risk || entry.risks.includes(risk)) &&
        (!service || entry.service === service) &&
        words.every((word) => entry.address.includes(word));
      if (entry.node.hidden === fits) entry.node.hidden = !fits;
      shown += fits;
    }
    const all = shown === entries.length;
    find("shown").textContent = all
      ? `All ${entries.length.toLocaleString("en")} changes shown`
      : `${shown.toLocaleString("en")} of ${entries.length.toLocaleString("en")} changes shown`;
    find("shown").classList.toggle("part", !all);
    find("none").hidden = shown > 0;
  }

  let waiting;
  function refresh() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      show();
      writeState();
    }, 60);
  }

  function clear() {
    for (const box of boxes) box.checked = false;
    for (const control of [...selects, text]) control.value = "";
  }

  // A link to a change must find it, whatever the filter hides.
  function follow() {
    const target = /^#[a-z]+(-[a-z0-9]+)*$/.test(location.hash) ? find(location.hash.slice(1)) : null;
    const isHidden = target !== null && target.hidden;
    if (!target) readState();
    else if (isHidden) clear();
    show();
    if (isHidden) target.scrollIntoView();
  }

  text.addEventListener("input", refresh);
  for (const control of [...selects, ...boxes]) control.addEventListener("change", refresh);
  find("clear").addEventListener("click", () => {
    clear();
    show();
    writeState();
    text.focus();
  });
  unfold.addEventListener("click", () => {
    const isOn = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(isOn));
    folds.forEach((fold, number) => {
      fold.open = isOn || wereOpen[number];
    });
  });
  window.addEventListener("hashchange", follow);

  // Paper cannot unfold anything.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });

  find("filter").hidden = false;
  follow();
})();
