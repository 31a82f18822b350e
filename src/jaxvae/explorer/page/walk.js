// The face in the middle: the point of the walk at a degree, moved by the sliders.

import { attempt, latest } from "./ask.js";
import { $, setOptions } from "./dom.js";
import { currentMove, look, shownFace } from "./faces.js";
import { ask } from "./server.js";
import { keep } from "./shelf.js";
import { makeSlider } from "./slider.js";
import { change, onChange, state } from "./state.js";

const PATHS = {
  linear: "straight line", spherical: "great circle", geodesic: "shortest in pixels (slow)",
  "prior:model": "typical of the prior", "prior:fitted_flow": "typical of the fitted flow",
  "prior:fitted_mixture": "typical of the fitted mixture",
};

let cause; // The part of the page that the last change came from, where an error belongs.

const show = latest(async () => {
  try {
    await Promise.all([look(state.first), look(state.last)]);
  } catch {
    $("#status").textContent = "Choose both ends to walk between them.";
    return; // Their cards say why.
  }
  const part = cause;
  await attempt(part, async () => {
    const request = currentMove(), start = performance.now(), picture = $("#picture"), old = picture.src;
    picture.src = URL.createObjectURL(await (await ask("/move", request)).blob());
    if (old) URL.revokeObjectURL(old);
    await picture.decode();
    picture.dataset.milliseconds = (performance.now() - start).toFixed(1);
    picture.alt = `the face ${Math.round(100 * request.degree)} % of the way`;
    $("#status").textContent = `${Math.round(100 * request.degree)} % of the way`;
  });
});

export function setUpWalk(about) {
  const walk = $("#walk"), path = $("#path");
  cause = walk;
  setOptions(path, about.paths.map(name => [name, PATHS[name] || name]));
  path.addEventListener("change", () => change({ path: path.value }, walk));
  const degree = makeSlider({
    label: "Degree", low: 0, high: 1, step: 0.01, neutral: 0.5, digits: 2, id: "degree", part: () => walk,
  }, value => change({ degree: value }, walk));
  $("#degree-row").append(degree.row);
  $("#keep").addEventListener("click", () => keep(shownFace()));
  $("#swap").addEventListener("click", () =>
    change({ first: state.last, last: state.first, degree: Number((1 - state.degree).toFixed(4)) }, walk));

  const showControls = () => {
    path.value = state.path;
    degree.set(state.degree);
  };
  onChange(["path", "degree"], showControls);
  onChange(["first", "last", "path", "degree", "amounts"], part => {
    cause = part || walk;
    show();
  });
  showControls();
  if (state.first && state.last) show();
}
