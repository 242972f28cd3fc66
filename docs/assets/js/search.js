// The index of the search is fetched when somebody goes to the search, not with every first visit. This stands before the
// theme's script, which asks for the index as soon as it runs.
"use strict";

window.XMLHttpRequest = class extends XMLHttpRequest {
  open(method, address, ...more) {
    this.waits = String(address).endsWith("/search/search_index.json");
    super.open(method, address, ...more);
  }

  send(body) {
    const go = () => super.send(body);
    const search = document.getElementById("__search"); // ticked while the search is open
    if (this.waits && search && !search.checked) search.addEventListener("change", go, { once: true });
    else go();
  }
};
