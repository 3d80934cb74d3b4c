// `<form data-draft="name">` keeps what is typed in this tab until it is sent: a reload or Back loses nothing.
// Secrets, files and hidden values are not kept; what the server has filled in wins over the draft.
const kept = (field) => field.name && !["password", "file", "hidden", "submit"].includes(field.type);

for (const form of document.querySelectorAll("form[data-draft]")) {
  const key = `draft:${location.pathname}:${form.dataset.draft}`;
  const choice = (field) => ["checkbox", "radio"].includes(field.type);

  if (!form.querySelector("[data-error-for]")) {
    const draft = new Map(JSON.parse(sessionStorage.getItem(key) ?? "[]"));
    for (const field of form.elements) {
      if (!kept(field) || !draft.has(field.name)) continue;
      const values = draft.get(field.name);
      if (choice(field)) field.checked = !field.disabled && values.includes(field.value);
      else if (!field.value || field.value === "0") field.value = values[0] ?? "";
    }
    if (draft.size) form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  form.addEventListener("input", () => {
    const draft = new Map();
    for (const field of form.elements) {
      if (!kept(field)) continue;
      const values = draft.get(field.name) ?? [];
      draft.set(field.name, choice(field) && !field.checked ? values : [...values, field.value]);
    }
    sessionStorage.setItem(key, JSON.stringify([...draft]));
  });
  form.addEventListener("submit", () => sessionStorage.removeItem(key));
}
