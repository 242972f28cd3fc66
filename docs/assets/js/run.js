// Blocks that run, and exercises that are checked, where they are read. Fetched when a reader presses Run, Edit or
// Check for the first time; book.js draws the buttons.

const LIMIT = 300; // seconds, after which a program is stopped
const scripts = new URL(".", import.meta.url);
const AGAIN = "Python starts anew at the next run, and its variables are gone.";

// --- The worker: one for the whole visit, a new one after a stop ----------------------------------------------------

let worker = null;
let active = null;
let runs = 0;

function ask(message, hear) {
  if (typeof WebAssembly !== "object") {
    return Promise.resolve({ fatal: "This browser has no WebAssembly, which Python needs here. Copy the block, or open the page in Colab." });
  }
  if (active) end("Another program was running and has been stopped.");
  worker ??= new Worker(new URL("python.js", scripts), { type: "module", name: "python" });
  return new Promise(resolve => {
    const id = ++runs;
    const clock = setTimeout(() => end(`Stopped after ${LIMIT / 60} minutes. ${AGAIN}`), LIMIT * 1000);
    const settle = said => {
      clearTimeout(clock);
      active = null;
      resolve(said);
    };
    active = { settle };
    worker.onmessage = ({ data }) => {
      if (data.id !== id) return;
      if (data.done) settle(data.done);
      else if (data.fatal) end(explain(data.fatal));
      else hear(data);
    };
    worker.onerror = event => {
      event.preventDefault();
      end(explain(event.message));
    };
    worker.postMessage({ id, ...message });
  });
}

export function end(words) {
  worker?.terminate();
  worker = null;
  active?.settle({ fatal: words });
}

function explain(words) {
  if (!navigator.onLine) return "Python could not be loaded: this browser is offline. Try again when it is not.";
  if (/call stack/.test(words)) return "This program calls deeper than a browser allows. Open the page in Colab, or run it on your own machine.";
  if (/memory|allocat/i.test(words ?? "")) return `Python ran out of memory. ${AGAIN}`;
  return `Python could not be loaded or has ended: ${words || "its files did not come"}. Press the button to try again.`;
}

// Instant navigation takes the page away, not this script: what still runs for that page is stopped.
document$.subscribe(() => {
  if (active) end("");
});

// --- What a page has ------------------------------------------------------------------------------------------------

const memory = {
  get: (key, other) => { try { return JSON.parse(localStorage.getItem(key)) ?? other; } catch { return other; } },
  set: (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private window */ } },
};
const place = () => location.pathname.slice(__md_scope.pathname.length);
const header = () => document.querySelector(".book-header[data-chains]");
const printedCode = number => codes()[number].querySelector("code").textContent.trimEnd();
const codes = () => [...document.querySelectorAll(".language-python.highlight:not(.book-typed)")];
const barOf = number => document.querySelector(`.book-run[data-block="${number}"]`);
const exerciseOf = number => JSON.parse(header().dataset.exercises ?? "{}")[number];
const saved = () => memory.get("book-code", {})[place()] ?? {};

function save(number, code) {
  const all = memory.get("book-code", {});
  const here = { ...all[place()] };
  if (code === null) delete here[number];
  else here[number] = { code, printed: printedCode(number) };
  memory.set("book-code", { ...all, [place()]: here });
}

const codeOf = number => barOf(number)?.editor?.value.trimEnd() ?? printedCode(number);

// The program above a block: of each block its number, its code, and whether it is run; of others the imports alone are
// carried out. In a lab, an answer that is right takes the place of what stands in for it.
const blocksBefore = (number, all = false) => {
  const chain = JSON.parse(header().dataset.chains)[number];
  const after = new Set(barOf(number).dataset.after.split(" ").filter(Boolean).map(Number));
  const solved = memory.get("book-solved", {})[place()]?.right ?? [];
  const drills = Object.entries(JSON.parse(header().dataset.exercises));
  const right = drills.filter(([at, [name]]) => solved.includes(name) && barOf(at)?.editor);
  const out = new Set([number, ...right.map(([, drill]) => drill[3])]);
  for (const [at, drill] of right) if (after.has(drill[3])) after.add(Number(at));
  const runs = n => (all ? !barOf(n)?.dataset.lacks : after.has(n));
  return chain.filter(n => !out.has(n)).map(n => [n, codeOf(n), runs(n)]);
};

