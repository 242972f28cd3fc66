// One Python for a visit, in a worker: it loads what a program needs from this site, runs blocks and checks answers.
const MOST = 200_000; // characters that one run may print

let base, sizes, py, driver;
let current = 0; // the run that prints
let muted = true; // blocks before the one that is shown
let printed = 0;
let waiting = []; // printed, not yet told
let told = 0; // when
const packages = new Set();

const post = message => postMessage({ id: current, ...message });

// Bytes are counted as they come, and told: nothing loads in silence.
const plainFetch = self.fetch;
let loaded = 0;
let total = 0;
let what = "";

self.fetch = async (address, ...rest) => {
  const answer = await plainFetch(address, ...rest);
  if (!answer.ok) throw new Error(`${String(address).split("/").pop()} could not be loaded (${answer.status})`);
  if (!answer.body) return answer;
  const count = new TransformStream({
    transform(chunk, next) {
      loaded += chunk.length;
      progress();
      next.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = answer;
  return new Response(answer.body.pipeThrough(count), { status, statusText, headers });
};

const mega = bytes => (bytes / 1e6).toFixed(1);

function progress() {
  if (performance.now() - told < 100) return;
  told = performance.now();
  post({ status: `Loading ${what}: ${mega(Math.min(loaded, total))} of ${mega(total)} MB` });
}

function begin(name, files) {
  what = name;
  loaded = 0;
  total = files.reduce((sum, file) => sum + (sizes[file] ?? 0), 0);
  told = 0;
  progress();
}

async function unpack(file) {
  const answer = await fetch(base + file);
  py.unpackArchive(await answer.arrayBuffer(), "zip", { extractDir: "/book" });
}

// Pyodide goes on without a package that did not come.
function require(name) {
  if (!(name in py.loadedPackages)) throw new Error(`${name} could not be loaded`);
}

async function start(folder) {
  base = folder;
  sizes = await (await plainFetch(`${base}sizes.json`)).json();
  const files = Object.keys(sizes);
  const wheel = files.find(file => file.startsWith("numpy-"));
  begin("Python and NumPy", ["pyodide.asm.wasm", "python_stdlib.zip", wheel, "book.zip", "pyodide-lock.json"]);
  const { loadPyodide } = await import(`${base}pyodide.mjs`);
  const env = { PYTHONHASHSEED: "0", PYTHONDONTWRITEBYTECODE: "1", HOME: "/home/pyodide" };
  py = await loadPyodide({ indexURL: base, packages: ["numpy"], env, stdout() {}, stderr() {} });
  require("numpy");
  await unpack("book.zip");
  post({ status: "Starting Python" });
  py.setStdout(writer("stdout"));
  py.setStderr(writer("stderr"));
  py.runPython("import sys; sys.path.insert(0, '/book')");
  driver = py.pyimport("bookbinder.in_page");
  driver.enter();
}

// What a program needs besides NumPy, by what it says.
async function provide(code) {
  if (/matplotlib|\bplot\b/.test(code) && !packages.has("matplotlib")) {
    const files = Object.keys(sizes).filter(file => file.endsWith(".whl") && !file.startsWith("numpy-"));
    begin("matplotlib", files);
    await py.loadPackage("matplotlib", { messageCallback() {}, errorCallback() {} });
    require("matplotlib");
    packages.add("matplotlib");
    post({ status: "Starting matplotlib" });
  }
  if (/\bdata(sets)?\b/.test(code) && !packages.has("data")) {
    begin("the book's data", ["data.zip"]);
    await unpack("data.zip");
    py.runPython("import importlib; importlib.invalidate_caches()");
    packages.add("data");
  }
}

function writer(kind) {
  const decoder = new TextDecoder();
  return {
    write(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      if (muted || printed > MOST) return bytes.length;
      printed += text.length;
      const last = waiting.at(-1);
      if (last?.kind === kind) last.text += text;
      else waiting.push({ kind, text });
      const full = printed > MOST;
      if (full) waiting.push({ kind: "stderr", text: `More than ${MOST} characters were printed: the rest is not shown.` });
      if (full || printed < 2000 || performance.now() - told > 50) flush();
      return bytes.length;
    },
  };
}

function flush() {
  if (waiting.length) post({ printed: waiting });
  waiting = [];
  told = performance.now();
}

const tell = (number, left) => {
  muted = left > 0;
  post({ status: left ? `Running block ${number + 1}, which this one needs` : "Running" });
};

onmessage = async ({ data }) => {
  current = data.id;
  printed = 0;
  muted = true;
  try {
    if (!py) await start(data.base);
    await provide(JSON.stringify([data.blocks.filter(([, , whole]) => whole), data.parts]));
    const blocks = py.toPy(data.blocks);
    const said = data.parts
      ? driver.check(data.page, blocks, py.toPy(data.parts), py.toPy(data.names), tell)
      : driver.run(data.page, blocks, tell);
    flush();
    post({ done: JSON.parse(said) });
  } catch (error) {
    flush();
    post({ fatal: String(error.message ?? error) });
  }
};
