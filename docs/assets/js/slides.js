// A chapter as slides: each heading begins one, and what stands behind a comment `slide` is on it.
// Nothing is written twice: the slides hold copies of the page's own elements.
"use strict";

const copy = element => {
  const twin = element.cloneNode(true);
  for (const part of [twin, ...twin.querySelectorAll("[id], [tabindex], .headerlink, .md-code__nav, [loading]")]) {
    if (part.matches(".headerlink, .md-code__nav")) part.remove();
    part.removeAttribute("id");
    part.removeAttribute("tabindex");
    part.removeAttribute("hidden"); // code that is being edited
    part.removeAttribute("loading"); // printing does not wait for what is not in view
  }
  for (const film of twin.querySelectorAll(".book-film")) { // a copy has no ears: it gets sliders of its own
    film.querySelector(".book-play").remove();
    play(film);
  }
  for (const box of [twin, ...twin.querySelectorAll(".book-predict")]) if (box.matches(".book-predict")) ask(box);
  return twin;
};

// The next element behind a comment, and the output below it if it is a block.
const marked = comment => {
  let element = comment.nextSibling;
  while (element && element.nodeType !== Node.ELEMENT_NODE) element = element.nextSibling;
  if (!element) return [];
  const next = element.nextElementSibling;
  const output = next?.matches(".book-run") ? next.nextElementSibling : next;
  const below = element.matches(".highlight, .book-fold") && output?.matches(".book-output") ? output : null;
  if (/slide:\s*output/.test(comment.data)) return below ? [below] : element.matches(".book-output") ? [element] : [];
  return below ? [element, below] : [element];
};

// What one comment marks stays together as long as there is room.
const part = elements => elements.map((element, at) => {
  const twin = copy(element);
  if (at === 0) twin.dataset.part = "";
  return twin;
});

const cut = article => {
  const slides = [];
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_COMMENT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.nodeType === Node.COMMENT_NODE) {
      if (/^\s*slide\b/.test(node.data)) slides.at(-1)?.append(...part(marked(node)));
    } else if (node.matches("h1, h2, h3")) {
      const slide = document.createElement("section");
      slide.className = `book-slide md-typeset book-slide--${node.localName}`;
      slide.append(copy(node));
      slides.push(slide);
    }
  }
  const goals = article.querySelector(".book-objectives");
  if (goals) slides[0].querySelector("h1").after(copy(goals));
  return slides.filter((slide, at) => at === 0 || slide.children.length > 1);
};

// Whether the slide needs no scrolling in type that the last row reads, its answers open.
const roomy = slide => {
  const closed = [...slide.querySelectorAll(".book-waits:not(.book-open)")];
  closed.forEach(answer => answer.classList.add("book-open"));
  slide.classList.add("book-slide--shown");
  slide.style.fontSize = "75%";
  const fits = slide.scrollHeight <= slide.clientHeight && slide.scrollWidth <= slide.clientWidth;
  slide.classList.remove("book-slide--shown");
  closed.forEach(answer => answer.classList.remove("book-open"));
  return fits;
};

// A full slide goes on under the same heading; what opens a chapter stands behind its title.
const divide = slide => {
  const parts = [...slide.children].filter((child, at) => at > 0 && !child.matches(".book-objectives"));
  const title = slide.firstElementChild.localName === "h1";
  parts.forEach(element => element.remove());
  const sheets = [slide];
  const turn = () => {
    const heading = document.createElement(title ? "h2" : slide.firstElementChild.localName);
    heading.append(...copy(slide.firstElementChild).childNodes);
    const sheet = document.createElement("section");
    sheet.className = `book-slide md-typeset book-slide--${heading.localName}`;
    sheet.append(heading);
    sheets.at(-1).after(sheet);
    sheets.push(sheet);
  };
  const groups = [];
  for (const element of parts) {
    if ("part" in element.dataset) groups.push([]);
    groups.at(-1).push(element);
  }
  for (const group of groups) {
    if (title && sheets.length === 1) turn();
    sheets.at(-1).append(...group);
    if (sheets.at(-1).children.length > group.length + 1 && !roomy(sheets.at(-1))) {
      turn();
      sheets.at(-1).append(...group);
    }
    if (group.length > 1 && !roomy(sheets.at(-1))) { // a block and its output
      turn();
      sheets.at(-1).append(...group.slice(1));
    }
  }
  for (const sheet of sheets) { // the question is on another slide, or on none: its answer need not wait
    if (sheet.querySelector(".book-predict")) continue;
    sheet.querySelectorAll(".book-waits").forEach(answer => answer.classList.add("book-open"));
  }
  return sheets;
};

