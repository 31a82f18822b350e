// Codes as rows of numbers: of a name, of a point of a walk, of a mixture. The same sums as in jaxvae/explorer/moves.py.

import { array, page } from "./model.js";
import { parseDraw } from "./names.js";
import { drawRow } from "./prior.js";

// The code of a face, as jaxvae/explorer/faces.py describes them.
export function rowOf(face) {
  if (typeof face === "string") return namedRow(face);
  if (face.mix) return mix(face.mix);
  const row = along(face.path, rowOf(face.first), rowOf(face.last), face.degree);
  return moved(row, Object.entries(face.amounts || {}));
}

function namedRow(name) {
  if (name.startsWith("draw:")) return drawRow(parseDraw(name));
  const index = page.faces.findIndex(face => face.name === name);
  if (index < 0) throw new Error(`${name} is not one of the ${page.faces.length} images of this page; see the gallery.`);
  return array("codes", index);
}

function mix(parts) {
  const total = parts.reduce((sum, [, weight]) => sum + weight, 0), rows = parts.map(([face]) => rowOf(face));
  return rows[0].map((_, unit) => parts.reduce((sum, [, weight], i) => sum + (weight / total) * rows[i][unit], 0));
}

function along(path, first, last, degree) {
  const straight = first.map((value, unit) => (1 - degree) * value + degree * last[unit]);
  if (path !== "spherical") return straight;
  let start = 0;
  for (const { shape } of page.inputs) { // Each level of a hierarchy turns by itself.
    const end = start + shape.reduce((product, each) => product * each, 1);
    turn(first.subarray(start, end), last.subarray(start, end), degree, straight.subarray(start, end));
    start = end;
  }
  return straight;
}

const dot = (one, other) => one.reduce((sum, value, unit) => sum + value * other[unit], 0);

// Writes the point of the great circle into `row`, where there is one: see jaxvae/latents/paths/interpolation.py.
function turn(first, last, degree, row) {
  const norms = [Math.sqrt(dot(first, first)), Math.sqrt(dot(last, last))], product = norms[0] * norms[1];
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(first, last) / Math.max(product, 1e-12)))), sine = Math.sin(angle);
  if (sine <= 1e-3 || product <= 1e-12) return;
  const norm = (1 - degree) * norms[0] + degree * norms[1];
  const weights = [Math.sin((1 - degree) * angle) / norms[0], Math.sin(degree * angle) / norms[1]];
  first.forEach((value, unit) => { row[unit] = (norm * (weights[0] * value + weights[1] * last[unit])) / sine; });
}

// A code moved by the amounts of sliders. What they add does not depend on how much of a level another one keeps.
function moved(row, amounts) {
  const result = row.slice(), known = new Map(page.sliders.map(slider => [slider.key, slider]));
  for (const [key, amount] of amounts) {
    const gain = known.get(key)?.gain;
    if (gain !== undefined) array("gains", gain).forEach((value, unit) => { result[unit] *= 1 + amount * value; });
  }
  for (const [key, amount] of amounts) {
    const direction = known.get(key)?.direction;
    if (direction !== undefined) array("directions", direction).forEach((value, unit) => { result[unit] += amount * value; });
  }
  return result;
}

// The faces of a sheet, row by row: paths along its top and bottom edges, joined by paths from top to bottom.
export function sheetFaces({ corners, path, cells }) {
  const degrees = Array.from({ length: cells }, (_, i) => i / (cells - 1));
  const between = (first, last, degree) =>
    (degree === 0 ? first : degree === 1 ? last : { first, last, path, degree, amounts: {} });
  const edge = (first, last) => degrees.map(degree => between(first, last, degree));
  const top = edge(corners[0], corners[1]), bottom = edge(corners[2], corners[3]);
  return degrees.flatMap(degree => top.map((above, i) => between(above, bottom[i], degree)));
}
