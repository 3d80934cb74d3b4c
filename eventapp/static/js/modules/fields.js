// Steppers, shown passwords, and the cursor in the first wrong field.
document.addEventListener("click", (event) => {
  const step = event.target.closest("[data-step]");
  if (step) {
    const field = step.closest("[data-stepper]").querySelector("input");
    const wanted = (Number(field.value) || 0) + Number(step.dataset.step);
    field.value = Math.min(Math.max(wanted, Number(field.min)), Number(field.max));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) {
    const field = document.getElementById(reveal.dataset.reveal);
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    reveal.setAttribute("aria-pressed", shown);
  }
});

// The stylesheet marks what is counted by the attribute, which typing does not change by itself.
document.addEventListener("change", () => {
  for (const field of document.querySelectorAll("[data-stepper] input")) field.setAttribute("value", field.value || "0");
});

function toFirstMistake() {
  const link = document.querySelector("[data-error-summary] a");
  if (!link) return;
  const name = decodeURIComponent(link.hash.slice(1));
  (document.getElementById(name) ?? link).focus();
}

toFirstMistake();
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.response?.status === 422) toFirstMistake();
});
