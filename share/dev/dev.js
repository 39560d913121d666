// dev.js - in every page while `pando dev` runs: reloads it when there is a new build, and shows what
// the build says about the sources. It is told by one event stream; each event is the whole state.
"use strict";
(() => {
  const own = document.currentScript.dataset;
  const report = own.report;           // a page of pando dev's own: "build", "crash" or "plain"
  const scrollKey = "pando-dev-scroll";
  let closed = "";                     // the state whose overlay was closed by hand
  let host, root, lastFocus;

  // --- reloading ---------------------------------------------------------------------------------

  const place = location.pathname + location.search;
  try {
    const kept = JSON.parse(sessionStorage.getItem(scrollKey) || "null");
    sessionStorage.removeItem(scrollKey);
    if (kept && kept.place === place) scrollTo(kept.x, kept.y);
  } catch { /* no storage: the page begins at its top */ }

  function reload() {
    try {
      sessionStorage.setItem(scrollKey, JSON.stringify({ place, x: scrollX, y: scrollY }));
    } catch { /* as above */ }
    location.reload();
  }

  // A page that answered a form would be sent again: that is the author's to decide.
  function outdated(state) {
    if (!report) return state.build !== own.build && state.state === "ready";
    if (report === "build" && state.state === "ready") return true;
    return String(state.attempt) !== own.attempt && ["ready", "failed", "down"].includes(state.state);
  }

  // --- the overlay -------------------------------------------------------------------------------

  function element(name, attributes, ...children) {
    const e = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    e.append(...children.filter((c) => c !== undefined && c !== ""));
    return e;
  }

  function problem(p) {
    const where = p.file ? p.file + (p.line ? ":" + p.line : "") + (p.column ? ":" + p.column : "") : "";
    return element("article", { class: p.severity },
      where && element("code", { class: "place" }, where),
      element("h2", {}, p.message || ""),
      p.remedy && element("p", { class: "remedy" }, p.remedy),
      p.excerpt && element("pre", { tabindex: "0" }, p.excerpt),
      p.code && element("p", {}, element("code", {}, "pando explain " + p.code), " says more."));
  }

  function open() {
    if (host) return;
    host = element("div", { id: "pando-dev" });
    root = host.attachShadow({ mode: "open" });
    root.append(element("link", { rel: "stylesheet", href: "/_pando/dev.css" }));
    document.body.append(host);
  }

  function close() {
    host?.remove();
    host = root = undefined;
    lastFocus?.focus?.();
    lastFocus = undefined;
  }

  function show(title, problems, key) {
    open();
    root.querySelector("[data-box]")?.remove();
    const button = element("button", { type: "button" }, "Close (Esc)");
    button.addEventListener("click", () => { closed = key; close(); });
    const box = element("section", { "data-box": "", class: "overlay", role: "alertdialog", tabindex: "-1",
      "aria-label": title }, element("header", {}, element("h1", {}, title), button), ...problems.map(problem));
    box.addEventListener("keydown", (e) => { if (e.key === "Escape") { closed = key; close(); } });
    root.append(box);
    if (document.activeElement !== host) lastFocus = document.activeElement;
    box.focus();
  }

  // One line in a corner that takes no focus: warnings, a new build behind a form's answer.
  function hint(text, act, key) {
    open();
    root.querySelector("[data-box]")?.remove();
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", act);
    const shut = element("button", { type: "button", "aria-label": "Close" }, "×");
    shut.addEventListener("click", () => { closed = key; close(); });
    root.append(element("div", { "data-box": "", class: "hint", role: "status" }, button, shut));
  }

  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  function render(state) {
    const key = JSON.stringify([state.attempt, state.state]);
    if (key === closed || state.state === "building" || state.state === "starting") return;
    const errors = state.problems.filter((p) => p.severity === "error");
    const warnings = state.problems.filter((p) => p.severity === "warning");
    if (report) return;
    if (errors.length) show(plural(errors.length, "error") + " in the build", state.problems, key);
    else if (state.down) show("The program does not start", [{ severity: "error", message: state.down }], key);
    else if (warnings.length)
      hint(plural(warnings.length, "warning"), () => show(plural(warnings.length, "warning"), warnings, key), key);
    else close();
  }

  // --- the stream ----------------------------------------------------------------------------------

  // Only while the page is seen: a browser has six connections to an address for all of its tabs.
  let events;

  function told(message) {
    const state = JSON.parse(message.data);
    if (!outdated(state)) return render(state);
    if (own.posted !== undefined) return hint("There is a new build: load this address", reload, "posted");
    listen(false);
    reload();
  }

  function listen(wanted) {
    if (wanted === Boolean(events)) return;
    events?.close();
    events = wanted ? new EventSource("/_pando/dev/events") : undefined;
    if (events) events.onmessage = told;
  }

  const look = () => listen(document.visibilityState === "visible");
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", () => listen(false));
  addEventListener("pageshow", look);
  look();
})();
