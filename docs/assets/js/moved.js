// On a page that stands where another one was: on to the new place, and from an old anchor to where that is now.
"use strict";

(() => {
  const { to, anchors } = document.currentScript.dataset;
  const anchor = location.hash.slice(1);
  const known = new Map(Object.entries(JSON.parse(anchors))).get(anchor);
  location.replace(known ?? (anchor ? to.split("#")[0] + location.hash : to));
})();
