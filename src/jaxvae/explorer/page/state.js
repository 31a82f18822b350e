// What is chosen on the page. All of it is in the address, see address.js; every module shows it and changes it here.

export const MOST_KEPT = 24, MOST_MIXED = 6;

export const state = {
  first: "", last: "", path: "linear", degree: 0.5, amounts: {},
  draw: { prior: "", temperature: 1, seed: 0, wanted: {} }, // `wanted`: values by attribute.
  exchange: {}, // Values by attribute, of the face in the middle.
  shelf: [], // Faces.
  mix: [], // [face, weight] pairs.
  corners: [], // Four faces, or none before the sheet is first opened.
  tool: "attributes",
};

const listeners = [];

// Calls `listener(part)` after a change of any of these fields; `part` is the part of the page that changed them, if any.
export function onChange(fields, listener) {
  listeners.push({ fields, listener });
}

export function change(fields, part = null) {
  const changed = Object.keys(fields).filter(name => JSON.stringify(state[name]) !== JSON.stringify(fields[name]));
  if (!changed.length) return;
  Object.assign(state, fields);
  for (const { fields: watched, listener } of listeners) {
    if (watched.some(name => changed.includes(name))) listener(part);
  }
}
