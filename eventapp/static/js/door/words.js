// The page's sentences, written by the template in its language, and times as people at this event say them.

const words = JSON.parse(document.getElementById("door-words").textContent);
let zone;

export function say(name, values = {}) {
  return words[name].replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

// The big word and the sentence below it: what is more particular goes first.
export function verdictWords({ result, reason }) {
  return { word: words.verdicts[reason]?.[0] ?? words.verdicts[result][0], advice: words.verdicts[reason]?.[1] ?? words.verdicts[result][1] };
}

export function speakZone(timezone) {
  zone = timezone;
}

// "09:01", with the day before it when that is not today.
export function time(at) {
  const form = (options) => new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: zone, ...options });
  const day = form({ month: "short", day: "numeric" });
  const clock = form({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
  return day.format(new Date(at)) === day.format(new Date()) ? clock : `${day.format(new Date(at))} ${clock}`;
}

export function number(count) {
  return new Intl.NumberFormat(document.documentElement.lang).format(count);
}

// A copy of <template id=…> with its named places filled: text only, so that a name stays a name.
export function fill(template, values) {
  const copy = document.getElementById(template).content.firstElementChild.cloneNode(true);
  for (const place of [copy, ...copy.querySelectorAll("[data-slot]")]) {
    const value = values[place.dataset.slot];
    if (place.dataset.slot) Object.assign(place, { textContent: value ?? "", hidden: !value });
  }
  return copy;
}

// The font comes in slices, each when one of its letters is needed: without a network those of every name must be here.
let had = "";
export function haveLetters(people) {
  const letters = new Set();
  for (const { name, text, flag } of people) for (const letter of name + (text ?? "") + (flag ?? "")) letters.add(letter);
  const all = [...letters].sort().join("");
  if (all === had) return;
  had = all;
  const family = getComputedStyle(document.body).fontFamily;
  document.fonts.load(`1rem ${family}`, all).catch(() => {}); // what does not come now comes when it is shown
}
