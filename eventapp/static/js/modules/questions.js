// A question that depends on an answer or a program shows when it applies. Hidden ones are disabled, so they are not sent.
// Without scripts all are shown, and the server decides.
function holds(question) {
  const { field, in: wanted, program } = JSON.parse(question.dataset.showIf);
  const data = new FormData(question.closest("form"));
  const prefix = question.dataset.prefix;
  if (!program) return data.getAll(`${prefix}field-${field}`).concat(data.getAll(`order-field-${field}`)).some((value) => wanted.includes(value));
  const chosen = data.getAll(`${prefix}program`);
  return program.some((code) => chosen.includes(code) || Number(data.get(`${prefix}qty-${code}`)) > 0);
}

function arrange() {
  for (const question of document.querySelectorAll("[data-show-if]")) {
    const applies = holds(question);
    question.hidden = !applies;
    for (const field of question.querySelectorAll("input, select, textarea")) field.disabled = !applies;
  }
}

if (document.querySelector("[data-show-if]")) {
  arrange();
  document.addEventListener("change", arrange);
}

// A press on a counted program takes one of it.
document.addEventListener("click", (event) => {
  const label = event.target.closest("[data-program] > .program-row > label[for]");
  const field = label && document.getElementById(label.htmlFor);
  if (!field || Number(field.value) > 0) return;
  field.value = 1;
  field.dispatchEvent(new Event("change", { bubbles: true }));
});
