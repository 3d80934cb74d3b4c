// The way to the server: asked first, never waited for longer than a guest would notice, and looked for again when lost.

const VERDICT = 1000; // milliseconds for a verdict; after that the door decides by itself
const TRANSFER = 15_000;
export const AGAIN = 5_000; // between two looks whether the network is back, and for each of them
const REFRESH = 30_000;

export class Link {
  // `onChange` hears that the network came or went; `onEnd` that this door is not ours any more ("signed_out", "revoked").
  constructor(address, { onChange, onEnd }) {
    Object.assign(this, { address, onChange, onEnd, lostAt: null, ended: "", csrf: "" });
    addEventListener("offline", () => this.lost());
    addEventListener("online", () => this.wake?.());
  }

  get reachable() {
    return !this.lostAt && !this.ended;
  }

  lost() {
    if (this.lostAt) return;
    this.lostAt = new Date();
    this.onChange();
    this.wake?.(); // from now on it is looked for more often
  }

  found() {
    if (!this.lostAt) return;
    this.lostAt = null;
    this.onChange();
  }

  // Does `work` now and then for ever: soon when the network is away, and at once when the browser says that it is back.
  async keepAlive(work) {
    while (!this.ended) {
      await work();
      await new Promise((done) => {
        this.wake = done;
        setTimeout(done, this.lostAt ? AGAIN : REFRESH);
      });
    }
  }

  // The first is everything and may take its time; the others are small, and serve to look whether anybody answers.
  snapshot(since) {
    return since ? this.call(`/snapshot?since=${encodeURIComponent(since)}`, null, AGAIN) : this.call("/snapshot");
  }

  scans(scans, patience = TRANSFER) {
    return this.call("/scans", { scans: scans.map(wire) }, patience);
  }

  async verdict(scan) {
    return (await this.scans([scan], VERDICT))?.results[0] ?? null;
  }

  undo({ entry, nonce }) {
    return this.call("/undo", { entry: entry ?? null, nonce });
  }

  // The answer, or null when there was none. A refusal of what was sent is thrown: asking again would not help.
  async call(path, body, patience = TRANSFER) {
    const options = { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(patience), headers: { Accept: "application/json", "X-Door": "1" } };
    if (body) {
      Object.assign(options, { method: "POST", body: JSON.stringify({ ...body, csrf_token: this.csrf }) });
      Object.assign(options.headers, { "Content-Type": "application/json", "X-CSRFToken": this.csrf });
    }
    try {
      const response = await fetch(this.address + path, options);
      if (response.ok) {
        const answer = await response.json();
        this.found();
        if (answer.error) this.end(answer.error); // heard for the last time
        return answer;
      }
      if (response.type === "opaqueredirect" || [401, 403, 404].includes(response.status)) await this.refused(response);
      else if (response.status === 400 && body && (await this.renew())) return this.call(path, body, patience);
      else if (response.status < 500 && response.status !== 429 && response.status !== 408) throw new Rejected(response.status);
      else this.lost();
    } catch (error) {
      if (error instanceof Rejected) throw error;
      this.lost();
    }
    return null;
  }

  // Only the server's own word ends a door; what a proxy or a hotel's sign-in page says is a network that is not there.
  async refused(response) {
    const { error } = await response.json().catch(() => ({}));
    if (error === "revoked") this.end("revoked");
    else if (["signed_out", "403", "404"].includes(error)) this.end("signed_out");
    else this.lost();
  }

  // The token of a session that is new: once, because a second 400 has another reason.
  async renew() {
    const before = this.csrf;
    this.csrf = (await this.snapshot())?.csrf ?? before;
    return this.csrf !== before;
  }

  end(reason) {
    if (this.ended) return;
    this.ended = reason;
    this.onEnd(reason);
  }
}

export class Rejected extends Error {}

// What the server needs of a scan; the rest is only for this door.
function wire({ nonce, code, registration, checkpoint, at, offline, let_in, version, gate }) {
  return { nonce, code, registration, checkpoint, at, offline, let_in, version, gate };
}
