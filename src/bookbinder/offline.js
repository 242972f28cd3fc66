// The search of a copy that is read from the disk, in place of search.js. There a browser starts no worker, so the theme's
// script for one runs in a hidden frame, which is made by the first search. The frame loads this script as well, and then
// the worker's.
"use strict";

if (window === parent) {
  const page = new URL("../../search/frame.html", document.currentScript.src);

  window.Worker = class extends EventTarget {
    waiting = [];

    constructor() {
      super();
      addEventListener("message", event => {
        if (this.frame && event.source === this.frame.contentWindow) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      addEventListener("change", event => event.target.id === "__search" && this.start()); // ticked while the search is open
    }

    start() {
      if (this.frame) return;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.src = page;
      this.frame.addEventListener("load", () => {
        for (const data of this.waiting.splice(0)) this.frame.contentWindow.postMessage(data, "*");
        this.ready = true;
      });
      document.body.append(this.frame);
    }

    postMessage(data) {
      if (this.ready) this.frame.contentWindow.postMessage(data, "*");
      else this.waiting.push(data);
    }
  };
} else {
  const above = parent;
  window.postMessage = data => above.postMessage(data, "*"); // what the worker's script answers
  window.parent = undefined; // the worker's script looks into it if there is one, and no file may look into another
}
