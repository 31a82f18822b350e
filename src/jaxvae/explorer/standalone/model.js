// The decoder, and the arrays that were exported with it.

import * as ort from "./onnxruntime/ort.wasm.min.mjs";

export const page = {}; // explorer.json, once it is there.

let session, arrays;

// One thread: more need headers that few static hosts send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("./onnxruntime/", import.meta.url).href;

async function load(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name} cannot be loaded: the host responded with status ${response.status}.`);
  return response.arrayBuffer();
}

export async function openModel() {
  const [described, numbers, decoder] = await Promise.all(["./explorer.json", "./arrays.bin", "./decoder.onnx"].map(load));
  Object.assign(page, JSON.parse(new TextDecoder().decode(described)));
  arrays = new Float32Array(numbers);
  session = await ort.InferenceSession.create(new Uint8Array(decoder));
}

// Row `index` of an exported array [n, …], or all of it.
export function array(name, index = null) {
  const { start, shape } = page.arrays[name];
  const size = shape.slice(index === null ? 0 : 1).reduce((product, each) => product * each, 1);
  const from = start + (index ?? 0) * size;
  return arrays.subarray(from, from + size);
}

let last = Promise.resolve(); // A session runs one batch after the other.

// Decodes codes, each a row of numbers, to images {height, width, colours, pixels}.
export function decode(rows) {
  const images = last.then(() => run(rows));
  last = images.catch(() => {});
  return images;
}

async function run(rows) {
  let start = 0;
  const feeds = {};
  for (const { name, shape } of page.inputs) {
    const size = shape.reduce((product, each) => product * each, 1), from = start;
    const values = new Float32Array(rows.length * size);
    rows.forEach((row, i) => values.set(row.subarray(from, from + size), i * size));
    feeds[name] = new ort.Tensor("float32", values, [rows.length, ...shape]);
    start += size;
  }
  const { images } = await session.run(feeds), [count, height, width, colours] = images.dims;
  const size = height * width * colours;
  return Array.from({ length: count }, (_, i) => {
    const pixels = Uint8ClampedArray.from(images.data.subarray(i * size, (i + 1) * size), value => 255 * value);
    return { height, width, colours, pixels };
  });
}
