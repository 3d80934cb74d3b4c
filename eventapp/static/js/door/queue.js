// What happened while there was no network, on its way to the server: sent until it is answered, in the order in which it
// happened. Where the server disagrees with what was said at the door, a person has to know: a conflict.
import { Rejected } from "./link.js";

const BATCH = 200;

export class Queue {
  constructor(store, book, link) {
    Object.assign(this, { store, book, link, conflicts: [], sending: null });
    this.items = new Map(); // by nonce: scans that let someone in, and undos
  }

  async load() {
    for (const item of await this.store.scans()) this.remember(item);
    this.conflicts = (await this.store.get("conflicts")) ?? [];
  }

  get length() {
    return this.items.size;
  }

  // Kept first, said afterwards.
  async add(item) {
    await this.store.keepScan(item);
    this.remember(item);
  }

  remember(item) {
    this.items.set(item.nonce, item);
    if (item.entry) this.book.own.set(item.nonce, item.entry);
    if (item.undo) this.book.own.delete(item.undo);
  }

  async forget(nonces) {
    for (const nonce of nonces) {
      this.items.delete(nonce);
      this.book.own.delete(nonce);
    }
    await this.store.dropScans(nonces);
  }

  // One at a time, however often it is asked for.
  send() {
    return (this.sending ??= this.sendAll().finally(() => (this.sending = null)));
  }

  async sendAll() {
    for (let size = BATCH; this.items.size && this.link.reachable;) {
      const waiting = [...this.items.values()];
      const isUndo = Boolean(waiting[0].undo);
      const end = waiting.findIndex((one) => Boolean(one.undo) !== isUndo);
      const batch = waiting.slice(0, Math.min(isUndo ? 1 : size, end < 0 ? waiting.length : end));
      try {
        if (!(await (isUndo ? this.sendUndo(batch[0]) : this.sendScans(batch)))) return;
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
        // Something in it is not understood: find it one by one, set it aside where it is seen, send the others.
        if (batch.length === 1) await this.settle(batch, [{ nonce: batch[0].nonce, result: "invalid", reason: "refused" }]);
        size = 1;
      }
    }
  }

  async sendScans(batch) {
    const answer = await this.link.scans(batch);
    if (answer?.error) await this.forget(batch.map((scan) => scan.nonce)); // kept there, as nobody's entries
    else if (answer) await this.settle(batch, answer.results);
    return Boolean(answer);
  }

  // This phone has been taken off the doors: the server hears whom it has let in, before everything is forgotten here.
  async handOver(pause) {
    const undone = new Set([...this.items.values()].map((item) => item.undo).filter(Boolean));
    for (;;) {
      const left = [...this.items.values()].filter((item) => !item.undo && !undone.has(item.nonce)).slice(0, BATCH);
      if (!left.length) return;
      if (!(await this.sendScans(left))) await new Promise((done) => setTimeout(done, pause));
    }
  }

  async sendUndo(item) {
    const answer = await this.link.undo({ nonce: item.undo });
    if (answer) await this.forget([item.nonce]);
    return Boolean(answer);
  }

  async settle(batch, results) {
    const scans = new Map(batch.map((scan) => [scan.nonce, scan]));
    for (const result of results) {
      const scan = scans.get(result.nonce);
      if (this.items.has(`undo-${result.nonce}`)) continue; // taken back before the server heard of it
      if (result.result === "ok" && result.entry) this.book.enter({ ...scan.entry, id: result.entry });
      else this.conflicts.push(conflict(scan, result, this.book.people.get(scan.entry.registration)));
    }
    // The conflicts and the book are kept before the scans go, so that at no moment nobody remembers.
    await this.store.put("conflicts", this.conflicts);
    await this.store.put("book", this.book.kept());
    await this.forget(results.map((one) => one.nonce));
  }

  async seen(nonce) {
    this.conflicts = this.conflicts.filter((one) => one.nonce !== nonce);
    await this.store.put("conflicts", this.conflicts);
  }
}

function conflict(scan, { nonce, result, reason, name, number, first }, person) {
  return { nonce, result, reason, name: name ?? person?.name ?? "", number: number ?? person?.number ?? "", first, at: scan.at, gate: scan.entry.gate };
}
