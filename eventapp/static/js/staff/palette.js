// Ctrl K (⌘ K) opens the search over any page; arrows walk through what it finds, Enter goes there, Escape closes it.
const dialog = document.querySelector("dialog[data-palette]");
const palette = document.querySelector("[data-palette]");

function open(event) {
  if (!dialog) return;
  event.preventDefault();
  if (dialog.open) return dialog.close();
  dialog.showModal();
  const input = dialog.querySelector("input");
  input.select();
  if (!dialog.querySelector("a")) input.dispatchEvent(new Event("palette-open"));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-palette-open]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) open(event);
});

document.addEventListener("keydown", (event) => {
  const apple = navigator.platform.startsWith("Mac");
  if (event.key.toLowerCase() === "k" && (apple ? event.metaKey : event.ctrlKey) && !event.shiftKey && !event.altKey) open(event);
});

// What the shown results were found for: what has been typed since is sent as a form, rather than leading to the wrong one.
const found = () => palette.querySelector("#palette_results").dataset.q;

palette?.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter ends a Korean syllable first
  const hits = [...palette.querySelectorAll(".palette-hit")];
  const here = hits.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && hits.length) {
    event.preventDefault();
    (hits[here + step] ?? (step < 0 ? palette.querySelector("input") : hits[0])).focus();
  } else if (event.key === "Enter" && event.target.matches("input") && hits.length && found() === event.target.value.trim()) {
    event.preventDefault();
    hits[0].click();
  } else if (here >= 0 && (event.key.length === 1 || event.key === "Backspace") && !event.ctrlKey && !event.metaKey && event.key !== " ") {
    palette.querySelector("input").focus(); // and the letter goes there
  }
});

for (const kbd of document.querySelectorAll("[data-palette-open] kbd")) {
  if (navigator.platform.startsWith("Mac")) kbd.textContent = "⌘ K";
}
