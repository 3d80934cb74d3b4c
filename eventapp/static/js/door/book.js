// What this door knows: the event, its people, its checkpoints and who went through. From the server's snapshot, and from
// its own scans that the server has not heard of yet.

export class Book {
  constructor() {
    Object.assign(this, { event: null, key: null, gate: "", cursor: "", csrf: "", checkpoints: [], offset: 0 });
    this.people = new Map(); // by id
    this.entries = new Map(); // by the entry's id, those that the server knows
    this.own = new Map(); // by nonce, those that it does not
    this.byKey = new Map(); // the same entries by registration, checkpoint and period
  }

  get ready() {
    return this.event !== null;
  }

  // The server's time, also without a network: a phone's clock may be wrong.
  now() {
    return new Date(Date.now() + this.offset);
  }

  setClock(now) {
    this.offset = new Date(now) - Date.now();
  }

  take(snapshot) {
    const { event, key, gate, cursor, csrf, checkpoints } = snapshot;
    Object.assign(this, { event, key, cursor, csrf, checkpoints, gate: gate ?? this.gate });
    if (snapshot.whole) [this.people, this.entries, this.byKey].forEach((map) => map.clear());
    for (const person of snapshot.people) this.people.set(person.id, person);
    for (const [registration, checkpoint, period, at, gateName, id] of snapshot.entries) {
      this.enter({ id, registration, checkpoint, period, at, gate: gateName });
    }
    for (const id of snapshot.undone ?? []) this.leave(id);
  }

  // To be kept, and taken again as a whole snapshot.
  kept() {
    const { event, key, gate, cursor, csrf, checkpoints, offset } = this;
    const entries = [...this.entries.values()].map((one) => [one.registration, one.checkpoint, one.period, one.at, one.gate, one.id]);
    return { event, key, gate, cursor, csrf, checkpoints, offset, people: [...this.people.values()], entries, whole: true };
  }

  enter(entry) {
    this.leave(entry.id);
    this.entries.set(entry.id, entry);
    const key = keyOf(entry);
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), entry]);
  }

  leave(id) {
    const entry = this.entries.get(id);
    if (!entry) return;
    this.entries.delete(id);
    this.byKey.set(keyOf(entry), this.byKey.get(keyOf(entry)).filter((one) => one.id !== id));
  }

  checkpoint(id) {
    return this.checkpoints.find((one) => one.id === id);
  }

  // The day in the event's time zone where the checkpoint counts by days.
  period(checkpoint, at) {
    if (checkpoint.per !== "day") return "";
    return new Intl.DateTimeFormat("en-CA", { timeZone: this.event.timezone, dateStyle: "short" }).format(at);
  }

  // The entries that count against another one, oldest first.
  passages(registration, checkpoint, period) {
    const key = keyOf({ registration, checkpoint, period });
    const own = [...this.own.values()].filter((one) => keyOf(one) === key);
    return [...(this.byKey.get(key) ?? []), ...own].sort((one, other) => new Date(one.at) - new Date(other.at));
  }

  // How many came through a checkpoint (today, where it counts by days), and how many may.
  counts(checkpoint) {
    const period = this.period(checkpoint, this.now());
    const here = (one) => one.checkpoint === checkpoint.id && one.period === period;
    const came = new Set([...this.entries.values(), ...this.own.values()].filter(here).map((one) => one.registration));
    const may = [...this.people.values()].filter((one) => one.status === "confirmed" && mayCome(one, checkpoint));
    return { came: came.size, expected: may.length };
  }
}

export function mayCome(person, checkpoint) {
  return !checkpoint.program || person.programs.includes(checkpoint.program);
}

function keyOf({ registration, checkpoint, period }) {
  return `${registration} ${checkpoint} ${period}`;
}
