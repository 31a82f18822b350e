// The shelf: faces that are kept. It is in the address, and this browser remembers it for the next time.

import { attempt, complain, save } from "./ask.js";
import { $, button, element } from "./dom.js";
import { keyOf, look, sameFace } from "./faces.js";
import { MOST_KEPT, change, onChange, state } from "./state.js";

let place; // In the browser's storage, one for each model.

export function storedShelf(about) {
  place = `jaxvae-shelf:${about.run}:${about.step}`;
  return stored();
}

function stored() {
  try {
    const faces = JSON.parse(localStorage.getItem(place));
    return Array.isArray(faces) ? faces.slice(-MOST_KEPT) : [];
  } catch {
    return []; // Damaged, or the browser stores nothing.
  }
}

// Remembers a face, or forgets it. The others stay as they are: an address may come with a shelf of someone else's.
function store(face, kept) {
  const others = stored().filter(each => !sameFace(each, face));
  try {
    localStorage.setItem(place, JSON.stringify((kept ? [...others, face] : others).slice(-MOST_KEPT)));
  } catch {
    // The address still has them.
  }
}

const missing = () => stored().filter(face => !state.shelf.some(kept => sameFace(kept, face)));

export function keep(face) {
  const shelf = $("#shelf");
  return attempt(shelf, async () => {
    if (state.shelf.some(kept => sameFace(kept, face))) throw new Error("This face is kept already.");
    if (state.shelf.length >= MOST_KEPT) throw new Error(`The shelf holds ${MOST_KEPT} faces; remove one first.`);
    const end = await look(face);
    store(end.name, true);
    change({ shelf: [...state.shelf, end.name] });
    $("#kept").lastElementChild.scrollIntoView({ block: "nearest", inline: "end" });
  });
}

export function setUpShelf(about) {
  const shelf = $("#shelf");
  $("#save-codes").addEventListener("click", () =>
    attempt(shelf, () => save("/codes.npz", { faces: state.shelf }, "shelf.npz")));
  $("#decode-hint").textContent = `python -m jaxvae.decode runs/${about.run} shelf.npz`;

  $("#restore").addEventListener("click", () => change({ shelf: [...state.shelf, ...missing()].slice(-MOST_KEPT) }));

  const items = new Map();
  function show() {
    const keys = state.shelf.map(keyOf);
    for (const key of items.keys()) if (!keys.includes(key)) items.delete(key);
    state.shelf.forEach((face, i) => {
      if (!items.has(keys[i])) items.set(keys[i], makeItem(face));
      items.get(keys[i]).rename(i + 1);
    });
    $("#kept").replaceChildren(...keys.map(key => items.get(key).node));
    $("#shelf-empty").hidden = state.shelf.length > 0;
    $("#shelf-files").hidden = !state.shelf.length || !about.served;
    const count = missing().length;
    $("#restore").hidden = !count;
    $("#restore").textContent = `Add ${count} kept earlier`;
  }
  onChange(["shelf"], show);
  show();
}

function makeItem(face) {
  const image = element("img", { hidden: true });
  const lost = element("p", { className: "lost", hidden: true });
  const first = button("From", {}, () => change({ first: face }));
  const last = button("To", {}, () => change({ last: face }));
  const remove = button("✕", { className: "remove" }, () => {
    store(face, false);
    change({ shelf: state.shelf.filter(each => !sameFace(each, face)) });
    complain($("#shelf"), "");
    ($("#kept .remove") || $("#keep")).focus();
  });
  look(face).then(end => Object.assign(image, { src: end.picture, hidden: false }), error => {
    lost.textContent = error.message;
    lost.hidden = false;
    first.disabled = last.disabled = true;
  });
  const node = element("li", {}, image, lost, element("div", { className: "buttons" }, first, last, remove));
  const rename = number => {
    image.alt = `kept face ${number}`;
    first.setAttribute("aria-label", `From kept face ${number}`);
    last.setAttribute("aria-label", `To kept face ${number}`);
    remove.setAttribute("aria-label", `Remove kept face ${number}`);
    remove.title = "Remove";
  };
  return { node, rename };
}
