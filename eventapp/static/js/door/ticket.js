// What a ticket's QR says, proven without a network: eventapp/tickets/codes.py in the browser's words.
//
// base32 over  format 1 · organisation · event · registration · version (varints) · Ed25519 signature (64 bytes)

const FORMAT = 1;
const SIGNATURE = 64;
const LONGEST = 400; // characters; anything longer is not one of ours
const PURPOSE = new TextEncoder().encode("eventapp ticket\0");
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// What the text claims, proven by nobody; null when it is no ticket at all.
export function read(text) {
  const raw = text.length <= LONGEST ? fromBase32(text) : null;
  if (!raw || raw.length <= SIGNATURE || raw[0] !== FORMAT) return null;
  const payload = raw.subarray(0, -SIGNATURE);
  const numbers = unpacked(payload.subarray(1));
  if (!numbers || numbers.length !== 4) return null;
  const [org, event, registration, version] = numbers;
  return { org, event, registration, version, payload, signature: raw.subarray(-SIGNATURE) };
}

// A function that says whether a ticket was signed by this event's key.
export async function verifier(publicKey) {
  const signed = (ticket) => {
    const message = new Uint8Array(PURPOSE.length + ticket.payload.length);
    message.set(PURPOSE);
    message.set(ticket.payload, PURPOSE.length);
    return message;
  };
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return (ticket) => crypto.subtle.verify({ name: "Ed25519" }, key, ticket.signature, signed(ticket));
  } catch {
    // Phones of before 2025 have no Ed25519 of their own.
    const { verifyAsync } = await import("../../vendor/noble/ed25519.js");
    return (ticket) => verifyAsync(ticket.signature, signed(ticket), publicKey, { zip215: false }).catch(() => false);
  }
}

function fromBase32(text) {
  const raw = new Uint8Array(Math.floor((text.length * 5) / 8));
  let bits = 0, held = 0, at = 0;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return null;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) raw[at++] = (held >> (bits -= 8)) & 0xff;
  }
  // One spelling only: what is left over must be too short for a letter of its own, and empty.
  return bits < 5 && (held & ((1 << bits) - 1)) === 0 ? raw : null;
}

// Varints: seven bits a byte, lowest first. Multiplied, because an id may need more than the 32 bits of a shift.
function unpacked(bytes) {
  const numbers = [];
  let number = 0, scale = 1;
  for (const byte of bytes) {
    number += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      if ((byte === 0 && scale > 128) || number > Number.MAX_SAFE_INTEGER) return null; // not its shortest form
      numbers.push(number);
      number = 0, scale = 1;
    }
  }
  return scale === 1 ? numbers : null;
}
