// Keeps "in 14 minutes" true, in the words that the server used (both take them from CLDR).
const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function tell() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
    const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units.at(-1);
    element.textContent = words.format(Math.trunc(seconds / length), unit);
  }
}

if (document.querySelector("[data-countdown]")) {
  tell();
  setInterval(tell, 10000);
}
