// Comfort only: the page says everything without it.
'use strict';
(function () {
  const svgPoint = (svg, event) => {
    const box = svg.getBoundingClientRect();
    const view = svg.viewBox.baseVal;
    return [(event.clientX - box.left) * view.width / box.width, (event.clientY - box.top) * view.height / box.height];
  };

  // A button that turns light to dark and back.
  const nav = document.querySelector('nav');
  const theme = document.createElement('button');
  theme.type = 'button';
  const isDark = () => {
    const set = document.documentElement.dataset.theme;
    return set ? set === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  };
  const name = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; };
  theme.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    name();
  });
  name();
  if (nav) nav.append(theme);

  // The nearest point of a drawing is read out below it.
  const pointsOf = (svg) => {
    const all = [];
    for (const line of svg.querySelectorAll('polyline[data-tips]')) {
      const group = line.closest('g');
      const tips = line.dataset.tips.split('|');
      line.getAttribute('points').trim().split(/\s+/).forEach((pair, i) => {
        const [x, y] = pair.split(',').map(Number);
        all.push({ x, y, group, text: (group.dataset.name || '') + ': ' + (tips[i] || '') });
      });
    }
    return all;
  };
  for (const figure of document.querySelectorAll('figure')) {
    const svg = figure.querySelector('svg');
    const readout = figure.querySelector('.readout');
    if (!svg || !readout) continue;
    const points = pointsOf(svg);
    svg.addEventListener('mousemove', (event) => {
      const [x, y] = svgPoint(svg, event);
      let best = null;
      let least = 40 * 40;
      for (const p of points) {
        if (p.group.classList.contains('off')) continue;
        const d = (p.x - x) ** 2 + (p.y - y) ** 2;
        if (d < least) { least = d; best = p; }
      }
      readout.textContent = best ? best.text : '';
    });
    svg.addEventListener('mouseleave', () => { readout.textContent = ''; });
  }

  // A series' name in the key shows and hides the series.
  for (const key of document.querySelectorAll('svg g.key')) {
    const panel = key.closest('g.panel');
    const series = panel && panel.querySelector('g.series[data-series="' + key.dataset.series + '"]');
    if (!series) continue;
    key.setAttribute('role', 'button');
    key.setAttribute('tabindex', '0');
    key.setAttribute('aria-pressed', 'true');
    const toggle = () => {
      const off = series.classList.toggle('off');
      key.classList.toggle('off', off);
      key.setAttribute('aria-pressed', String(!off));
    };
    key.addEventListener('click', toggle);
    key.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); toggle(); }
    });
  }

  // A click on a column's heading sorts by it; tables with groups keep their order.
  const units = { ns: 1e-9, 'µs': 1e-6, ms: 1e-3, s: 1, KiB: 1024, MiB: 1048576, GiB: 1073741824 };
  const value = (text) => {
    const m = text.replace(/[,\u00a0\s]/g, '').replace('−', '-').match(/^[<>≥]?(-?[\d.]+)(ns|µs|ms|s|KiB|MiB|GiB)?/);
    return m ? Number(m[1]) * (units[m[2]] || 1) : null;
  };
  for (const table of document.querySelectorAll('table')) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2 || body.querySelector('tr.group')) continue;
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') === 'ascending';
        for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const order = [...body.rows].sort((a, b) => {
          const [s, t] = [a.cells[i].textContent, b.cells[i].textContent];
          const [x, y] = [value(s), value(t)];
          const d = x !== null && y !== null ? x - y : s.localeCompare(t);
          return down ? -d : d;
        });
        body.append(...order);
      });
    });
  }
})();
