// A cell is written in where it stands: Enter saves, Escape leaves it as it was, Tab saves and goes on to the next.
let onwards = null;
const writing = () => document.querySelector("#desk .cell-form");

function write(link) {
  const open = writing();
  if (open) return open.querySelector("input:not([type=hidden]), textarea, select")?.focus();
  htmx.ajax("GET", link.href, { target: link.closest(".cell"), swap: "outerHTML", source: link.closest(".cell") });
}

function neighbour(cell, step) {
  const links = [...document.querySelectorAll("#desk .cell-edit")];
  const place = links.findIndex((link) => link.closest(".cell") === cell);
  return links[place + step];
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#desk .cell-edit");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  write(link);
});

document.addEventListener("dblclick", (event) => {
  const link = event.target.closest("#desk .is-writable")?.querySelector(".cell-edit");
  if (!link || event.target.closest("a:not(.cell-edit), input")) return;
  getSelection()?.removeAllRanges();
  write(link);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.(".cell-form");
  if (!form || event.isComposing) return;
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    onwards = { cell: form.closest("tr").id, key: form.closest(".cell").dataset.key, step: 0 };
    form.querySelector("[data-leave]").click();
  } else if (event.key === "Tab" && !event.target.matches("button, a")) {
    event.preventDefault();
    onwards = { cell: form.closest("tr").id, key: form.closest(".cell").dataset.key, step: event.shiftKey ? -1 : 1 };
    form.requestSubmit();
  } else if (event.key === "Enter" && !event.shiftKey && event.target.matches("textarea, select, input[type=radio], input[type=checkbox]")) {
    event.preventDefault();
    form.requestSubmit();
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest?.(".cell-form");
  if (form && !onwards) onwards = { cell: form.closest("tr").id, key: form.closest(".cell").dataset.key, step: 0 };
}, true);

document.addEventListener("htmx:after:settle", () => {
  const form = writing();
  if (form) {
    onwards = null;
    const field = form.querySelector("input:not([type=hidden]):checked, input:not([type=hidden]), textarea, select");
    if (!form.contains(document.activeElement)) {
      field?.focus();
      if (field?.matches("input:not([type=radio]):not([type=checkbox])")) field.select();
      form.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    return;
  }
  if (!onwards) return;
  const cell = document.querySelector(`#${CSS.escape(onwards.cell)} [data-key="${CSS.escape(onwards.key)}"]`);
  const { step } = onwards;
  onwards = null;
  if (!cell) return;
  const next = step && neighbour(cell, step);
  if (next) write(next);
  else cell.querySelector(".cell-edit")?.focus();
});
