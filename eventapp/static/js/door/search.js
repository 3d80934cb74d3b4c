// Finding somebody by name or number among those the door knows, also without a network. A tap asks once more, then lets in.
import { fill, say } from "./words.js";

const SHOWN = 12;
const AT_DOORS = new Set(["confirmed", "pending_payment", "pending_approval", "cancelled"]); // who may turn up
const $ = (id) => document.getElementById(id);

export class Search {
  constructor(book, onChosen, onTyping) {
    Object.assign(this, { book, onChosen, index: new WeakMap() });
    $("code").addEventListener("input", () => {
      onTyping(); // the word about somebody else must not stand above what is being looked for
      this.look();
    });
    $("confirm").addEventListener("close", () => {
      if ($("confirm").returnValue === "yes") this.onChosen(this.chosen);
      this.clear();
    });
  }

  look() {
    const words = plain($("code").value).split(" ").filter(Boolean);
    const found = words.length ? this.find(words) : []; // in the order of their registration
    $("people").replaceChildren(...found.slice(0, SHOWN).map((person) => this.row(person)));
    $("people").hidden = found.length === 0;
    $("people-none").hidden = found.length > 0 || words.join("").length < 2;
    $("people-more").hidden = found.length <= SHOWN;
  }

  find(words) {
    const inAll = (text) => words.every((word) => text.includes(word));
    const found = [...this.book.people.values()].filter((person) => AT_DOORS.has(person.status) && inAll(this.textsOf(person).all));
    // Whose name it is goes before whose number has it somewhere.
    const named = found.filter((person) => inAll(this.textsOf(person).name));
    const others = found.filter((person) => !named.includes(person));
    return [...named, ...others];
  }

  textsOf(person) {
    if (!this.index.has(person)) {
      const name = plain(person.name);
      const names = `${name} ${name.replaceAll(" ", "")}`; // 김 하나 is 김하나
      this.index.set(person, { name: names, all: `${names} ${plain(person.number)}` });
    }
    return this.index.get(person);
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
