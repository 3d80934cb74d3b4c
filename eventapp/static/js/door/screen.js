// What the volunteer sees: one verdict that can be read at arm's length, and below it, calmly, how things stand.
import { signal } from "./signals.js";
import { fill, number, say, time, verdictWords } from "./words.js";

const KINDS = { ok: "yes", already: "look", unpaid: "look" }; // anything else is a no
const UNDO = 10_000;
const YES = 4_000; // milliseconds that a yes covers the camera; a no stays until the next
const LAST = 30;
const LONG = 20; // letters of a name that would leave no room for the rest
const $ = (id) => document.getElementById(id);

export class Screen {
  constructor({ onUndo, onSeen }) {
    this.onUndo = onUndo;
    this.onSeen = onSeen;
    $("verdict").addEventListener("click", () => this.clear()); // "Next" is in it; a thumb need not aim
    $("undo").addEventListener("click", () => this.undo());
  }

  // `undo` is what would take this entry back, when it can be.
  show(verdict, undo = null) {
    const { result, first } = verdict;
    const { word, advice } = verdictWords(verdict);
    const box = $("verdict");
    box.dataset.result = result;
    box.toggleAttribute("data-long", (verdict.name?.length ?? 0) > LONG);
    const passed = first ? say(first.gate ? "first_at_gate" : "first_at", { at: time(first.at), gate: first.gate }) : "";
    write(box, { word, name: verdict.name, programs: verdict.programs, flag: verdict.flag, first: passed, advice, number: verdict.number });
    box.hidden = false;
    $("note").textContent = "";
    signal(KINDS[result] ?? "no");
    clearTimeout(this.clearing);
    if (result === "ok") this.clearing = setTimeout(() => this.clear(), YES);
    this.offerUndo(undo);
    this.log(verdict, word);
  }

  clear() {
    clearTimeout(this.clearing);
    $("verdict").hidden = true;
    $("note").textContent = "";
  }

  offerUndo(undo) {
    clearTimeout(this.undoing);
    this.toUndo = undo;
    $("undo").hidden = !undo;
    if (undo) this.undoing = setTimeout(() => this.offerUndo(null), UNDO);
  }

  async undo() {
    const undo = this.toUndo;
    this.offerUndo(null);
    this.clear();
    if (!undo) return;
    await this.onUndo(undo);
    this.note("undone", { name: undo.name ?? "" });
  }

  log({ result, name, number: ticket }, word) {
    const row = fill("last-row", { at: time(new Date()), name: name || ticket || "—", word });
    row.dataset.result = result;
    $("last-list").prepend(row);
    $("last-list").children[LAST]?.remove();
    $("last").hidden = false;
  }

  status({ lostAt, waiting, ready }) {
    const values = { at: lostAt ? time(lostAt) : "", count: number(waiting) };
    const name = lostAt ? (waiting ? "offline_waiting" : "offline") : waiting ? "sending" : ready ? "online" : "preparing";
    $("status").dataset.state = lostAt ? "offline" : "online";
    const sentence = say(name, values);
    if ($("status-text").textContent !== sentence) $("status-text").textContent = sentence;
  }

  counts({ came, expected }) {
    $("came").textContent = number(came);
    $("expected").textContent = say("of_expected", { count: number(expected) });
  }

  conflicts(list) {
    $("conflicts").hidden = list.length === 0;
    $("conflicts-count").textContent = number(list.length);
    $("conflicts-list").replaceChildren(...list.map((one) => {
      const theirs = one.first ? say(one.first.gate ? "conflict_first" : "conflict_first_at", { at: time(one.first.at), gate: one.first.gate }) : verdictWords(one).advice;
      const row = fill("conflict-row", {
        name: one.name || one.number || "—", number: one.number, word: verdictWords(one).word, theirs,
        ours: say(one.gate ? "conflict_ours" : "conflict_ours_here", { at: time(one.at), gate: one.gate }),
      });
      row.dataset.nonce = one.nonce;
      row.querySelector("button").addEventListener("click", () => this.onSeen(one.nonce));
      return row;
    }));
  }

  note(name, values) {
    $("note").textContent = say(name, values);
    clearTimeout(this.noting);
    this.noting = setTimeout(() => ($("note").textContent = ""), 6000);
  }

  // The door is closed for this phone: nothing can be scanned, and the page says why and what is lost or waits.
  end(reason, waiting) {
    document.body.dataset.ended = reason;
    $("ended-title").textContent = say(`${reason}_title`);
    $("ended-text").textContent = say(waiting ? `${reason}_waiting` : `${reason}_text`, { count: number(waiting) });
    $("ended-login").hidden = reason !== "signed_out";
    $("ended").hidden = false;
    $("door").hidden = true;
  }
}

function write(box, values) {
  for (const place of box.querySelectorAll("[data-slot]")) {
    const value = values[place.dataset.slot];
    Object.assign(place, { textContent: value ?? "", hidden: !value });
  }
}
