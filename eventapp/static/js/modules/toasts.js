// A toast goes by its cross, or by itself once it has been readable for a while. Mistakes stay.
const region = document.querySelector(".toasts");

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest("[data-toast]")?.remove();
});

function leaveLater(toast) {
  if (toast.dataset.leaving || toast.classList.contains("toast-error")) return;
  toast.dataset.leaving = "true";
  const leave = () => {
    if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000);
    else toast.remove();
  };
  setTimeout(leave, 4000 + toast.textContent.length * 60);
}

const all = () => region?.querySelectorAll("[data-toast]").forEach(leaveLater);
all();
if (region) new MutationObserver(all).observe(region, { childList: true, subtree: true });

// htmx could not reach the server. (Version 4 of htmx has one event for it, version 2 another.)
const offline = () => {
  const sheet = document.getElementById("toast-offline");
  document.getElementById("toasts")?.replaceChildren(sheet.content.cloneNode(true));
};
for (const name of ["htmx:error", "htmx:sendError"]) document.addEventListener(name, offline);
