// What a click on a face does, in the samples, the gallery, the map and the sheet: it becomes an end, a corner of the
// sheet, or is kept. The choice is a control of its own, since fingers have no Shift key.

import { $, element } from "./dom.js";
import { keep } from "./shelf.js";
import { change, state } from "./state.js";

const TARGETS = { first: "sets From", last: "sets To", shelf: "keeps it" };
export const CORNERS = ["top left", "top right", "bottom left", "bottom right"];

let target = "last";

function set(where, face) {
  if (where === "shelf") keep(face);
  else if (where.startsWith("corner")) {
    const corners = [...state.corners];
    corners[Number(where.slice(6))] = face;
    change({ corners });
  } else change({ [where]: face });
}

// Uses a face as chosen; with Shift, as the other end.
export function pick(face, shift = false) {
  const other = { last: "first", first: "last" };
  set((shift && other[target]) || target, face);
}

// A button with a face on it, to be picked.
export function pickable(face, source, name) {
  const image = element("img", { src: source, alt: "", loading: "lazy" });
  const made = element("button", { type: "button", "aria-label": name, title: name }, image);
  made.addEventListener("click", event => pick(face, event.shiftKey));
  return made;
}

export function chooseTarget(name) {
  target = name;
  const corner = name.startsWith("corner") ? Number(name.slice(6)) : null;
  const shown = $("#corner-target");
  shown.hidden = corner === null;
  if (corner !== null) {
    $("span", shown).textContent = `sets the ${CORNERS[corner]} corner`;
    $("input", shown).value = name;
  }
  for (const input of document.querySelectorAll("#target input")) input.checked = input.value === name;
}

export function setUpTarget() {
  const choices = [...Object.entries(TARGETS), ["corner0", ""]].map(([value, text]) => {
    const input = element("input", { type: "radio", name: "target", value });
    input.addEventListener("change", () => chooseTarget(input.value));
    return element("label", { id: value === "corner0" ? "corner-target" : "" }, input, element("span", {}, text));
  });
  $("#target").append(...choices);
  chooseTarget("last");
}
