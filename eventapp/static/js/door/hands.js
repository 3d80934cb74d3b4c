// What a hand can touch: the camera and its light, and the one field for everything that is typed.
import { Camera, Decoder } from "./camera.js";
import { stayAwake, wakeSound } from "./signals.js";

const CODE = 40; // letters; a name or number is shorter
const $ = (id) => document.getElementById(id);

export function hands(onCode) {
  const decoder = new Decoder(); // begun now, so that the first guest doesn't wait for it
  const camera = new Camera($("video"), decoder, onCode);
  for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, wakeSound, { passive: true });
  $("camera-start").addEventListener("click", () => look(camera));
  $("torch").addEventListener("click", () => shine(camera));
  $("scan").addEventListener("submit", (event) => {
    event.preventDefault();
    typed($("code").value.trim(), onCode);
  });
  stayAwake();
  // Who has allowed the camera once need not be asked again.
  navigator.permissions?.query({ name: "camera" }).then(({ state }) => state === "granted" && look(camera), () => {});
}

async function look(camera) {
  try {
    await camera.start();
    document.body.dataset.camera = "on";
    $("torch").hidden = !camera.hasTorch;
  } catch (error) {
    camera.stop();
    document.body.dataset.camera = error.name === "NotAllowedError" ? "refused" : "none";
  }
}

function shine(camera) {
  const on = $("torch").getAttribute("aria-pressed") !== "true";
  $("torch").setAttribute("aria-pressed", on);
  camera.torch(on).catch(() => ($("torch").hidden = true));
}

// Enter: a whole code is a scan, the only one found is asked about, otherwise the list stays.
function typed(text, onCode) {
  const [only, another] = $("people").querySelectorAll("button");
  if (text.length > CODE && !text.includes(" ")) {
    $("code").value = "";
    $("people-none").hidden = true;
    onCode(text);
  } else if (only && !another) {
    only.click();
  }
}
