// What this door keeps for the time without a network. Everything in it that is about people is sealed with AES-GCM under
// a key that scripts can use but nobody can read out, not even we: who copies the browser's files finds no name.

const STORES = ["keys", "kept", "scans"];
const PREFIX = "door ";

export class Store {
  // One for each door (event), named by its address.
  static async open(address) {
    const database = await opened(PREFIX + address);
    let key = await request(database.transaction("keys").objectStore("keys").get("seal"));
    if (!key) {
      const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
      const keys = database.transaction("keys", "readwrite").objectStore("keys");
      // A second window may have been quicker; there must be one key.
      key = (await request(keys.get("seal"))) ?? (await request(keys.put(made, "seal")), made);
    }
    return new Store(database, key);
  }

  constructor(database, key) {
    this.database = database;
    this.key = key;
  }

  async get(name) {
    const sealed = await request(this.database.transaction("kept").objectStore("kept").get(name));
    return sealed ? this.unseal(sealed) : null;
  }

  async put(name, value) {
    const sealed = await this.seal(value);
    await this.write("kept", (kept) => kept.put(sealed, name));
  }

  // The scans that the server has not taken yet, in the order in which they were made.
  async scans() {
    const sealed = await request(this.database.transaction("scans").objectStore("scans").getAll());
    const scans = await Promise.all(sealed.map((one) => this.unseal(one)));
    return scans.sort((one, other) => one.made - other.made);
  }

  // Strict: the word at the door is only said once the scan would survive an empty battery.
  async keepScan(scan) {
    const sealed = await this.seal(scan);
    await this.write("scans", (scans) => scans.put(sealed, scan.nonce), "strict");
  }

  async dropScans(nonces) {
    await this.write("scans", (scans) => nonces.forEach((nonce) => scans.delete(nonce)));
  }

  // After signing out the names go; scans that wait hold none and stay until someone signs in, or is told to go.
  async forgetPeople() {
    await this.write("kept", (kept) => kept.clear());
  }

  // The key goes first, so that whatever the disk still holds can never be read.
  async wipe() {
    for (const name of STORES) await this.write(name, (store) => store.clear());
    this.database.close();
    await new Promise((done) => {
      const gone = indexedDB.deleteDatabase(this.database.name);
      gone.onsuccess = gone.onerror = gone.onblocked = done;
    });
  }

  async seal(value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    return { iv, bytes: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.key, bytes) };
  }

  async unseal({ iv, bytes }) {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, this.key, bytes)));
  }

  write(name, change, durability = "default") {
    return new Promise((done, failed) => {
      const transaction = this.database.transaction(name, "readwrite", { durability });
      transaction.oncomplete = () => done();
      transaction.onerror = transaction.onabort = () => failed(transaction.error);
      change(transaction.objectStore(name));
    });
  }
}

function opened(name) {
  return new Promise((done, failed) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => STORES.forEach((store) => opening.result.createObjectStore(store));
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      // Another window that signs out must be able to delete it.
      opening.result.onversionchange = () => opening.result.close();
      done(opening.result);
    };
  });
}

function request(asked) {
  return new Promise((done, failed) => {
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
}
