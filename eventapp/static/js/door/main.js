// The door: a scan comes in by camera, scanner, hand or search; the server is asked if it answers at once, otherwise the
// door decides; what was decided here is kept, sealed, until the server has taken it.
import { Book } from "./book.js";
import { decide } from "./decide.js";
import { hands } from "./hands.js";
import { listen } from "./keyboard.js";
import { AGAIN, Link } from "./link.js";
import { Queue } from "./queue.js";
import { Screen } from "./screen.js";
import { Search } from "./search.js";
import { settings } from "./settings.js";
import { install, offerHomeScreen, uninstall } from "./shell.js";
import { signal } from "./signals.js";
import { Store } from "./store.js";
import { verifier } from "./ticket.js";
import { haveLetters, speakZone } from "./words.js";

const $ = (id) => document.getElementById(id);
const address = $("main").dataset.door;
const AFTERWARDS = 24 * 3600 * 1000; // a day after the event its people are nobody's business here any more

class Door {
  constructor(store) {
    this.store = store;
    this.book = new Book();
    this.link = new Link(address, { onChange: () => this.changed(), onEnd: (reason) => this.end(reason) });
    this.queue = new Queue(store, this.book, this.link);
    this.screen = new Screen({ onUndo: (undo) => this.undo(undo), onSeen: (nonce) => this.seen(nonce) });
    this.turn = Promise.resolve();
  }

  async start() {
    const kept = await this.store.get("book");
    if (kept) await this.learn(kept);
    await this.queue.load();
    this.settings = settings(this.book, await this.store.get("settings"), (chosen) => this.choose(chosen));
    if (!navigator.onLine) this.link.lost();
    this.changed();
    this.search = new Search(this.book, (person) => this.scan({ registration: person.id, version: person.version }), () => this.screen.clear());
    listen((code) => this.scan({ code }));
    hands((code) => this.scan({ code }));
    this.link.keepAlive(() => this.refresh());
  }

  // One after the other, in the order in which they stood there.
  scan(what) {
    const begun = performance.now();
    this.turn = this.turn.then(() => this.judge(what, begun)).catch((error) => {
      console.error(error); // the disk is full, say: nothing was promised to anybody
      this.screen.note("failed");
    });
    return this.turn;
  }

  async judge(what, begun) {
    const checkpoint = this.settings.checkpoint();
    if (!this.book.ready || !checkpoint || this.link.ended) return this.screen.note("not_ready");
    const scan = { nonce: crypto.randomUUID(), version: null, ...what, checkpoint: checkpoint.id, gate: this.settings.gate(),
      at: this.book.now().toISOString(), offline: false, let_in: false, made: Date.now() };
    const answer = await this.ask(scan);
    if (this.link.ended) return;
    const verdict = answer ?? (await this.decide(scan));
    this.screen.show(verdict, verdict.result === "ok" ? { nonce: scan.nonce, entry: verdict.entry, name: verdict.name } : null);
    performance.measure("verdict", { start: begun, detail: { offline: scan.offline, result: verdict.result, reason: verdict.reason } });
    this.changed();
  }

  async ask(scan) {
    const answer = this.link.reachable ? await this.link.verdict(scan).catch(() => null) : null;
    if (!answer) return null;
    if (answer.result === "ok" && answer.entry) {
      const { at, checkpoint } = scan;
      this.book.enter({ id: answer.entry, registration: answer.registration, checkpoint, at, gate: scan.gate || this.book.gate,
        period: this.book.period(this.book.checkpoint(checkpoint), new Date(at)) });
      this.keepSoon();
    }
    return answer;
  }

  async decide(scan) {
    const decided = await decide(this.book, scan, this.isSigned);
    const { result, reason, registration, person, period, first } = decided;
    if (result === "ok") {
      const { checkpoint, at } = scan;
      const gate = scan.gate || this.book.gate;
      // A verdict by the server may still have been written before its answer was lost: the same nonce is the same scan.
      Object.assign(scan, { offline: true, let_in: true, entry: { registration, checkpoint, period, at, gate } });
      await this.queue.add(scan);
    }
    return { result, reason, first, name: person?.name, number: person?.number, programs: person?.text, flag: person?.flag };
  }

  async undo({ nonce, entry }) {
    this.book.leave(entry);
    // Whatever the server has heard of this scan, or will hear, it hears after it that it was taken back.
    await this.queue.add({ nonce: `undo-${nonce}`, undo: nonce, made: Date.now() });
    this.changed();
    await this.queue.send();
    this.changed();
  }

  async refresh() {
    try {
      await this.queue.send();
      const snapshot = await this.link.snapshot(this.book.cursor);
      if (snapshot) {
        await this.learn(snapshot);
        await this.keep();
      }
    } catch (error) {
      console.error(error); // a loop that ends would be a door that never hears again
    }
    this.changed();
  }

  async learn(snapshot) {
    const key = this.book.key;
    if (snapshot.now) this.book.setClock(snapshot.now);
    else this.book.offset = snapshot.offset;
    this.book.take(snapshot);
    this.link.csrf = snapshot.csrf;
    speakZone(this.book.event.timezone);
    if (key !== this.book.key) this.isSigned = await verifier(Uint8Array.from(atob(this.book.key), (letter) => letter.charCodeAt(0)));
    this.settings?.offer();
    haveLetters(this.book.people.values());
    if (this.isOver && !this.queue.length) this.end("over");
  }

  get isOver() {
    return this.book.event.ends_at && this.book.now() - new Date(this.book.event.ends_at) > AFTERWARDS;
  }

  // Many scans a minute would seal the whole book as often; the server knows them already.
  keepSoon() {
    this.keeping ??= setTimeout(() => this.keep(), 3000);
  }

  async keep() {
    clearTimeout(this.keeping);
    this.keeping = null;
    if (!this.link.ended) await this.store.put("book", this.book.kept());
  }

  async choose(chosen) {
    this.screen.clear(); // it was said of another checkpoint
    await this.store.put("settings", chosen);
    this.changed();
  }

  async seen(nonce) {
    await this.queue.seen(nonce);
    this.changed();
  }

  changed() {
    const { lostAt, reachable } = this.link;
    this.screen.status({ lostAt, waiting: this.queue.length, ready: this.book.ready });
    this.screen.conflicts(this.queue.conflicts);
    const checkpoint = this.settings?.checkpoint();
    if (checkpoint) this.screen.counts(this.book.counts(checkpoint));
    if (reachable && this.queue.length && !this.queue.sending) this.queue.send().then(() => this.changed(), console.error);
  }

  // Not ours any more. Names go in every case. Scans that wait, which hold none, stay for the person who signs in again, or
  // until the server has heard of them.
  async end(reason) {
    this.link.ended = reason;
    clearTimeout(this.keeping);
    this.screen.end(reason, this.queue.length);
    if (reason !== "revoked") signal("look");
    else signal("no");
    await this.store.forgetPeople();
    if (reason === "signed_out") return;
    if (reason === "revoked") {
      await this.queue.handOver(AGAIN).catch(console.error); // not understood: asking again would not help
      this.screen.end(reason, 0);
    }
    await this.store.wipe();
    await uninstall(address);
  }
}

// Without these (an old browser, a plain http address, a private window) the page stays what the server made of it: a form.
const store = isSecureContext && "serviceWorker" in navigator && $("scan") ? await Store.open(address).catch(() => null) : null;
if (store) {
  document.documentElement.dataset.door = "live";
  await new Door(store).start();
  install(address);
  offerHomeScreen($("home-screen"));
}
