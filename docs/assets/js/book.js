// What HTML alone cannot say: Material builds or sizes these elements at run time.
"use strict";

// Below 1220 px the menu button is a label that no key reaches, and the closed drawer keeps its links in the tab order.
(() => {
  const box = document.getElementById("__drawer");
  const label = document.querySelector(".md-header label[for=__drawer]");
  if (!box || !label) return;
  const narrow = matchMedia("(max-width: 76.234375em)");
  const drawer = () => document.querySelector(".md-sidebar--primary");

  const button = document.createElement("button"); // inside the label, which may not have the role of a button
  button.type = "button";
  button.className = "book-drawer-button";
  button.setAttribute("aria-label", "Menu");
  button.append(...label.childNodes);
  label.append(button);

  const tell = () => {
    button.setAttribute("aria-expanded", String(box.checked));
    const side = drawer();
    if (side) side.inert = narrow.matches && !box.checked;
  };
  const set = open => {
    if (box.checked !== open) box.click();
    tell();
  };
  button.addEventListener("click", event => {
    event.preventDefault(); // else the label toggles the box once more
    set(!box.checked);
    const byKey = event.detail === 0;
    if (box.checked && byKey) drawer()?.querySelector("a")?.focus({ preventScroll: true });
  });
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
