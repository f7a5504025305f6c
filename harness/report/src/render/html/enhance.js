"use strict";
// Comforts only: without this script the page holds the same figures. Data are set as text and as
// attributes, never as markup.
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const root = document.documentElement;

  function element(name, attributes, text) {
    const e = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => e.setAttribute(key, value));
    if (text) { e.textContent = text; }
    return e;
  }

  function onPress(target, act) {
    target.addEventListener("click", act);
    target.addEventListener("keydown", (e) => {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); act(); }
    });
  }

  // The button overrides what the system asks for, until the page is left.
  function themes() {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const button = element("button", { type: "button", class: "theme" });
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const label = () => { button.textContent = isDark() ? "Light colours" : "Dark colours"; };
    button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
    system.addEventListener("change", label);
    label();
    document.querySelector("header").prepend(button);
  }

  // A series' name switches it off and on.
  function toggles(panel) {
    panel.querySelectorAll(".key").forEach((key) => {
      const series = panel.querySelector('.series[data-series="' + key.dataset.series + '"]');
      if (!series) { return; }
      const state = { role: "button", tabindex: "0", "aria-pressed": "true", "aria-label": "Show " + series.dataset.name };
      Object.entries(state).forEach(([name, value]) => key.setAttribute(name, value));
      onPress(key, () => {
        const off = series.classList.toggle("off");
        key.classList.toggle("off", off);
        key.setAttribute("aria-pressed", String(!off));
      });
    });
  }

  // All points with what they say, read from the drawing itself.
  function points(svg) {
    const all = [];
    svg.querySelectorAll(".series").forEach((series) => {
      series.querySelectorAll("polyline").forEach((line) => {
        const tips = (line.dataset.tips || "").split("|");
        line.getAttribute("points").split(" ").forEach((pair, i) => {
          const [x, y] = pair.split(",").map(Number);
          all.push({ x, y, series, tip: tips[i] || "" });
        });
      });
    });
    return all;
  }

  // Of each visible series the point nearest in x, if it is near at all; points within one step of the
  // nearest are left out, so that what is read out belongs together.
  function nearest(all, x) {
    const best = new Map();
    all.filter((p) => !p.series.classList.contains("off")).forEach((p) => {
      const d = Math.abs(p.x - x), b = best.get(p.series);
      if (d < 40 && (!b || d < b.d)) { best.set(p.series, { d, p }); }
    });
    const found = [...best.values()];
    const least = Math.min(...found.map((b) => b.d));
    const place = (found.find((b) => b.d === least) || { p: { x } }).p.x;
    return { place, points: found.filter((b) => Math.abs(b.p.x - place) < 8).map((b) => b.p) };
  }

  function readout(figure) {
    const svg = figure.querySelector(".drawing svg");
    if (!svg || !svg.querySelector(".panel")) { return; }
    // As an image its parts would be hidden from those who operate them by keyboard.
    svg.setAttribute("role", "group");
    svg.querySelectorAll(".panel").forEach(toggles);
    const all = points(svg);
    const out = element("ul", { class: "readout", "aria-live": "polite" });
    const invitation = element("li", { class: "quiet" }, "Point at the drawing for its values; click a name to hide its line.");
    figure.querySelector(".drawing").after(out);
    const view = svg.viewBox.baseVal;
    const cursor = document.createElementNS(SVG, "line");
    Object.entries({ class: "cursor", y1: 20, y2: view.height - 44 }).forEach(([k, v]) => cursor.setAttribute(k, v));

    function clear() { cursor.remove(); out.replaceChildren(invitation); }
    function show(x) {
      const near = nearest(all, x);
      if (!near.points.length) { clear(); return; }
      out.replaceChildren(...near.points.map((p) => {
        const item = element("li", { class: p.series.getAttribute("class").replace("series", "value") });
        item.append(element("b", {}, p.series.dataset.name), " " + p.tip);
        return item;
      }));
      cursor.setAttribute("x1", near.place);
      cursor.setAttribute("x2", near.place);
      svg.append(cursor);
    }
    clear();
    svg.addEventListener("pointermove", (e) => {
      const box = svg.getBoundingClientRect();
      show((e.clientX - box.left) * view.width / box.width);
    });
    svg.addEventListener("pointerleave", clear);
    svg.addEventListener("blur", clear);

    // By keyboard: left and right go from point to point.
    const xs = [...new Set(all.map((p) => p.x))].sort((a, b) => a - b);
    let at = -1;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (e) => {
      if (e.target !== svg || !xs.length || (e.key !== "ArrowRight" && e.key !== "ArrowLeft")) { return; }
      e.preventDefault();
      at = Math.max(0, Math.min(xs.length - 1, at + (e.key === "ArrowRight" ? 1 : -1)));
      show(xs[at]);
    });
  }

  const UNITS = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, KiB: 1024, MiB: 1048576, GiB: 1073741824 };

  // What a cell is sorted by: its first figure in the base unit; null for a text.
  function figureOf(text) {
    const plain = text.replace(/[,\s]/g, "").replace("−", "-");
    const m = plain.match(/^[<>≥+]?(-?\d[\d.]*)(ns|µs|ms|s(?![a-z])|KiB|MiB|GiB)?/);
    return m ? Number(m[1]) * (UNITS[m[2]] || 1) : null;
  }

  function compare(a, b) {
    const x = figureOf(a), y = figureOf(b);
    if (x !== null && y !== null) { return x - y || a.localeCompare(b); }
    // What is unknown comes last.
    return (x === null) - (y === null) || a.localeCompare(b);
  }

  // A column's heading sorts by it: up, down, as it was. Tables with groups keep their order.
  function sortable(table) {
    const body = table.tBodies[0];
    if (table.tBodies.length !== 1 || body.rows.length < 3 || body.querySelector(".group")) { return; }
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      if (head.tagName !== "TH") { return; }
      const button = element("button", { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        const by = (a, b) => compare(a.cells[i].textContent.trim(), b.cells[i].textContent.trim());
        const sorted = next ? [...rows].sort(by) : rows;
        if (next) { head.setAttribute("aria-sort", next); }
        body.append(...(next === "descending" ? sorted.reverse() : sorted));
      });
    });
  }

  themes();
  document.querySelectorAll("figure").forEach(readout);
  document.querySelectorAll("table").forEach(sortable);
})();
