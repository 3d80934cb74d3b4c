// The desk after htmx has swapped it: the form of filters, the links that follow the address, the panel and the scroll stay in step.
const own = (name) => !["page", "open", "lang", "theme"].includes(name);
let before = location.search;

function follow(form, params) {
  const fields = [...form.elements].filter((field) => field.name && field.dataset.kept === undefined);
  const names = new Set(fields.map((field) => field.name));
  for (const field of fields) {
    const values = params.getAll(field.name);
    if (field.type === "checkbox") { if (form.id === "filters") field.checked = values.includes(field.value); }
    else if (field.type === "radio") continue;
    else if (field !== document.activeElement) field.value = values[0] ?? "";
  }
  for (const field of form.querySelectorAll("[data-kept]")) field.remove();
  for (const [name, value] of params) {
    if (names.has(name) || !value || !own(name)) continue;
    const kept = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    kept.dataset.kept = "";
    form.append(kept);
  }
}

function inStep() {
  const params = new URLSearchParams(location.search);
  for (const id of ["filters", "columns"]) {
    const form = document.getElementById(id);
    if (form) follow(form, params);
  }
  const kept = new URLSearchParams([...params].filter(([name, value]) => own(name) && value));
  for (const link of document.querySelectorAll("[data-follows]")) link.href = `${link.dataset.follows}?${kept}`;
  document.querySelector(".desk")?.classList.toggle("desk-compact", params.get("density") === "compact");
  const panel = document.getElementById("panel");
  if (panel && !params.has("open") && !panel.hidden) {
    panel.hidden = true;
    panel.replaceChildren();
  }
  markOpen();
}

function markOpen() {
  const open = new URLSearchParams(location.search).get("open");
  for (const row of document.querySelectorAll("#desk [data-registration]")) {
    if (row.dataset.registration === open) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

// Another page, filter or order begins at its top; the same one anew stays where it was.
function scrollUp() {
  const same = (search) => new URLSearchParams([...new URLSearchParams(search)].filter(([name]) => name !== "open")).toString();
  if (same(before) !== same(location.search)) document.querySelector(".desk-frame")?.scrollTo({ top: 0 });
  before = location.search;
}

if (document.querySelector("[data-desk]")) {
  document.addEventListener("htmx:after:settle", () => {
    inStep();
    scrollUp();
  });
  markOpen();
}

// Typing asks by itself; leaving the field for a link would ask once more, and the later answer would win over the link's.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-desk] #q")) event.stopPropagation();
}, true);

// The cross of the panel closes it here; the address forgets it without a request.
document.addEventListener("click", (event) => {
  const close = event.target.closest('#panel [data-panel="close"]');
  if (!close || !document.querySelector("[data-desk]") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const address = new URL(location.href);
  const number = address.searchParams.get("open");
  address.searchParams.delete("open");
  history.pushState({ htmx: true }, "", address);
  inStep();
  before = location.search;
  document.querySelector(`#desk [data-registration="${CSS.escape(number ?? "")}"] [data-open]`)?.focus();
});

// To a neighbour: the table's own link does it, so that the address and the mark come along.
document.addEventListener("click", (event) => {
  const step = event.target.closest('#panel [data-panel="previous"], #panel [data-panel="next"]');
  if (!step || !document.querySelector("[data-desk]") || event.ctrlKey || event.metaKey) return;
  const number = new URL(step.href).searchParams.get("open");
  const link = document.querySelector(`#desk [data-registration="${CSS.escape(number ?? "")}"] [data-open]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
