// Finding somebody by name or number among those the door knows, also without a network. A tap asks once more, then lets in.
import { fill, say } from "./words.js";

const SHOWN = 12;
const AT_DOORS = new Set(["confirmed", "pending_payment", "pending_approval", "cancelled"]); // who may turn up
const $ = (id) => document.getElementById(id);

export class Search {
  constructor(book, onChosen) {
    Object.assign(this, { book, onChosen, index: new Map() });
    $("code").addEventListener("input", () => this.look());
    $("confirm").addEventListener("close", () => {
      if ($("confirm").returnValue === "yes") this.onChosen(this.chosen);
      this.clear();
    });
  }

  look() {
    const words = plain($("code").value).split(" ").filter(Boolean);
    const found = words.length ? this.find(words) : [];
    $("people").replaceChildren(...found.slice(0, SHOWN).map((person) => this.row(person)));
    $("people").hidden = found.length === 0;
    $("people-none").hidden = found.length > 0 || words.join("").length < 2;
    $("people-more").hidden = found.length <= SHOWN;
  }

  find(words) {
    const inAll = (text) => words.every((word) => text.includes(word));
    // Whose name it is goes before whose number has it somewhere.
    return [...this.book.people.values()].filter((person) => AT_DOORS.has(person.status) && inAll(this.textOf(person)))
      .sort((one, other) => inAll(plain(other.name)) - inAll(plain(one.name)) || one.name.localeCompare(other.name, undefined, { numeric: true }));
  }

  textOf(person) {
    const name = `${person.name}\n${person.number}`;
    const known = this.index.get(person.id);
    if (known?.name === name) return known.text;
    // Spaces go as well: 김 하나 is 김하나, and wmc26-7k3 is found by 7k3.
    const text = `${plain(person.name)} ${plain(person.name).replaceAll(" ", "")} ${plain(person.number)}`;
    this.index.set(person.id, { name, text });
    return text;
  }

  row(person) {
    const row = fill("found-row", { name: person.name, about: about(person), flag: person.flag });
    row.querySelector("button").addEventListener("click", () => this.choose(person));
    return row;
  }

  choose(person) {
    this.chosen = person;
    $("confirm-title").textContent = say("confirm", { name: person.name });
    $("confirm-about").textContent = about(person);
    $("confirm").returnValue = "";
    $("confirm").showModal();
  }

  clear() {
    $("code").value = "";
    this.look();
  }
}

function about(person) {
  return [person.number, person.text].filter(Boolean).join(" · ");
}

// Taken apart, so that José is found as jose, and 김 while its last letter is still being typed.
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/\s+/g, " ").trim();
}
