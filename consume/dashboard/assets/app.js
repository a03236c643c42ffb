// What the pages do beyond reading: live refresh, keyboard, selection, copying, local times. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const typing = (el) => el && (el.matches("input:not([type=checkbox]),select,textarea") || el.isContentEditable);
  root.classList.add("js");

  // What the reader opened stays open when a live page is morphed.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && (node.tagName === "DETAILS" || node.tagName === "DIALOG"));

  // Times: the server writes how long ago in text and UTC in the title; the reader's own time is added here.
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const times = () => all("time[datetime]").forEach((t) => {
    const at = new Date(t.dateTime);
    if (isNaN(at)) return;
    const both = exact.format(at) + " (" + at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC") + ")";
    if (t.title !== both) {
      t.title = both;
      t.setAttribute("aria-label", t.textContent + ", " + both);
    }
  });

  // Live: an element with data-live is asked for again. The page's main rests while that would disturb its reader.
  const button = document.getElementById("live"), shown = document.getElementById("livestate");
  let wanted = true;
  try { wanted = localStorage.getItem("live") !== "off"; } catch { /* no storage: live */ }
  // Rows must not move away under whoever points at one, or has gone to one by keyboard.
  let pointed = 0;
  document.addEventListener("pointermove", (e) => {
    if (e.pointerType === "mouse" && e.target.closest && e.target.closest("#main tbody")) pointed = Date.now();
  }, { passive: true });
  document.addEventListener("focusin", () => tell());
  const disturbing = () => {
    const main = document.getElementById("main"), selection = getSelection();
    if (all("input[type=checkbox]:checked", main).length) return "Paused: selected";
    if (typing(document.activeElement) && main.contains(document.activeElement)) return "Paused: typing";
    if (selection && !selection.isCollapsed && main.contains(selection.anchorNode)) return "Paused: selected text";
    if (scrollY > 200) return "Paused: scrolled";
    const row = document.activeElement.closest("tbody tr");
    if (row && main.contains(row) || Date.now() - pointed < 8000) return "Paused: reading";
    if (document.querySelector("dialog[open]")) return "Paused";
    return "";
  };
  let failing = false;
  const tell = () => {
    if (!button) return "";
    const why = wanted ? disturbing() : "Paused";
    const text = failing ? "Not reachable" : why || "Live";
    if (shown.textContent !== text) shown.textContent = text;
    button.setAttribute("aria-pressed", String(wanted));
    button.classList.toggle("on", !why && !failing);
    return why;
  };
  const refresh = () => {
    if (document.hidden) return;
    const why = tell();
    all("[data-live]").forEach((el) => {
      if (el.dataset.live === "always" || !why) htmx.trigger(el, "live");
    });
  };
  setInterval(refresh, 5000);
  const toggle = () => {
    wanted = !wanted;
    try { localStorage.setItem("live", wanted ? "on" : "off"); } catch { /* for this page only */ }
    tell();
    if (wanted) refresh();
  };
  if (button) button.addEventListener("click", toggle);
  document.addEventListener("selectionchange", tell);
  addEventListener("scroll", tell, { passive: true });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  document.body.addEventListener("htmx:afterRequest", (e) => { failing = !e.detail.successful; tell(); });
  document.body.addEventListener("htmx:afterSettle", () => { times(); count(); });
  // What was selected while an answer was on its way must not be swept away by it.
  document.body.addEventListener("htmx:beforeSwap", (e) => {
    if (e.detail.target.id === "main" && tell()) e.detail.shouldSwap = false;
  });

  // Selection: a box in the head of a table selects the rows, shift selects up to the last one.
  let last = null;
  const boxes = () => all("#main tbody input[type=checkbox]");
  const count = () => {
    const n = boxes().filter((b) => b.checked).length;
    all("[data-selected]").forEach((el) => { el.textContent = n ? n + " selected" : ""; });
    all("[data-needs-selection]").forEach((el) => { el.disabled = n === 0; });
    tell();
  };
  document.addEventListener("click", (e) => {
    const box = e.target.closest("input[type=checkbox]");
    if (box && box.matches("thead input")) boxes().forEach((b) => { b.checked = box.checked; });
    else if (box && e.shiftKey && last) {
      const list = boxes(), [from, to] = [list.indexOf(last), list.indexOf(box)].sort((a, b) => a - b);
      if (from >= 0) list.slice(from, to + 1).forEach((b) => { b.checked = box.checked; });
    }
    if (box) { last = box; count(); }

    const copy = e.target.closest("[data-copy]");
    if (copy) put(document.getElementById(copy.dataset.copy).textContent, copy);
    if (e.target.closest("#keys")) document.getElementById("help").showModal();
  });

  // Copying works on plain HTTP too, where browsers have no clipboard for pages.
  const put = async (text, from) => {
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "sr";
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
      from.focus();
    }
    const label = from.textContent;
    from.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { from.textContent = label; }, 1500);
  };

  // Keyboard.
  const rows = () => all("#main tr[data-row]");
  const move = (step) => {
    const list = rows(), at = list.findIndex((r) => r.contains(document.activeElement));
    const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step))];
    if (next) {
      const link = next.querySelector("a");
      if (link) link.focus();
      next.scrollIntoView({ block: "nearest" });
    }
  };
  const retry = () => {
    const row = rows().find((r) => r.contains(document.activeElement)), box = row && row.querySelector("input[type=checkbox]");
    if (box && !boxes().some((b) => b.checked)) { box.checked = true; count(); }
    const b = document.querySelector("[data-key=r]:not(:disabled)");
    if (b) b.click();
  };
  const keys = {
    "/": () => { const i = document.querySelector(".filters input, .filters select"); if (i) { i.focus(); if (i.select) i.select(); } },
    j: () => move(1), k: () => move(-1), r: retry, l: () => { if (button) toggle(); },
    x: () => { const row = rows().find((r) => r.contains(document.activeElement)), b = row && row.querySelector("input[type=checkbox]"); if (b) b.click(); },
    "?": () => document.getElementById("help").showModal(),
  };
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && typing(e.target)) e.target.blur();
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
    if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
  });

  const here = document.querySelector(".top [aria-current]");
  if (here) here.parentElement.parentElement.parentElement.scrollLeft = here.offsetLeft - 80;
  times();
  count();
})();
