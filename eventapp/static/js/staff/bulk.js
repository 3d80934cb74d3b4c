// What the desk's operations answer comes as a dialog into #bulk. Closed, it goes away, and with it the asking how far it is.
function open() {
  for (const dialog of document.querySelectorAll("[data-bulk-dialog]:not([open])")) {
    dialog.addEventListener("close", () => close(dialog), { once: true });
    dialog.showModal();
  }
}

// While the minute runs the button to undo stays in sight; there it posts plainly, and leads to the operation's page.
function close(dialog) {
  const undo = dialog.querySelector("form[data-until]")?.cloneNode(true);
  const title = dialog.querySelector("#bulk-title")?.textContent ?? "";
  document.getElementById("bulk")?.replaceChildren();
  document.querySelector(".undo-floating")?.remove();
  if (!undo) return;
  for (const { name } of [...undo.attributes]) if (name.startsWith("hx-")) undo.removeAttribute(name);
  undo.classList.add("undo-floating");
  undo.prepend(title);
  document.body.append(undo);
}

document.addEventListener("click", (event) => {
  const dialog = event.target.closest("[data-bulk-close]")?.closest("dialog[open]");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
});

// A file comes beside the page, which stays: the dialog has done its part.
document.addEventListener("submit", (event) => {
  const dialog = event.target.closest("dialog[data-bulk-dialog]");
  if (dialog && !event.target.hasAttribute("hx-post")) setTimeout(() => dialog.close());
});

open();
new MutationObserver(open).observe(document.getElementById("main") ?? document.body, { childList: true, subtree: true });
