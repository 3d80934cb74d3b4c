// The desk by keyboard. Nothing is taken from somebody who is typing.
const desk = document.querySelector("[data-desk]");
const rows = () => [...document.querySelectorAll("#desk tbody tr[data-registration]")];
const typing = (element) => element.closest?.("textarea, select, dialog, [contenteditable], [popover]:popover-open, details[open] .menu-list") ||
  (element.matches?.("input") && !["checkbox", "radio"].includes(element.type));
const here = () => document.querySelector("#desk tr.is-here") ?? document.activeElement?.closest?.("#desk tbody tr") ?? document.querySelector("#desk tr[aria-current]");

function go(step) {
  const all = rows();
  if (!all.length) return;
  const place = all.indexOf(here());
  const row = all[place < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(place + step, 0), all.length - 1)];
  for (const other of all) other.classList.toggle("is-here", other === row);
  const link = row.querySelector("[data-open]");
  link.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  if (!document.getElementById("panel")?.hidden) link.click();
}

const press = (selector) => document.querySelector(selector)?.click();

const KEYS = {
  j: () => go(1), ArrowDown: () => go(1), k: () => go(-1), ArrowUp: () => go(-1),
  o: () => here()?.querySelector("[data-open]").click(),
  x: () => here()?.dispatchEvent(new CustomEvent("desk:tick", { bubbles: true, detail: { range: false } })),
  X: () => here()?.dispatchEvent(new CustomEvent("desk:tick", { bubbles: true, detail: { range: true } })),
  e: () => (document.activeElement.closest("#desk .cell")?.querySelector(".cell-edit") ?? here()?.querySelector(".cell-edit"))?.click(),
  n: () => press('#desk [rel="next"]'), p: () => press('#desk [rel="prev"]'),
  "?": () => document.getElementById("desk-help")?.showModal(),
  "/": () => document.getElementById("q")?.select(),
  a: () => {
    const row = here();
    if (row && !document.querySelector('#desk input[name="ids"]:checked')) KEYS.x();
    press('#desk [data-action="approve"]');
  },
  Escape: () => {
    if (!document.getElementById("panel")?.hidden) return press('#panel [data-panel="close"]');
    press("[data-untick]");
  },
};

if (desk) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.id === "q" && event.key === "Escape") return event.target.blur();
    if (typing(event.target) || document.querySelector("dialog[open]") || !KEYS[event.key]) return;
    if (event.key.startsWith("Arrow") && !event.target.closest("#desk tbody, body:not(:has(:focus))") && !here()) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("#desk tbody tr");
    if (row) for (const other of rows()) other.classList.toggle("is-here", other === row);
  });
}