// --- Run and check ----------------------------------------------------------------------------------------------------

export async function press(bar, what) {
  const number = Number(bar.dataset.block);
  if (what === "Stop") return end(`Stopped. ${AGAIN}`);
  if (what === "Reset") return reset(bar, number);
  if (what === "Edit") return edit(bar, number).focus();
  busy(bar, true);
  const words = what === "Check" ? await check(bar, number) : await run(bar, number);
  busy(bar, false);
  return say(bar, ...words);
}

const talk = (bar, output, message) => {
  const hear = said => (said.status ? say(bar, `${said.status} …`) : output.print(said.printed));
  return ask({ base: new URL(header().dataset.python, location).href, page: place(), ...message }, hear);
};

// In words, if an error came from what stands in for an answer of a lab, and so from what no browser runs; "" if not.
const unsolved = (trace = "") => {
  const blocks = [...trace.matchAll(/"<block (\d+)>"/g)].map(match => match[1] - 1);
  const drills = Object.values(JSON.parse(header().dataset.exercises ?? "{}"));
  const [name] = drills.find(([, , , standIn]) => blocks.includes(standIn)) ?? [];
  return name ? `This builds on your answer “${name}” above. Until it is right, something stands in for it that does `
    + "not run in a browser: write it first, or open the page in Colab" : "";
};

// What is said at the end of a run.
async function run(bar, number) {
  const code = codeOf(number);
  let output = new Output(bar);
  const began = performance.now();
  let said = await talk(bar, output, { blocks: [...blocksBefore(number), [number, code, true]] });
  if (/^NameError/.test(said.error)) { // changed code may need more of the page than the printed code
    output = new Output(bar);
    said = await talk(bar, output, { blocks: [...blocksBefore(number, true), [number, code, true]] });
  }
  const words = said.fatal ?? unsolved(said.trace);
  if (words) return [words];
  output.finish(said);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (code === printedCode(number)) return [`Run in ${seconds} s: ${output.compare()}`];
  return [`Your code, run in ${seconds} s: ${output.compare() === SAME ? "the output is as printed" : "the output has changed"}`];
}

async function check(bar, number) {
  const [name, setup, test, , names] = exerciseOf(number);
  const area = edit(bar, number);
  save(number, area.value);
  const lab = header().dataset.lab !== undefined;
  const parts = [!lab && setup >= 0 ? printedCode(setup) : "", area.value, printedCode(test)];
  const tried = all => talk(bar, new Output(bar), { blocks: lab ? blocksBefore(number, all) : [], parts, names });
  let said = await tried(false);
  if (lab && /^NameError/.test(said.said)) said = await tried(true); // as for a changed block
  if (said.fatal !== undefined) return [said.fatal];
  if (unsolved(said.trace)) return [unsolved(said.trace), "error"];
  const words = { right: "Right: the check passes", "not yet": "Not yet: ", "not right": "Not right: ", error: "This did not run: " };
  if (said.verdict === "right") solve(name);
  return [words[said.verdict] + said.said, said.verdict];
}

function solve(name) {
  const all = memory.get("book-solved", {});
  const right = new Set([...(all[place()]?.right ?? []), name]);
  const of = Object.keys(JSON.parse(header().dataset.exercises)).length;
  memory.set("book-solved", { ...all, [place()]: { right: [...right], of } });
  document.dispatchEvent(new CustomEvent("book-solved"));
}

function say(bar, words, verdict = "") {
  const status = bar.querySelector("[role=status]");
  status.textContent = words;
  bar.dataset.verdict = verdict;
}

// While something runs there is Stop alone; afterwards everything else, and Reset where there is something to reset.
function busy(bar, on) {
  const shown = name => (on ? name === "Stop" : name !== "Stop" && (name !== "Reset" || bar.editor || bar.own));
  const inside = bar.contains(document.activeElement);
  for (const button of bar.querySelectorAll("button")) button.hidden = !shown(button.textContent);
  bar.ariaBusy = String(on);
  if (inside) bar.querySelector(on ? "button:not([hidden])" : "button[data-first]").focus();
  if (on) say(bar, "");
}

// --- The editor: a text area over its own highlighted text ----------------------------------------------------------------

