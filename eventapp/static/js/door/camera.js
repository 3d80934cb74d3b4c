// The rear camera, a few frames a second, one at a time through the decoder.

const SIDE = 720; // pixels of the square that is looked at: enough for a code an arm's length away
const PAUSE = 80; // milliseconds between two frames; more only warms the phone
const SAME = 3000; // milliseconds for which a code that stays in view is the same scan

export class Decoder {
  constructor() {
    this.worker = new Worker("./decoder.js");
    this.waiting = new Map();
    this.worker.onmessage = ({ data }) => {
      this.waiting.get(data.id)?.(data.text);
      this.waiting.delete(data.id);
    };
  }

  // The text of the code in this picture (ImageData), or "".
  decode(frame) {
    const id = crypto.randomUUID();
    this.worker.postMessage({ id, frame }, [frame.data.buffer]);
    return new Promise((done) => this.waiting.set(id, done));
  }
}

export class Camera {
  constructor(video, decoder, onCode) {
    Object.assign(this, { video, decoder, onCode, seen: { text: "", at: 0 }, stream: null, starting: null, wanted: false });
    this.canvas = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
    // A hidden page gets a frozen picture on some phones; it is let go and asked for again.
    document.addEventListener("visibilitychange", () => {
      if (this.wanted) document.hidden ? this.release() : this.start().catch(() => this.stop());
    });
  }

  // Throws what the browser says when there is no camera or it was refused. Asked twice at once it opens one: a second
  // would take the picture away from the first, which would then close both.
  start() {
    this.wanted = true;
    return (this.starting ??= this.open().finally(() => (this.starting = null)));
  }

  async open() {
    if (this.stream) return;
    const picture = { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: picture, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.look(this.stream);
  }

  stop() {
    this.wanted = false;
    this.release();
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }

  get hasTorch() {
    return Boolean(this.stream?.getVideoTracks()[0].getCapabilities?.().torch);
  }

  torch(on) {
    return this.stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
  }

  async look(stream) {
    while (this.stream === stream) {
      const frame = this.frame();
      const text = frame ? await this.decoder.decode(frame) : "";
      if (text && this.stream === stream) this.found(text);
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }

  // The middle square, which is what the page shows of the picture.
  frame() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const side = Math.min(width, height);
    if (!side) return null;
    this.canvas.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
    return this.canvas.getImageData(0, 0, SIDE, SIDE);
  }

  found(text) {
    const now = performance.now();
    const same = text === this.seen.text && now - this.seen.at < SAME;
    this.seen = { text, at: now };
    if (!same) this.onCode(text);
  }
}
