/* Hostler: everything here improves a page that already works. No framework, no inline handlers, no eval. */
(() => {
  'use strict';
  const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const root = document.documentElement;
  const el = (tag, props = {}, ...kids) => { const e = Object.assign(document.createElement(tag), props); e.append(...kids); return e; };
  const attrs = (e, all) => { Object.entries(all).forEach(([k, v]) => e.setAttribute(k, v)); return e; };
  const toast = text => { const p = el('p', { textContent: text }); $('[data-toasts]')?.append(p); setTimeout(() => p.remove(), 4000); };
  const remember = (name, value) => { document.cookie = `${name}=${value}; Path=/; Secure; SameSite=Lax; Max-Age=31536000`; };

  /* Theme and zone: a cookie that the server renders, so that nothing flashes. */
  /* The parts as region wrote them, since what follows writes into them too. */
  const served = new Map($$('[data-part]').map(part => [part, part.innerHTML]));

  const theme = v => {
    if (v) root.dataset.theme = v; else delete root.dataset.theme;
    $$('[data-theme-set]').forEach(b => b.setAttribute('aria-pressed', b.dataset.themeSet === v));
    remember('theme', v);
  };
  /* Region writes UTC; here it becomes the zone chosen. Times with a clock alone: ages are the same everywhere. */
  const chosen = root.dataset.zone;
  let timeZone = chosen === 'local' ? undefined : chosen || 'UTC';
  try { new Intl.DateTimeFormat('en-GB', { timeZone }); } catch { timeZone = 'UTC'; }
  const clock = at => at.toLocaleTimeString('en-GB', { timeZone });
  const zone = within => {
    if (!chosen) return;
    const day = at => at.toLocaleDateString('en-GB', { timeZone, day: 'numeric', month: 'short' }), today = day(new Date());
    $$('time', within).forEach(t => {
      const at = new Date(t.dateTime);
      if (!/\d:\d/.test(t.textContent) || isNaN(at)) return;
      t.title = t.dateTime;
      t.textContent = (day(at) === today ? '' : day(at) + ', ') + clock(at);
    });
    $$('[data-zone-name]', within).forEach(name => { name.textContent = timeZone || new Intl.DateTimeFormat().resolvedOptions().timeZone; });
  };
  if ($('#zones') && Intl.supportedValuesOf) $('#zones').append(...Intl.supportedValuesOf('timeZone').map(value => el('option', { value })));
  zone(document);

  document.addEventListener('click', async e => {
    const set = e.target.closest('[data-theme-set]'), copy = e.target.closest('[data-copy]');
    if (set) { e.preventDefault(); theme(set.dataset.themeSet); }
    if (copy) {
      try { await navigator.clipboard.writeText(copy.dataset.copy); toast('Copied'); } catch { toast('The browser refused the clipboard'); }
    }
    $$('details.menu[open]').forEach(d => { if (!d.contains(e.target)) d.open = false; });
  });

  /* Command palette: the list is what /find answers. */
  let pal;
  const acts = [['Theme: dark', () => theme('dark')], ['Theme: light', () => theme('light')], ['Theme: as the system', () => theme('')], ['Keyboard map', () => keys()]];
  const places = () => $$('.side li a').map(a => [a.textContent.trim(), '', () => { location.href = a.href; }]);
  const palette = () => {
    if (!pal) {
      const input = attrs(el('input', { type: 'text', placeholder: 'Go to, or do: an address, a MAC, a name, a verb', autocomplete: 'off' }), { role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'pal-list', 'aria-label': 'Command palette' });
      const list = attrs(el('ul', { id: 'pal-list' }), { role: 'listbox', 'aria-label': 'Results' });
      pal = attrs(el('dialog', { className: 'pal' }, input, list, el('footer', { textContent: '↑ ↓ choose, Enter go, Esc close' })), { 'aria-label': 'Command palette' });
      document.body.append(pal);
      let rows = [], sel = 0, asked = 0;
      const draw = found => {
        const q = input.value.trim().toLowerCase();
        const own = [...places(), ...acts.map(a => [a[0], '', a[1]])].filter(r => r[0].toLowerCase().includes(q));
        rows = [...found, ...own];
        sel = Math.max(0, Math.min(sel, rows.length - 1));
        list.replaceChildren(...rows.map((r, i) => {
          const li = attrs(el('li', { id: 'p' + i }, r[0], el('small', { textContent: r[1] })), { role: 'option', 'aria-selected': i === sel });
          li.onclick = () => { pal.close(); r[2](); };
          return li;
        }));
        if (rows.length) input.setAttribute('aria-activedescendant', 'p' + sel);
        else list.append(attrs(el('li', { textContent: 'Nothing by that name.' }), { role: 'option', 'aria-selected': false }));
      };
      let found = [];
      const ask = async () => {
        const q = input.value.trim(), turn = ++asked;
        found = [];
        if (q) {
          try {
            const answer = await fetch('/find?as=json&q=' + encodeURIComponent(q));
            if (answer.ok && turn === asked) found = (await answer.json()).map(f => [f.name, f.what, () => { location.href = f.page; }]);
          } catch { /* the places below still work */ }
        }
        if (turn === asked) draw(found);
      };
      let wait;
      input.addEventListener('input', () => { sel = 0; clearTimeout(wait); wait = setTimeout(ask, 120); });
      input.addEventListener('keydown', e => {
        if (e.key === 'ArrowDown') sel++; else if (e.key === 'ArrowUp') sel--; else if (e.key === 'Enter' && rows[sel]) { e.preventDefault(); pal.close(); return rows[sel][2](); } else return;
        e.preventDefault(); draw(found); $('#p' + sel)?.scrollIntoView({ block: 'nearest' });
      });
      pal.redraw = () => { input.value = ''; sel = 0; found = []; draw(found); };
    }
    pal.redraw(); pal.showModal();
  };
  const map = [['Find', '/'], ['Palette', 'Ctrl K'], ['Overview', 'g o'], ['Subnets', 'g s'], ['Leases', 'g l'], ['Racks', 'g r'], ['Events', 'g e'], ['Next, previous row', 'j k'], ['Open row', 'Enter'], ['Edit this', 'e'], ['Cells of a map', '← ↑ ↓ →'], ['Pause live rows', '.'], ['This list', '?']];
  let help;
  const keys = () => {
    if (!help) {
      help = attrs(el('dialog', {}, el('div', { className: 'keys' }, ...map.map(([a, b]) => el('div', {}, a, el('kbd', { textContent: b }))))), { 'aria-label': 'Keyboard map' });
      document.body.append(help);
    }
    help.showModal();
  };

  /* Keys: never while typing, never with a modifier, never over a dialog. */
  const go = { o: '/', s: '/subnets', l: '/leases', r: '/racks', e: '/events' };
  let prefix = 0;
  addEventListener('keydown', e => {
    if ((e.ctrlKey || e.metaKey) && e.key === 'k') { e.preventDefault(); return palette(); }
    if (e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]') || /INPUT|SELECT|TEXTAREA/.test(e.target.tagName)) return;
    if (Date.now() - prefix < 900 && go[e.key]) { location.href = go[e.key]; return; }
    prefix = e.key === 'g' ? Date.now() : 0;
    if (e.key === '/') { e.preventDefault(); $('#q')?.focus(); }
    if (e.key === '?') keys();
    if (e.key === '.') pause();
    if (e.key === 'e') { const edit = $('.actions a[href*="do=update"]'); if (edit) edit.click(); }
    if (e.key === 'j' || e.key === 'k') {
      const links = $$('main tbody th a, main .exc .what, main tbody td:first-child a'); if (!links.length) return;
      const i = links.indexOf(document.activeElement); links[Math.max(0, Math.min(links.length - 1, i + (e.key === 'j' ? 1 : -1)))].focus();
    }
  });

  /* Address map: one tab stop, arrows inside; the panel beside it follows. */
  const cells = () => $$('.map a');
  const choose = a => {
    cells().forEach(c => { c.removeAttribute('aria-current'); c.tabIndex = -1; });
    a.setAttribute('aria-current', 'true'); a.tabIndex = 0;
    const ip = $('[data-map-ip]'), what = $('[data-map-what]');
    /* A cell is said as its address and what that is; there are thousands, so nothing is written twice. */
    const [, address, use] = a.getAttribute('aria-label').match(/^(\S+) ?(.*)$/);
    if (ip) ip.textContent = address;
    if (what) { what.textContent = use; what.className = 'st ' + ({ l: 'ok', s: 'ok', i: 'ok', x: 'bad' }[a.className] || 'off'); }
    const more = $('[data-map-more]');
    if (more) { more.replaceChildren(); if (a.dataset.page) more.append(el('a', { href: a.dataset.page, textContent: 'Open its page' })); }
    if (a.closest('[data-brief]')) { clearTimeout(asking); asking = setTimeout(ask, 200, a); }
  };
  /* A map of thousands of cells does not say who has them; the page of one does. */
  let asking;
  const ask = async a => {
    const answer = await fetch(a.href).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const fresh = $('[data-map-panel]', new DOMParser().parseFromString(await answer.text(), 'text/html'));
    if (fresh && a.isConnected && a.hasAttribute('aria-current')) $('[data-map-panel]')?.replaceChildren(...fresh.childNodes);
  };
  const enter = within => { const first = $('.map a[aria-current]', within) || $('.map a', within); if (first) first.tabIndex = 0; };
  enter(document);
  document.addEventListener('click', e => { const a = e.target.closest('.map a'); if (a && !e.ctrlKey && !e.metaKey) { e.preventDefault(); choose(a); } });
  document.addEventListener('keydown', e => {
    if (!e.target.closest?.('.map')) return;
    const all = cells(), cols = getComputedStyle($('.map')).gridTemplateColumns.split(' ').length - 1;
    const d = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: cols, ArrowUp: -cols }[e.key]; if (!d) return;
    const next = all[all.indexOf(e.target) + d]; if (next) { e.preventDefault(); choose(next); next.focus(); }
  });

  /* A box that ticks all rows. */
  const tickAll = within => $$('th.tick', within).forEach(head => {
    const all = attrs(el('input', { type: 'checkbox' }), { 'aria-label': 'Tick all' });
    all.addEventListener('change', () => $$('tbody [name="row"]', head.closest('table')).forEach(box => { box.checked = all.checked; }));
    head.replaceChildren(all);
  });
  tickAll(document);

  /* Type the name to confirm: the button says why it waits. */
  $$('[data-confirm]').forEach(input => {
    const b = $(input.dataset.confirm), check = () => b.setAttribute('aria-disabled', input.value.trim() !== input.dataset.value);
    input.addEventListener('input', check); check();
    b.addEventListener('click', e => { if (b.getAttribute('aria-disabled') === 'true') { e.preventDefault(); toast('Type ' + input.dataset.value + ' first'); input.focus(); } });
  });

  /* Live: the stream says what kinds changed; the page is asked for again and its parts are replaced. A row never moves under the pointer.
     The indicator never claims more than is known: "live" only while the stream stands and the page shows what it told of, or did a second ago. */
  const live = $('[data-live]'), topics = document.body.dataset.topics;
  let shown = '';
  const say = (state, text) => { if (live && shown !== text) { shown = text; live.dataset.live = state; live.textContent = text; } };
  /* Since when: `stale` of news that the page has not asked for yet, `asked` of those that are on their way. */
  let paused = 0, lost = 0, stale = 0, asked = 0, busy = false, waiting = new Map(), told = 0, later;
  const tell = () => {
    const behind = asked || stale, soon = behind + 1000 - Date.now();
    clearTimeout(later);
    if (lost) say('off', 'disconnected since ' + clock(new Date(lost)));
    else if (paused) say('wait', 'paused since ' + clock(new Date(paused)));
    else if (behind && soon <= 0) say('resumed', 'catching up since ' + clock(new Date(behind)));
    else { say('live', 'live'); if (behind) later = setTimeout(tell, soon); }
  };
  /* For who does not see the rows come: one sentence, at most every ten seconds. */
  const announce = (count, part) => {
    if (!count || Date.now() - told < 10000) return;
    told = Date.now();
    const name = part.getAttribute('aria-label') || $('caption', part)?.textContent || document.title;
    $('[data-news]').textContent = `${count} new in ${name}`;
  };
  const inUse = part => part.matches(':hover') && part.querySelector('tbody') && matchMedia('(hover: hover)').matches || part.contains(document.activeElement);
  const swap = (old, fresh) => {
    const had = new Set($$('[data-row]', old).map(r => r.dataset.row)), cell = $('.map a[aria-current]', old)?.search;
    const ticked = new Set($$('[name="row"]:checked', old).map(box => box.value));
    served.set(old, fresh.innerHTML);
    old.replaceChildren(...fresh.childNodes);
    const news = had.size ? $$('[data-row]', old).filter(r => !had.has(r.dataset.row)) : [];
    news.forEach(r => r.classList.add('new'));
    announce(news.length, old);
    if (cell) { const a = $(`.map a[href="${CSS.escape(cell)}"]`, old); if (a) choose(a); }
    $$('[name="row"]', old).forEach(box => { box.checked = ticked.has(box.value); });
    tickAll(old);
    enter(old);
    zone(old);
  };
  const join = () => { waiting.forEach((fresh, old) => swap(old, fresh)); waiting.clear(); chip(); };
  const chip = () => {
    let b = $('[data-waiting]');
    if (!waiting.size) { b?.remove(); return; }
    if (!b) { b = attrs(el('button', { type: 'button', className: 'chip waiting', textContent: 'Changes wait: show them' }), { 'data-waiting': '' }); b.addEventListener('click', join); $('.toasts').before(b); }
  };
  document.addEventListener('pointerout', e => { const part = e.target.closest?.('[data-part]'); if (part && !part.contains(e.relatedTarget) && waiting.has(part)) setTimeout(join, 0); });
  const fetched = async () => {
    const answer = await fetch(location.href, { headers: { 'x-part': 'live' }, signal: AbortSignal.timeout(30000) });
    if (answer.redirected && new URL(answer.url).pathname === '/sign-in') { location.reload(); return; }
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    $$('[data-part]').forEach(old => {
      const fresh = page.getElementById(old.id);
      if (!fresh || fresh.innerHTML === served.get(old)) { waiting.delete(old); return; }
      if (inUse(old)) waiting.set(old, fresh); else { waiting.delete(old); swap(old, fresh); }
    });
    chip();
  };
  const refresh = async () => {
    stale ||= Date.now();
    if (paused || lost || document.hidden || busy) return tell();
    busy = true; asked = stale; stale = 0;
    const began = Date.now();
    tell();
    try { await fetched(); } catch { stale = asked; }
    asked = 0;
    tell();
    /* A region that is slow to answer is asked less often. */
    setTimeout(() => { busy = false; if (stale) refresh(); }, Math.max(500, 4 * (Date.now() - began)));
  };
  const pause = () => { paused = paused ? 0 : Date.now(); $$('[data-pause]').forEach(b => b.setAttribute('aria-pressed', !!paused)); toast(paused ? 'Paused. Nothing is lost: rows join when you go on.' : 'Live again'); tell(); if (!paused && stale) refresh(); };
  document.addEventListener('click', e => { if (e.target.closest('[data-pause]')) pause(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && stale) refresh(); });
  if (topics && live) {
    /* A boot that goes on grows without a word of it. */
    setInterval(() => { if ($('[data-growing]')) refresh(); }, 1000);
    /* Region says something every few seconds; a line that is dead says nothing, of which a browser knows nothing either. */
    const SILENT = 12000;
    let source, cursor = document.body.dataset.cursor, heard = Date.now(), watch, grey;
    const lose = since => {
      if (!lost) { lost = since; grey = setTimeout(() => document.body.classList.add('away'), 30000); }
      tell();
    };
    const wait = () => { clearTimeout(watch); watch = setTimeout(() => { source.close(); lose(heard); open(); }, SILENT); };
    const hear = e => { heard = Date.now(); cursor = e.lastEventId || cursor; wait(); };
    const open = () => {
      source = new EventSource(`/live?topics=${encodeURIComponent(topics)}&after=${encodeURIComponent(cursor)}`);
      source.addEventListener('live', e => {
        hear(e);
        clearTimeout(grey); document.body.classList.remove('away');
        if (lost) { stale ||= lost; lost = 0; refresh(); }
        tell();
      });
      source.addEventListener('alive', hear);
      source.addEventListener('changed', e => { hear(e); refresh(); });
      source.addEventListener('reset', () => { source.close(); location.reload(); });
      source.onerror = () => {
        lose(Date.now());
        if (source.readyState === EventSource.CLOSED) { clearTimeout(watch); setTimeout(() => location.reload(), 5000); }
      };
      wait();
    };
    open();
  }
})();
