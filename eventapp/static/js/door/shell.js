// The page without a network: a service worker that keeps it and what it is made of, and the phone's home screen.

export async function install(address) {
  navigator.storage?.persist?.(); // a full phone must not throw the waiting scans away
  const registration = await navigator.serviceWorker.register(`${address}/worker.js`, { scope: address }).catch(() => null);
  if (!registration) return; // private windows of some browsers have none; the door works, a reload without network does not
  const worker = (await navigator.serviceWorker.ready).active;
  // What came before the worker did (the fonts of these very words) is kept as well.
  worker.postMessage({ keep: performance.getEntriesByType("resource").map((one) => one.name) });
}

export async function uninstall(address) {
  const registration = await navigator.serviceWorker.getRegistration(address);
  await registration?.unregister();
  for (const name of await caches.keys()) if (name.startsWith(`door ${address} `)) await caches.delete(name);
}

// Browsers that can put a page on the home screen say so once; others have it in their own menu.
export function offerHomeScreen(button) {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    button.hidden = false;
    button.onclick = () => event.prompt().finally(() => (button.hidden = true));
  });
}
