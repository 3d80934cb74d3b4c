// A form that has been sent shows it and is not sent again; coming back by Back makes it usable once more. A download leaves the
// page where it is, so its form stays usable.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || form.hasAttribute("hx-post") || form.hasAttribute("hx-get")) return;
  if (form.dataset.sent) return event.preventDefault();
  if (event.submitter?.hasAttribute("data-download")) return;
  form.dataset.sent = "true";
  event.submitter?.setAttribute("aria-disabled", "true");
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-disabled]")?.removeAttribute("aria-disabled");
  }
});
