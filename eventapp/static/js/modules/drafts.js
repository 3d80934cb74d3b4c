// `<form data-draft="name">` keeps what is typed in this tab: a reload, Back, or a server that was away loses nothing.
// Secrets, files and hidden values are not kept; a form that comes back with mistakes has everything from the server.
const SENT = "draft-sent";
const kept = (field) => field.name && !["password", "file", "hidden", "submit"].includes(field.type);
const choice = (field) => ["checkbox", "radio"].includes(field.type);

function restore(form, draft) {
  for (const field of form.elements) {
    if (!kept(field) || !draft.has(field.name)) continue;
    const values = draft.get(field.name);
    if (choice(field)) field.checked = !field.disabled && values.includes(field.value);
    else if (!field.value || field.value === "0") field.value = values[0] ?? "";
  }
  // The total and the dependent questions follow, once htmx listens too: it starts by a timer of its own.
  const tell = () => form.dispatchEvent(new Event("change", { bubbles: true }));
  document.addEventListener("DOMContentLoaded", () => setTimeout(tell));
}

function write(form, key) {
  const draft = new Map();
  for (const field of form.elements) {
    if (!kept(field)) continue;
    const values = draft.get(field.name) ?? [];
    draft.set(field.name, choice(field) && !field.checked ? values : [...values, field.value]);
  }
  sessionStorage.setItem(key, JSON.stringify([...draft]));
}

for (const form of document.querySelectorAll("form[data-draft]")) {
  const key = `draft:${location.pathname}:${form.dataset.draft}`;
  const draft = sessionStorage.getItem(key);
  if (draft && !form.querySelector("[data-error-for]")) restore(form, new Map(JSON.parse(draft)));
  form.addEventListener("input", () => write(form, key));
  form.addEventListener("change", () => write(form, key));
  form.addEventListener("submit", () => sessionStorage.setItem(SENT, key));
}

// It has arrived when the answer is neither an error nor the form again.
if (!document.querySelector("form[data-draft], .error-page")) {
  sessionStorage.removeItem(sessionStorage.getItem(SENT) ?? "");
  sessionStorage.removeItem(SENT);
}
