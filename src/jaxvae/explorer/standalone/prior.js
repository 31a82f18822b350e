// Samples: a Gaussian of a mixture is chosen, and a code drawn from it. The same seed gives the same samples, which are
// others than those of the command, whose random numbers are JAX's.

import { array, page } from "./model.js";

// Random numbers from 0 to 1 (sfc32, of the PractRand test suite), seeded by whole numbers.
function randomFrom(...seeds) {
  let [a, b, c, d] = [...seeds, 0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  const next = () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return ((sum >>> 0) + 0.5) / 2 ** 32;
  };
  for (let round = 0; round < 20; round++) next(); // Similar seeds begin alike.
  return next;
}

// Standard normal numbers, two at a time (Box & Muller 1958).
function normals(random, count) {
  const values = new Float32Array(count + (count % 2));
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(random())), angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  return values.subarray(0, count);
}

// The code of a sample: mean + temperature · factor · ε, and temperature · ε for units that the prior says nothing of.
export function drawRow({ prior, seed, temperature, index }) {
  if (!page.about.priors.includes(prior)) throw new Error(`this page has no prior ${prior}.`);
  const random = randomFrom(seed, index), weights = array(`${prior}:weights`);
  let left = random(), component = 0;
  while (component < weights.length - 1 && left >= weights[component]) left -= weights[component++];
  const mean = array(`${prior}:means`, component), factor = array(`${prior}:factors`, component);
  // Factors are a matrix for each Gaussian, or where units are independent a number for each of them.
  const rank = page.arrays[`${prior}:factors`].shape[2], noise = normals(random, rank ?? mean.length);
  const row = new Float32Array(page.units), rest = normals(random, page.units - mean.length);
  mean.forEach((value, unit) => { row[unit] = value + temperature * spread(factor, noise, unit, rank); });
  rest.forEach((value, i) => { row[mean.length + i] = temperature * value; });
  return row;
}

function spread(factor, noise, unit, rank) {
  if (rank === undefined) return factor[unit] * noise[unit];
  return factor.subarray(unit * rank, (unit + 1) * rank).reduce((sum, value, i) => sum + value * noise[i], 0);
}