const TOKEN = /(#.*)|((?:\b[rbfu]{1,2})?(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|\b(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b|\b(\d[\d_.]*(?:e[+-]?\d+)?j?)\b/gi;
const LOOK = ["c1", "s2", "k", "mi"];

function colour(ink, text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    parts.push(text.slice(from, match.index));
    const span = document.createElement("span");
    span.className = LOOK[match.slice(1).findIndex(Boolean)];
    span.textContent = match[0];
    parts.push(span);
    from = match.index + match[0].length;
  }
  ink.replaceChildren(...parts, `${text.slice(from)}\n`);
}

export function edit(bar, number) {
  if (bar.editor) return bar.editor;
  const block = codes()[number];
  const box = document.createElement("div");
  box.className = "highlight book-typed";
  const ink = document.createElement("div");
  ink.className = "book-ink";
  ink.ariaHidden = "true";
  const area = document.createElement("textarea");
  Object.assign(area, { spellcheck: false, autocapitalize: "off", autocomplete: "off", wrap: "soft" });
  area.ariaLabel = `Code of block ${number + 1}. Tab indents; Escape, then Tab leaves; Shift and Enter runs.`;
  const kept = saved()[number];
  area.value = kept?.printed === printedCode(number) ? kept.code : printedCode(number);
  const draw = () => colour(ink, area.value);
  area.addEventListener("input", () => {
    draw();
    save(number, area.value === printedCode(number) ? null : area.value);
  });
  area.addEventListener("keydown", event => keys(event, area, bar));
  box.append(ink, area);
  block.hidden = true;
  block.after(box);
  block.closest(".book-fold")?.setAttribute("open", "");
  bar.editor = area;
  bar.box = box;
  draw();
  busy(bar, false);
  return area;
}

function keys(event, area, bar) {
  if (event.key === "Escape") {
    bar.querySelector("button:not([hidden])").focus();
  } else if (event.key === "Enter" && (event.shiftKey || event.ctrlKey)) {
    event.preventDefault();
    bar.querySelector("button[data-first]").click();
  } else if (event.key === "Enter") {
    const line = area.value.slice(0, area.selectionStart).split("\n").pop();
    event.preventDefault();
    type(`\n${line.match(/^ */)[0]}${/:\s*(#.*)?$/.test(line) ? "    " : ""}`);
  } else if (event.key === "Tab") {
    event.preventDefault();
    indent(area, event.shiftKey);
  }
}

const type = text => document.execCommand("insertText", false, text); // keeps the browser's undo

function indent(area, back) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  if (from === to && !back) return type(" ".repeat(4 - (from - value.lastIndexOf("\n", from - 1) - 1) % 4));
  const first = value.lastIndexOf("\n", from - 1) + 1;
  const rows = value.slice(first, to).split("\n");
  area.setSelectionRange(first, to);
  const text = rows.map(row => (back ? row.replace(/^ {1,4}/, "") : row && `    ${row}`)).join("\n");
  type(text);
  area.setSelectionRange(from === to ? area.selectionEnd : first, area.selectionEnd);
}

function reset(bar, number) {
  save(number, null);
  bar.box?.remove();
  bar.editor = bar.box = null;
  codes()[number].hidden = false;
  bar.own?.remove();
  bar.own = null;
  if (bar.printed) bar.printed.hidden = false;
  say(bar, "");
  busy(bar, false);
  bar.querySelector("button").focus();
}

// What was written here before is there again.
export function restore() {
  for (const [number, kept] of Object.entries(saved())) {
    const bar = barOf(number);
    if (bar && kept.printed === printedCode(number)) edit(bar, Number(number));
  }
}

// --- Outputs: in the place and the look of the printed ones ---------------------------------------------------------------

class Output {
  constructor(bar) {
    bar.own?.remove();
    const next = bar.nextElementSibling;
    bar.printed = next?.matches(".book-output:not(.book-own)") ? next : null;
    if (bar.printed) bar.printed.hidden = true;
    this.printed = bar.printed;
    this.box = bar.own = document.createElement("section");
    this.box.className = "book-output book-own";
    bar.after(this.box);
    this.text = "";
  }

  print(pieces) {
    for (const { kind, text } of pieces) {
      if (this.last?.dataset.kind !== kind) this.add(kind);
      this.last.append(text);
    }
  }

