"use strict";
// Comforts only: without this script the page holds the same figures.
(function () {
  var root = document.documentElement;

  // Theme: the button overrides what the system asks for.
  var button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  function label() { button.textContent = dark ? "Light" : "Dark"; }
  button.addEventListener("click", function () {
    dark = !dark;
    root.dataset.theme = dark ? "dark" : "light";
    label();
  });
  label();
  document.body.prepend(button);

  function each(list, f) { Array.prototype.forEach.call(list, f); }

  // Names at the end of series switch them off and on.
  function toggles(panel) {
    each(panel.querySelectorAll(".key"), function (key) {
      var series = panel.querySelector('.series[data-series="' + key.dataset.series + '"]');
      key.setAttribute("role", "button");
      key.setAttribute("tabindex", "0");
      key.setAttribute("aria-pressed", "true");
      function toggle() {
        var off = series.classList.toggle("off");
        key.classList.toggle("off", off);
        key.setAttribute("aria-pressed", String(!off));
      }
      key.addEventListener("click", toggle);
      key.addEventListener("keydown", function (e) {
        if (e.key === "Enter" || e.key === " ") { e.preventDefault(); toggle(); }
      });
    });
  }

  // All points of a panel with what they say, read from the drawing itself.
  function points(panel) {
    var all = [];
    each(panel.querySelectorAll(".series"), function (series) {
      each(series.querySelectorAll("polyline"), function (line) {
        var tips = (line.dataset.tips || "").split("|");
        line.getAttribute("points").split(" ").forEach(function (pair, i) {
          var at = pair.split(",");
          all.push({ x: +at[0], y: +at[1], series: series, text: series.dataset.name + " " + (tips[i] || "") });
        });
      });
    });
    return all;
  }

  function readout(figure) {
    var svg = figure.querySelector("svg");
    var out = figure.querySelector(".readout");
    var cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    var panels = Array.prototype.map.call(svg.querySelectorAll(".panel"), function (panel) {
      toggles(panel);
      return points(panel);
    });
    if (!panels.length) { return; }
    var height = svg.viewBox.baseVal.height;

    // Of each visible series the point nearest in x, if it is near at all.
    function show(x) {
      var texts = [], place = null;
      panels.forEach(function (all) {
        var best = new Map();
        all.forEach(function (p) {
          if (p.series.classList.contains("off")) { return; }
          var b = best.get(p.series), d = Math.abs(p.x - x);
          if (d < 40 && (!b || d < b.d)) { best.set(p.series, { d: d, p: p }); }
        });
        best.forEach(function (b) { texts.push(b.p.text); place = b.p.x; });
      });
      out.textContent = texts.join(" · ");
      if (place === null) { cursor.remove(); return; }
      cursor.setAttribute("x1", place); cursor.setAttribute("x2", place);
      cursor.setAttribute("y1", 20); cursor.setAttribute("y2", height - 44);
      svg.appendChild(cursor);
    }

    svg.addEventListener("mousemove", function (e) {
      var box = svg.getBoundingClientRect();
      show((e.clientX - box.left) * svg.viewBox.baseVal.width / box.width);
    });
    svg.addEventListener("mouseleave", function () { cursor.remove(); out.textContent = ""; });

    // By keyboard: left and right go from point to point.
    var xs = Array.from(new Set([].concat.apply([], panels).map(function (p) { return p.x; })));
    xs.sort(function (a, b) { return a - b; });
    var at = -1;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", function (e) {
      if (e.target !== svg || (e.key !== "ArrowRight" && e.key !== "ArrowLeft")) { return; }
      e.preventDefault();
      at = Math.max(0, Math.min(xs.length - 1, at + (e.key === "ArrowRight" ? 1 : -1)));
      show(xs[at]);
    });
  }
  each(document.querySelectorAll("figure"), readout);

  // A printed page opens what is folded only for the figures' tables.
  window.addEventListener("beforeprint", function () {
    each(document.querySelectorAll("figure details"), function (d) { d.open = true; });
  });
})();