// The largest type, up to its natural size, at which the slide needs no scrolling.
const fit = slide => {
  for (let size = 100; size >= 40; size -= 5) {
    slide.style.fontSize = `${size}%`;
    if (slide.scrollHeight <= slide.clientHeight && slide.scrollWidth <= slide.clientWidth) return;
  }
};

const button = (name, label, press) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.ariaLabel = made.title = name;
  made.addEventListener("click", press);
  return made;
};

// The address tells the slide; that of a page on the disk may not change.
const note = address => location.protocol === "file:" || history.replaceState(history.state, "", address);

/** Shows the page as slides until Escape; `opener` gets the focus back. */
function showSlides(opener) {
  if (document.querySelector(".book-deck")) return;
  let slides = cut(document.querySelector("article"));
  const deck = document.createElement("div");
  deck.className = "book-deck";
  deck.role = "dialog";
  deck.ariaModal = "true";
  deck.ariaLabel = `Slides: ${slides[0].querySelector("h1").textContent.trim()}`;
  deck.tabIndex = -1;
  const place = document.createElement("output");
  let at = Number(new URLSearchParams(location.search).get("present")) - 1;
  const show = to => {
    at = Math.min(Math.max(to, 0), slides.length - 1);
    slides.forEach((slide, n) => slide.classList.toggle("book-slide--shown", n === at));
    fit(slides[at]);
    place.textContent = `${at + 1} / ${slides.length}`;
    note(`?present=${at + 1}`);
  };
  // What answers a question is opened before the next slide is shown.
  const forward = () => {
    const closed = [...slides[at].querySelectorAll(".book-waits:not(.book-open)")];
    closed.forEach(part => part.classList.add("book-open"));
    show(closed.length ? at : at + 1);
  };
  const others = [...document.body.children].filter(child => !child.inert);
  const close = () => {
    deck.remove();
    others.forEach(child => { child.inert = false; });
    document.documentElement.classList.remove("book-presenting");
    removeEventListener("keydown", press, true);
    removeEventListener("resize", again);
    removeEventListener("popstate", close);
    note(location.pathname);
    opener?.focus();
  };
  const keys = {
    ArrowRight: forward, ArrowDown: forward, PageDown: forward, " ": forward,
    ArrowLeft: () => show(at - 1), ArrowUp: () => show(at - 1), PageUp: () => show(at - 1),
    Home: () => show(0), End: () => show(slides.length - 1), Escape: close,
  };
  const press = event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (event.key === " " && event.target.matches("button, summary")) return; // it presses the button
    if (event.key.startsWith("Arrow") && event.target.matches("input")) return; // it moves the slider
    event.preventDefault();
    event.stopPropagation(); // Material's own keys
    keys[event.key]();
  };
  const again = () => fit(slides[at]);
  const bar = document.createElement("div");
  bar.className = "book-deck-bar";
  bar.append(button("Previous slide", "←", () => show(at - 1)), place, button("Next slide", "→", forward),
    button("Print the slides", "Print", () => print()), button("Close the slides", "Close", close));
  deck.append(...slides, bar);
  others.forEach(child => { child.inert = true; });
  document.body.append(deck);
  document.documentElement.classList.add("book-presenting");
  addEventListener("keydown", press, true);
  deck.addEventListener("click", again); // a choice shows its reason
  addEventListener("resize", again);
  addEventListener("popstate", close); // back leads to another page
  slides = slides.flatMap(divide);
  show(at);
  deck.focus();
}
