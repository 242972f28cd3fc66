// What HTML alone cannot say: Material builds or sizes these elements at run time.
"use strict";

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
    for (const box of root.querySelectorAll(".md-typeset__scrollwrap, .arithmatex, .book-output > :not(figure)")) {
      if (seen.has(box)) continue;
      seen.add(box);
      box.setAttribute("role", "group");
      if (!box.ariaLabel) box.ariaLabel = "Table";
      sizes.observe(box);
      stop(box);
    }
    for (const bar of root.querySelectorAll("nav.md-code__nav:not([aria-label])")) bar.ariaLabel = `Code block ${++blocks}`;
  };
  new MutationObserver(mend).observe(root, { childList: true, subtree: true });
  mend();
});
