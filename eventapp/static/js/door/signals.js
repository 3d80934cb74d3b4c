// What is heard and felt, so that nobody has to look at the screen for a yes: one short rising pair for yes, a low double
// for no, a single middle tone for "look at the screen".

const TONES = {
  yes: [[880, 0, 0.09], [1320, 0.09, 0.14]],
  no: [[196, 0, 0.18], [165, 0.22, 0.3]],
  look: [[523, 0, 0.3]],
};
const SHAKES = { yes: [60], no: [180, 80, 180], look: [120, 60, 60] };
let audio = null;

// Browsers let a page sound only after a touch or a key. Called on each; the first one takes a while on some machines, and
// must not hold up the scanner that is typing.
export function wakeSound() {
  if (audio?.state === "running") return;
  setTimeout(() => {
    audio ??= "AudioContext" in window ? new AudioContext() : null;
    if (audio?.state === "suspended") audio.resume();
  });
}

export function signal(kind) {
  navigator.vibrate?.(SHAKES[kind]);
  if (audio?.state !== "running") return;
  for (const [pitch, start, length] of TONES[kind]) tone(pitch, audio.currentTime + start, length);
}

function tone(pitch, start, length) {
  const source = new OscillatorNode(audio, { type: "triangle", frequency: pitch });
  const volume = new GainNode(audio, { gain: 0 });
  // Faded in and out, because a tone cut off clicks.
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.5, start + 0.01);
  volume.gain.setValueAtTime(0.5, start + length - 0.03);
  volume.gain.linearRampToValueAtTime(0, start + length);
  source.connect(volume).connect(audio.destination);
  source.start(start);
  source.stop(start + length);
}

// The screen stays on while the page is seen; browsers take the lock back whenever it is hidden.
export async function stayAwake() {
  const lock = () => document.visibilityState === "visible" && navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", lock);
  await lock();
}
