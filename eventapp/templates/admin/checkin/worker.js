{#- The door's service worker: the page and what it is made of, for a reload without a network. Nothing else is kept.
    Static addresses carry the hash of what they name, so one cache serves every version: a deploy adds what is new, then
    drops what it replaced. `page`: the door's address as the browser has it. -#}
const PAGE = {{ page|tojson }};
const FILES = {{ static_files("css/app.css", "css/door.css", "js/app.js", "js/door/", "vendor/zxing/", "vendor/noble/",
                              "vendor/lucide/icons.svg", "img/icon.svg")|tojson }};
const STATIC = {{ url_for("static", filename="")|tojson }};
const CACHE = `door ${PAGE} 1`;
const PATIENCE = 4000; // milliseconds: a network that takes longer for the page is none

addEventListener("install", (event) => event.waitUntil(prepare().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(tidy().then(() => clients.claim())));
addEventListener("message", (event) => event.waitUntil(keep(event.data.keep ?? [])));
addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== location.origin) return;
  if (request.mode === "navigate" && address.pathname === PAGE) event.respondWith(door(event));
  else if (address.pathname.startsWith(STATIC)) event.respondWith(file(request));
});

async function prepare() {
  const cache = await caches.open(CACHE);
  const missing = [];
  for (const address of FILES) if (!(await cache.match(address))) missing.push(address);
  await cache.addAll(missing);
  await keepPage(cache);
}

// Asked for as such, so that the server leaves out who was let in last: what is kept in the clear must name nobody.
async function keepPage(cache) {
  const page = await fetch(PAGE, { redirect: "manual", cache: "no-store", headers: { "X-Door-Shell": "1" } });
  if (page.ok) await cache.put(PAGE, page);
}

// What an earlier version was made of; fonts and pictures keep their addresses for ever.
async function tidy() {
  const cache = await caches.open(CACHE);
  const current = new Map(FILES.map((address) => [address.split("?")[0], address]));
  for (const request of await cache.keys()) {
    const { pathname, search } = new URL(request.url);
    if (current.has(pathname) && current.get(pathname) !== pathname + search) await cache.delete(request);
  }
}

async function keep(addresses) {
  const cache = await caches.open(CACHE);
  for (const address of addresses) {
    const { origin, pathname, searchParams } = new URL(address);
    const lasting = origin === location.origin && pathname.startsWith(STATIC) && searchParams.has("v");
    if (lasting && !(await cache.match(address))) await cache.add(address).catch(() => {});
  }
}

// Letters of a name that nobody had yet bring a part of the font: it is kept from then on.
async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && request.url.includes("?v=")) await cache.put(request, answer.clone());
  return answer;
}

// The network's page when it comes in time, otherwise the kept one. A page that sends us away ends what was kept: whoever
// is signed out must not find it in the air.
async function door(event) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(PAGE);
  const network = fetch(event.request).then(async (page) => {
    if (page.ok) event.waitUntil(keepPage(cache).catch(() => {}));
    else if (page.type === "opaqueredirect" || page.status < 500) {
      if (await isSentAway()) await forget(cache);
      else if (kept) return kept;
    }
    return page;
  });
  event.waitUntil(network.catch(() => {}));
  if (!kept) return network;
  const late = new Promise((done) => setTimeout(done, PATIENCE, kept));
  return Promise.race([network.then((page) => (page.status >= 500 ? kept : page)), late]).catch(() => kept);
}

// By the server itself: whatever stands between may redirect as it likes.
async function isSentAway() {
  const answer = await fetch(`${PAGE}/live`, { redirect: "manual", cache: "no-store", headers: { Accept: "application/json", "X-Door": "1" } });
  const { error } = await answer.json().catch(() => ({}));
  return ["signed_out", "revoked", "403", "404"].includes(error);
}

// Of the names; scans that wait stay sealed until somebody signs in again.
function forget(cache) {
  return new Promise((done) => {
    const opening = indexedDB.open(`door ${PAGE}`);
    opening.onerror = done;
    opening.onupgradeneeded = () => opening.transaction.abort(); // there was none: make none
    opening.onsuccess = () => {
      const people = opening.result.transaction("kept", "readwrite");
      people.objectStore("kept").clear();
      people.oncomplete = people.onabort = () => { opening.result.close(); done(cache.delete(PAGE)); };
    };
  });
}
