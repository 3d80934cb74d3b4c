// Counts the minute down in which something can be undone, and takes the button away when it is over.
function tell() {
  for (const form of document.querySelectorAll("form[data-until]")) {
    const seconds = Math.ceil((Date.parse(form.dataset.until) - Date.now()) / 1000);
    const left = form.querySelector("[data-undo-left]");
    if (seconds <= 0) form.remove();
    else if (left) left.textContent = left.dataset.sentence.replace("#", seconds);
  }
}

tell();
setInterval(tell, 500);
