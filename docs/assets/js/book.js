// What HTML alone cannot say: Material builds or sizes these elements at run time.
"use strict";

const memory = {
  get: (key, other) => { try { return JSON.parse(localStorage.getItem(key)) ?? other; } catch { return other; } },
  set: (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private window */ } },
};

// Material notes the place of scrolling 100 ms late, when the address may be the next page's already: that page would
// open in its middle. While the address is ahead of the page, nothing is noted.
(() => {
  const note = history.replaceState;
  let shown = location.pathname;
  document$.subscribe(() => { shown = location.pathname; });
  history.replaceState = (...entry) => location.pathname === shown && note.apply(history, entry);
})();

// Material opens every box before it prints; hints and solutions are printed only where the reader opened them.
document.addEventListener("click", event => {
  const box = event.target.closest("summary")?.parentElement;
  box?.classList.toggle("book-opened", !box.open); // the click is about to turn it
});

// Material's menu and scheme switches are labels, which no key reaches: each gets a real button inside, for a label
// itself may not have the role of one.
const buttonIn = (label, name, press) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "book-button";
  button.ariaLabel = name;
  button.append(...label.childNodes);
  button.addEventListener("click", event => {
    event.preventDefault(); // else the label does it once more
    press(event.detail === 0); // 0: pressed by a key
  });
  label.append(button);
  return button;
};

(() => {
  const palette = document.querySelector("[data-md-component=palette]");
  for (const option of palette?.querySelectorAll("input") ?? []) option.hidden = true; // the buttons say it all
  for (const label of palette?.querySelectorAll("label") ?? []) {
    buttonIn(label, label.title, () => {
      document.getElementById(label.htmlFor).click();
      setTimeout(() => palette.querySelector("label:not([hidden]) button").focus());
    });
  }
})();

// Below 1220 px the closed drawer would keep its links in the tab order.
(() => {
  const box = document.getElementById("__drawer");
  const label = document.querySelector(".md-header label[for=__drawer]");
  if (!box || !label) return;
  const narrow = matchMedia("(max-width: 76.234375em)");
  const drawer = () => document.querySelector(".md-sidebar--primary");
  const button = buttonIn(label, "Menu", byKey => {
    set(!box.checked);
    if (box.checked && byKey) drawer()?.querySelector("a")?.focus({ preventScroll: true });
  });
  const tell = () => {
    button.ariaExpanded = String(box.checked);
    const side = drawer();
    if (side) side.inert = narrow.matches && !box.checked;
  };
  const set = open => {
    if (box.checked !== open) box.click();
    tell();
  };
  addEventListener("keydown", event => {
    if (event.key !== "Escape" || !box.checked) return;
    set(false);
    button.focus();
  });
  box.addEventListener("change", tell);
  narrow.addEventListener("change", tell);
  document$.subscribe(() => setTimeout(tell)); // instant navigation brings a new drawer
})();

// A box that scrolls is a tab stop, one that does not is none; and each box and toolbar has a name.
document$.subscribe(() => {
  const root = document.querySelector("[data-md-component=container]");
  const seen = new WeakSet();
  let blocks = 0;
  const stop = box => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const sizes = new ResizeObserver(entries => entries.forEach(entry => stop(entry.target)));
  const mend = () => {
    for (const box of root.querySelectorAll(".md-typeset__scrollwrap, .arithmatex, .book-output > :not(figure, p, .book-film), .book-frame > pre, :is(.tabbed-block, .book-fold) .highlight code")) {
      if (seen.has(box)) continue;
      seen.add(box);
      box.setAttribute("role", "group");
      if (!box.ariaLabel) box.ariaLabel = box.localName === "code" ? "Code" : "Table";
      sizes.observe(box);
      stop(box);
    }
    for (const bar of root.querySelectorAll("nav.md-code__nav:not([aria-label])")) bar.ariaLabel = `Code block ${++blocks}`;
  };
  new MutationObserver(mend).observe(root, { childList: true, subtree: true });
  mend();
});

// Long lines of code are wrapped; who wants them whole, to be scrolled, is remembered.
const wrap = () => {
  const whole = document.documentElement.classList.toggle("book-nowrap");
  memory.set("book-nowrap", whole);
  alert$.next(whole ? "Long lines are whole" : "Long lines are wrapped");
};
document.documentElement.classList.toggle("book-nowrap", memory.get("book-nowrap", false));

