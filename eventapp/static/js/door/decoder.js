// Reads codes out of camera frames beside the page, so that a slow phone keeps answering to the thumb.
importScripts("../../vendor/zxing/reader.js");

const WASM = "../../vendor/zxing/zxing_reader.wasm";
// What is printed on paper that was folded, torn or photographed from a screen needs the harder search.
const OPTIONS = { formats: ["QRCode"], tryHarder: true, tryRotate: true, tryInvert: true, tryDownscale: true, maxNumberOfSymbols: 1 };

ZXingWASM.prepareZXingModule({ overrides: { locateFile: () => WASM }, fireImmediately: true });

addEventListener("message", async ({ data: { id, frame } }) => {
  let text = "";
  try {
    text = (await ZXingWASM.readBarcodes(frame, OPTIONS))[0]?.text ?? "";
  } catch (error) {
    console.warn("the decoder failed", error);
  }
  postMessage({ id, text });
});