  add(kind, text = "") {
    this.last = document.createElement("pre");
    this.last.className = `book-${kind === "stderr" ? "warning" : kind}`;
    Object.assign(this.last, { tabIndex: 0, role: "group", ariaLabel: { stderr: "Warning", error: "Error" }[kind] ?? "Output" });
    this.last.dataset.kind = kind;
    this.last.append(text);
    this.box.append(this.last);
  }

  finish({ result = null, error = "", trace = "", figures = [] }) {
    if (result !== null) this.add("result", result);
    if (error) {
      this.add("error", this.printed?.querySelector(".book-error") ? error : trace);
    }
    const film = this.printed?.querySelector(".book-film")?.dataset.knobs;
    const frames = film ? this.cut(figures) : null;
    for (const pre of this.box.querySelectorAll("pre")) {
      pre.textContent = pre.textContent.replace(/[^\n]*\r(?!\n)/g, "").trimEnd();
      if (!pre.textContent) pre.remove();
    }
    if (frames?.length > 1) this.film(film, frames);
    else this.box.append(...figures.map(draw));
  }

  // Frames are cut as in frames.py: a figure is one, and so is a text below a line of three dashes and a title.
  cut(figures) {
    const texts = [];
    for (const pre of this.box.querySelectorAll("pre[data-kind=stdout]")) {
      const [first, ...more] = pre.textContent.split(/^--- +(\S.*?) *$/m);
      for (let at = 0; at < more.length; at += 2) texts.push({ title: more[at], text: more[at + 1].replace(/^\n+|\n+$/g, "") });
      pre.textContent = first;
    }
    if (!texts.length) return figures.map(figure => ({ title: figure.alt, figure }));
    return texts.map((frame, at) => ({ ...frame, figure: figures[at] }));
  }

  film(knobs, frames) {
    const film = document.createElement("div");
    film.className = "book-film";
    const known = JSON.parse(knobs);
    const fits = known.reduce((product, [, values]) => product * values.length, 1) === frames.length;
    film.dataset.knobs = fits && known.length > 1 ? knobs : JSON.stringify([[known.map(([name]) => name).join(", "), frames.map(({ title }) => title)]]);
    for (const { title, text, figure } of frames) {
      const frame = document.createElement("div");
      frame.className = "book-frame";
      const head = document.createElement("p");
      head.className = "book-frame-title";
      head.textContent = title;
      frame.append(head);
      if (figure) frame.append(draw(figure));
      if (text) {
        const pre = document.createElement("pre");
        pre.className = "book-stdout";
        pre.textContent = text;
        frame.append(pre);
      }
      film.append(frame);
    }
    this.box.append(film);
    document.dispatchEvent(new CustomEvent("book-film"));
  }

  // How what came out compares with what is printed.
  compare() {
    const texts = box => [...(box?.querySelectorAll("pre") ?? [])].map(pre => pre.textContent.trim()).filter(Boolean).join("\n");
    const [mine, theirs] = [texts(this.box), texts(this.printed)];
    if (mine === theirs) return SAME;
    const words = text => text.replace(NUMBER, "#").replace(/\s+/g, " ");
    if (words(mine) !== words(theirs)) return "not as printed";
    return near(mine, theirs) ? `${SAME}, but for rounding` : "other numbers than printed, for a browser rounds differently";
  }
}

const SAME = "as printed";
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi;

// Numbers that agree in three digits, or are rounding noise.
function near(mine, theirs) {
  const [a, b] = [mine, theirs].map(text => text.match(NUMBER).map(Number));
  const size = n => Math.max(Math.abs(a[n]), Math.abs(b[n]));
  return a.every((x, n) => Math.abs(x - b[n]) <= 1e-3 * size(n) || size(n) < 1e-6);
}

function draw(figure) {
  const frame = document.createElement("figure");
  frame.className = "book-figure";
  for (const ink of ["light", "dark"]) {
    const image = document.createElement("img");
    const data = figure.format === "svg" ? `svg+xml;charset=utf-8,${encodeURIComponent(figure[ink])}` : `webp;base64,${figure[ink]}`;
    image.src = `data:image/${data}#only-${ink}`;
    Object.assign(image, { alt: `${figure.alt}. ${figure.desc}`, width: figure.width, height: figure.height });
    frame.append(image);
  }
  return frame;
}
