// What the desk's operations answer comes as a dialog into #bulk. Closed, it goes away, and with it the asking how far it is.
function open() {
  for (const dialog of document.querySelectorAll("[data-bulk-dialog]:not([open])")) {
    dialog.addEventListener("close", () => document.getElementById("bulk")?.replaceChildren(), { once: true });
    dialog.showModal();
  }
}

document.addEventListener("click", (event) => {
  const dialog = event.target.closest("[data-bulk-close]")?.closest("dialog[open]");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
});

open();
new MutationObserver(open).observe(document.getElementById("main") ?? document.body, { childList: true, subtree: true });
