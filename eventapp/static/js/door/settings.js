// Which checkpoint, and what this gate is called: chosen once, kept on this phone.

const $ = (id) => document.getElementById(id);

export function settings(book, kept, onChange) {
  let chosen = { checkpoint: null, gate: "", ...kept };
  const select = $("checkpoint"), gate = $("gate");
  const placed = Number($("main").dataset.checkpoint); // where the organisation has put this phone

  function checkpoint() {
    return book.checkpoint(chosen.checkpoint) ?? book.checkpoint(placed) ?? current(book.checkpoints, book.now());
  }

  function offer() {
    const at = checkpoint();
    select.replaceChildren(...book.checkpoints.map((one) => new Option(one.name, one.id, false, one.id === at?.id)));
    gate.placeholder = book.gate;
    $("place").textContent = [chosen.gate || book.gate, at?.name].filter(Boolean).join(" · ");
  }

  function change(values) {
    chosen = { ...chosen, ...values };
    offer();
    onChange(chosen);
  }

  gate.value = chosen.gate;
  select.addEventListener("change", () => change({ checkpoint: Number(select.value) }));
  gate.addEventListener("change", () => change({ gate: gate.value.trim() }));
  $("settings-open").addEventListener("click", () => $("settings").showModal());
  offer();
  return { checkpoint, offer, gate: () => chosen.gate };
}

// The one a door begins with: of those whose time it is the most particular, otherwise the first.
function current(checkpoints, now) {
  const open = checkpoints.filter((one) => (!one.opens_at || new Date(one.opens_at) <= now) && (!one.closes_at || now < new Date(one.closes_at)));
  return open.find((one) => one.opens_at || one.closes_at) ?? open[0] ?? checkpoints[0];
}