// Copy with what it needs: a block that goes on with a program is copied behind it, as one program that runs alone.
const install = wheel => `try:
    import chainrule
except ImportError:
    import subprocess, sys
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "${wheel}"], check=True)

`;

document$.subscribe(() => {
  const header = document.querySelector(".book-header[data-chains]");
  const chains = JSON.parse(header?.dataset.chains ?? "[]"); // of each block, the numbers of its whole program
  const wheel = header && new URL(header.dataset.wheel, location);
  const blocks = [...document.querySelectorAll(".language-python.highlight")];
  const program = at => {
    const parts = chains[at].map(n => blocks[n].querySelector("code").textContent.trim());
    const code = parts.join("\n\n") + "\n";
    return /^\s*(import|from) chainrule\b/m.test(code) ? install(wheel) + code : code;
  };
  const add = (bar, look, name, press) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `md-code__button ${look}`;
    button.title = button.ariaLabel = name;
    button.addEventListener("click", press);
    bar.prepend(button);
  };
  const mend = () => {
    for (const button of document.querySelectorAll(".md-code__button:not([aria-label])")) button.ariaLabel = button.title;
    for (const [at, block] of blocks.entries()) {
      const bar = block.querySelector("nav.md-code__nav:not(:has(.book-wrap))");
      if (!bar) continue;
      add(bar, "book-wrap", "Wrap long lines, or not", wrap);
      if (!chains[at] || chains[at].length < 2 && !program(at).startsWith("try:")) continue;
      add(bar, "book-copy", "Copy with what it needs", async () => {
        await navigator.clipboard.writeText(program(at));
        alert$.next("Copied with what it needs");
      });
    }
  };
  const root = document.querySelector("[data-md-component=container]");
  new MutationObserver(mend).observe(root, { childList: true, subtree: true });
  mend();
});

// What was read is remembered in this browser and nowhere else: ticks on the map and in the menu, and the way back to the
// last section.
document$.subscribe(() => {
  const home = __md_scope.pathname;
  const page = location.pathname.slice(home.length);
  const read = new Set(memory.get("book-read", []));
  const header = document.querySelector(".book-header");
  const title = document.querySelector("h1")?.firstChild.textContent.trim();
  if (header && page) {
    follow(header, section => memory.set("book-last", [page, title, section]));
    new IntersectionObserver(([entry], watch) => {
      if (!entry.isIntersecting) return;
      watch.disconnect();
      memory.set("book-read", [...read.add(page)]);
    }).observe(document.querySelector(".md-footer"));
  }
  const solved = memory.get("book-solved", {});
  for (const link of document.querySelectorAll(".book-map a[href], .md-nav--primary a.md-nav__link[href]")) {
    const to = link.pathname.slice(home.length);
    const onMap = link.closest(".book-map");
    const ticks = [read.has(to) && "read", onMap && exercises(solved[to])].filter(Boolean);
    if (link.hash || !ticks.length) continue;
    link.insertAdjacentHTML(onMap ? "afterend" : "beforeend", ` <span class="book-tick">${ticks.join(", ")}</span>`);
  }
  const tally = () => {
    const said = exercises(memory.get("book-solved", {})[page]);
    const place = document.querySelector(".book-header[data-minutes] .book-facts:has(a[href*=notation]), .book-header .book-facts");
    const box = place?.querySelector(".book-tick") ?? Object.assign(document.createElement("span"), { className: "book-tick" });
    if (said) place?.append(" ", box);
    box.textContent = said;
  };
  tally();
  document.addEventListener("book-solved", tally);
  const map = document.querySelector(".book-map");
  const last = memory.get("book-last", null);
  if (!map || !last) return;
  const on = document.createElement("a");
  on.className = "md-button book-continue";
  on.href = new URL(last[0] + (last[2] ?? ""), __md_scope);
  on.textContent = `Go on with “${last[1]}”`;
  document.querySelector(".md-typeset a.md-button").parentElement.append(" ", on);
});

const exercises = solved => (solved ? `${solved.right.length} of ${solved.of} exercises solved` : "");

