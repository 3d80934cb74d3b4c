// The verdict without a network, by the rules of eventapp/domain/checking_in.py: same order, same words.
import { mayCome } from "./book.js";
import { read } from "./ticket.js";

const NOT_CONFIRMED = {
  pending_payment: ["unpaid", ""], pending_approval: ["invalid", "approval"], draft: ["invalid", "unknown"],
  rejected: ["cancelled", "rejected"], expired: ["cancelled", "expired"], cancelled: ["cancelled", ""],
};

// `scan` holds the text of a code, or the registration that was found by name. `isSigned` is ticket.js's verifier.
export async function decide(book, scan, isSigned) {
  const claim = scan.code ? await claimed(book.event, scan.code, isSigned) : { registration: scan.registration, version: scan.version };
  if (claim.result) return claim;
  const at = new Date(scan.at);
  const checkpoint = book.checkpoint(scan.checkpoint);
  const period = book.period(checkpoint, at);
  const person = book.people.get(claim.registration) ?? null;
  const passages = book.passages(claim.registration, checkpoint.id, period);
  const verdict = { registration: claim.registration, person, period, first: passages[0] ?? null };
  const [result, reason] = judge(person, claim.version, checkpoint, at, passages);
  return { ...verdict, result, reason };
}

async function claimed(event, code, isSigned) {
  const ticket = read(code.trim().toUpperCase());
  if (ticket && (ticket.org !== event.org_id || ticket.event !== event.id)) return { result: "wrong_event", reason: "" };
  if (!ticket || !(await isSigned(ticket))) return { result: "invalid", reason: "signature" };
  return ticket;
}

function judge(person, version, checkpoint, at, passages) {
  // The event's own key signed it, so it was sold or replaced after our snapshot: whoever stands there is let in.
  const isNew = !person || version > person.version;
  if (!isNew) {
    if (person.status !== "confirmed") return NOT_CONFIRMED[person.status] ?? ["invalid", "unknown"];
    if (version != null && version !== person.version) return ["cancelled", "replaced"];
    if (!mayCome(person, checkpoint)) return ["invalid", "program"];
  }
  if (checkpoint.opens_at && at < new Date(checkpoint.opens_at)) return ["invalid", "not_yet"];
  if (checkpoint.closes_at && at >= new Date(checkpoint.closes_at)) return ["invalid", "closed"];
  if (passages.length >= checkpoint.times) return ["already", ""];
  return ["ok", isNew ? "new" : ""];
}
