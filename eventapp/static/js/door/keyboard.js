// A USB scanner is a keyboard that types a code within a blink and presses Enter, or Tab. Its codes are taken wherever the focus
// is; what a person types stays where they typed it.

const SLOWEST = 150; // milliseconds between two keys, for a phone that is busy; nobody types forty letters that fast
const SHORTEST = 40; // letters; a ticket has more than a hundred

export function listen(onCode) {
  let typed = "", last = 0, before = null;
  document.addEventListener("keydown", (event) => {
    const burst = event.timeStamp - last <= SLOWEST;
    last = event.timeStamp;
    if (event.key === "Enter" || event.key === "Tab") {
      if (burst && typed.length >= SHORTEST) {
        event.preventDefault();
        event.stopPropagation();
        if (before) restore(before);
        onCode(typed);
      }
      typed = "";
      return;
    }
    const letter = event.ctrlKey || event.metaKey || event.altKey ? "" : key(event);
    if (!burst) {
      typed = "";
      const field = event.target.closest?.("input, textarea");
      before = field ? { field, value: field.value } : null;
    }
    typed += letter;
  }, true);
}

// The code leaves no trace in what was being typed.
function restore({ field, value }) {
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// By the place on the keyboard: with the Korean layout or Caps Lock on, `key` is something else than what was scanned.
function key(event) {
  const [, place] = /^(?:Key|Digit)(.)$/.exec(event.code) ?? [];
  return place ?? (event.key.length === 1 ? event.key.toUpperCase() : "");
}