// Where a reader is on a page: tells the address of the section, and says above the table of contents what is left.
function follow(header, note) {
  const headings = [...document.querySelectorAll("article :is(h1, h2, h3)[id]")];
  const minutes = parseInt(header.dataset.minutes);
  const left = document.createElement("span");
  left.className = "book-left";
  document.querySelector(".md-sidebar--secondary .md-nav__title")?.append(left);
  let timer = 0;
  const look = () => {
    if (!header.isConnected) return removeEventListener("scroll", wait);
    const tops = headings.map(heading => heading.getBoundingClientRect().top);
    const at = tops.findLastIndex(top => top < innerHeight / 4);
    note(at > 0 ? `#${headings[at].id}` : "");
    const end = headings.findIndex(heading => heading.id === "exercises"); // the minutes are those of the text before
    const length = tops.at(end) - tops[0] - innerHeight;
    const rest = Math.min(minutes, Math.ceil(minutes * (1 + tops[0] / length)));
    left.textContent = rest > 0 ? `about ${rest} minute${rest > 1 ? "s" : ""} left` : "";
  };
  const wait = () => { clearTimeout(timer); timer = setTimeout(look, 300); };
  addEventListener("scroll", wait, { passive: true });
  wait();
}

// Keys, listed by one of them.
const KEYS = { "/": "search", n: "next page", p: "previous page", Tab: "next link, button or box", "?": "this list" };

addEventListener("keydown", event => {
  if (event.key !== "?" || event.target.closest("input, textarea") || document.querySelector("dialog[open], .book-deck")) return;
  const dialog = document.createElement("dialog");
  dialog.className = "book-keys md-typeset";
  dialog.ariaLabel = "Keys";
  const rows = Object.entries(KEYS).map(([key, does]) => `<tr><td><kbd>${key}</kbd></td><td>${does}</td></tr>`);
  dialog.innerHTML = `<table>${rows.join("")}</table><form method="dialog"><button class="md-button">Close</button></form>`;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", inside => inside.stopPropagation()); // no other key does anything meanwhile
  document.body.append(dialog);
  dialog.showModal();
});

// Old anchors: what stood there is on another page now, and its note says where.
(() => {
  const follow = () => {
    const note = document.getElementById(location.hash.slice(1));
    if (note?.matches(".book-moved")) location.replace(note.querySelector("a").href);
  };
  document$.subscribe(follow);
  addEventListener("hashchange", follow);
})();

// Slides are the page itself, cut at its headings; their script is fetched when somebody presents. It is no module, because
// a page that is read from the disk may import none.
const scripts = new URL(".", document.currentScript.src);
let slidesScript = null;
const fetchSlides = () => slidesScript ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.addEventListener("load", done);
  script.addEventListener("error", failed);
  script.src = new URL("slides.js", scripts);
  document.head.append(script);
});

document$.subscribe(() => {
  const buttons = document.querySelector(".book-header .book-buttons");
  if (!buttons || !document.querySelector("article").innerHTML.includes("<!-- slide")) return;
  const present = async () => {
    await fetchSlides();
    showSlides(button);
  };
  const button = document.createElement("button");
  button.type = "button";
  button.className = "md-button book-present";
  button.textContent = "Slides";
  button.addEventListener("click", present);
  buttons.append(" ", button);
  if (new URLSearchParams(location.search).has("present")) present();
});

// Below each block that a browser can run stand its buttons; what they do is fetched when one is pressed. Python itself
// comes from this site at the first run.
document$.subscribe(async () => {
  const bars = [...document.querySelectorAll(".book-run:empty")];
  const drills = JSON.parse(document.querySelector(".book-header[data-exercises]")?.dataset.exercises ?? "{}");
  const colab = document.querySelector('.book-buttons a[href*="colab"]')?.href;
  for (const bar of bars) furnish(bar, bar.dataset.block in drills, colab);
  const here = location.pathname.slice(__md_scope.pathname.length);
  if (bars.length && memory.get("book-code", {})[here]) (await runJs()).restore();
});

const runJs = () => import(new URL("run.js", scripts));

function furnish(bar, isExercise, colab) {
  if (bar.dataset.lacks) {
    bar.textContent = `Needs ${bar.dataset.lacks}, which does not run in a browser: `;
    const link = document.createElement("a");
    link.href = colab ?? `${__md_scope.pathname}start/where-to-run/`;
    link.textContent = colab ? "open the page in Colab" : "where to run it";
    bar.append(link);
    return;
  }
  const status = document.createElement("span");
  status.role = "status";
  for (const name of [isExercise ? "Check" : "Run", "Edit", "Stop", "Reset"]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.hidden = name === "Stop" || name === "Reset";
    if (name === "Run" || name === "Check") button.dataset.first = "";
    button.addEventListener("click", async () => {
      if ("first" in button.dataset) bar.ariaBusy = "true";
      const run = await runJs().catch(() => null);
      if (run) return run.press(bar, name);
      bar.ariaBusy = "false";
      status.textContent = "This needs a connection: the files that run Python could not be loaded.";
    });
    bar.append(button);
  }
  bar.append(status);
}

