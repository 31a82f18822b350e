// Faces: a name, a point of a walk or a mixture, as jaxvae/explorer/faces.py describes them, and what they look like.

import { askJson } from "./ask.js";
import { state } from "./state.js";

const MAX_KNOWN = 500;
const known = new Map(); // Promises of what the server answers, by key.

export const keyOf = face => (typeof face === "string" ? face : JSON.stringify(face));
export const sameFace = (one, other) => keyOf(one) === keyOf(other);

// What a face looks like: {name, label, picture}, and {decoded, psnr_db} if it is an original.
export function look(face) {
  const key = keyOf(face);
  if (!known.has(key)) {
    remember(key, askJson("/end", { name: face }));
    known.get(key).catch(() => known.delete(key)); // Asked again next time.
  }
  return known.get(key);
}

function remember(key, answer) {
  known.set(key, answer);
  if (known.size > MAX_KNOWN) known.delete(known.keys().next().value);
}

// Takes note of a face that the server has described without being asked by `look`.
export function know(end) {
  remember(keyOf(end.name), Promise.resolve(end));
  return end;
}

// The point of the walk that is shown: without changes, an end is just itself.
export function shownFace() {
  if (!Object.keys(state.amounts).length && (state.degree === 0 || state.degree === 1)) {
    return state.degree === 0 ? state.first : state.last;
  }
  return currentMove();
}

export const currentMove = () => ({
  first: state.first, last: state.last, path: state.path, degree: state.degree, amounts: state.amounts,
});

export const randomImage = about => `test:${Math.floor(Math.random() * about.test_images)}`;

// The faces that can be mixed or become corners, as [text, face] pairs.
export function faceChoices() {
  const kept = state.shelf.map((face, index) => [`kept face ${index + 1}`, face]);
  return [["From", state.first], ["To", state.last], ["the face shown", shownFace()], ...kept];
}
