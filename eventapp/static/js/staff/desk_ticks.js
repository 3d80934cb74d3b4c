// Ticks: a range with shift, all of the page by the heading's box, and the same ones again after the table was swapped.
const ticked = new Set();
let last = null;
const boxes = () => [...document.querySelectorAll('#desk input[name="ids"]')];
const everything = () => document.querySelector("[data-tick-everything]");

function tell() {
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  const head = document.querySelector("[data-tick-all]");
  if (head) {
    head.checked = count > 0 && count === all.length;
    head.indeterminate = count > 0 && count < all.length;
  }
  const box = everything();
  if (box?.checked && count < all.length) box.checked = false;
  const word = document.querySelector("[data-ticked-count]");
  if (word) word.textContent = box?.checked ? box.dataset.total : count;
  ticked.clear();
  for (const box of all) if (box.checked) ticked.add(box.value);
}

function tickRange(to, checked) {
  const all = boxes();
  const from = all.indexOf(all.find((box) => box.value === last));
  const until = all.indexOf(to);
  if (from < 0) { to.checked = checked; return; }
  for (const box of all.slice(Math.min(from, until), Math.max(from, until) + 1)) box.checked = checked;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.('#desk input[name="ids"]');
  if (box) {
    if (event.shiftKey && last && last !== box.value) tickRange(box, box.checked);
    last = box.value;
    tell();
  }
  if (event.target.closest("[data-untick]")) {
    for (const one of boxes()) one.checked = false;
    if (everything()) everything().checked = false;
    tell();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-tick-all]")) {
    for (const box of boxes()) box.checked = event.target.checked;
    tell();
  }
  if (event.target.matches("[data-tick-everything]") && event.target.checked) {
    for (const box of boxes()) box.checked = true;
    tell();
  }
});

// x and Shift x, from desk_keys.js
document.addEventListener("desk:tick", (event) => {
  const box = event.target.querySelector('input[name="ids"]');
  if (!box) return;
  if (event.detail.range && last) tickRange(box, true);
  else box.checked = !box.checked;
  last = box.value;
  tell();
});

if (document.querySelector("[data-desk]")) {
  document.addEventListener("htmx:after:swap", () => {
    for (const box of boxes()) box.checked = ticked.has(box.value);
    tell();
  });
  tell();
}