// Frames: shown one at a time by a slider for each knob; without this script they stand below one another.
const films = () => document.querySelectorAll(".book-film:not(:has(> .book-play))").forEach(play);
document$.subscribe(films);
document.addEventListener("book-film", films);

function play(film) {
  const frames = [...film.querySelectorAll(".book-frame")];
  const knobs = JSON.parse(film.dataset.knobs); // [name, values] each; the last one's values change fastest
  const bar = document.createElement("div");
  bar.className = "book-play";
  const said = document.createElement("output"); // heard, and seen above the frame
  const show = () => {
    const at = sliders.reduce((place, slider, n) => place * knobs[n][1].length + slider.valueAsNumber, 0);
    frames.forEach((frame, n) => frame.classList.toggle("book-frame--shown", n === at));
    said.textContent = frames[at].querySelector(".book-frame-title").textContent;
    for (const [n, slider] of sliders.entries()) {
      slider.ariaValueText = knobs.length > 1 ? knobs[n][1][slider.valueAsNumber] : said.textContent;
    }
  };
  const sliders = knobs.map(([name, values]) => {
    const label = document.createElement("label");
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: values.length - 1, value: 0 });
    slider.addEventListener("input", show);
    label.append(name, slider);
    bar.append(label);
    return slider;
  });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) bar.append(runner(sliders, show));
  bar.append(said);
  film.prepend(bar);
  show();
}

// A button that runs along the first knob.
function runner([slider, ...others], show) {
  const button = document.createElement("button");
  let timer = 0;
  const set = on => {
    clearInterval(timer);
    timer = on ? setInterval(step, 900) : 0;
    button.textContent = on ? "Stop" : "Play";
  };
  const step = () => {
    slider.valueAsNumber += 1;
    show();
    if (slider.value === slider.max || !slider.isConnected) set(false);
  };
  button.type = "button";
  button.addEventListener("click", () => {
    if (!timer && slider.value === slider.max) slider.value = 0;
    show();
    set(!timer);
  });
  for (const knob of [slider, ...others]) knob.addEventListener("input", () => set(false));
  set(false);
  return button;
}

// The choices of this visit, by page and question. Not in a storage: a page loaded anew would move as outputs open.
const chosen = new Map();

// Questions: an output stays closed until a choice is made, which is remembered for the visit. The style sheet closes it,
// so that nothing moves when this script comes.
document$.subscribe(() => {
  for (const box of document.querySelectorAll(".book-predict:not(:has(fieldset))")) {
    const [question, list] = box.children;
    const fieldset = document.createElement("fieldset");
    const legend = document.createElement("legend");
    const verdict = document.createElement("div");
    verdict.className = "book-verdict";
    verdict.role = "status";
    legend.append(...question.childNodes);
    for (const choice of list.children) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...choice.childNodes);
      choice.append(button);
    }
    question.remove();
    fieldset.append(legend, list, verdict);
    box.prepend(fieldset);
    ask(box);
  }
});

function ask(box) {
  const name = box.dataset.predict;
  const key = `${location.pathname} ${name}`;
  for (const [at, button] of box.querySelectorAll("button").entries()) {
    button.addEventListener("click", () => {
      chosen.set(key, at);
      for (const same of document.querySelectorAll(`[data-predict="${name}"]`)) tell(same, at); // page and slide
    });
  }
  tell(box, chosen.get(key) ?? -1);
}

// What is said to a choice, and the output that it opens; -1 for none.
function tell(box, at) {
  for (const [n, button] of box.querySelectorAll("button").entries()) button.ariaPressed = String(n === at);
  const reason = box.querySelectorAll(".book-reasons li")[at]?.cloneNode(true);
  if (!reason) return;
  reason.querySelector(".book-choice").remove();
  box.querySelector(".book-verdict").replaceChildren(...reason.childNodes);
  for (const part of document.querySelectorAll(`[data-answers="${box.dataset.predict}"]`)) part.classList.add("book-open");
}
