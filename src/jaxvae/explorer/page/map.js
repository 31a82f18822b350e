// The codes of test images in the plane, with the walk among them.

import { askJson, attempt, latest } from "./ask.js";
import { $, element, setOptions } from "./dom.js";
import { currentMove, shownFace } from "./faces.js";
import { pick } from "./pick.js";
import { drawPlot, nearestTo, nextTowards, scalePoints } from "./plot.js";
import { thumbnail } from "./server.js";
import { state } from "./state.js";
import { whenOpen } from "./tabs.js";

export function setUpMap(about) {
  const panel = $("#panel-map"), canvas = $("#map"), attribute = $("#map-attribute"), tip = $("#map-tip");
  let codes = null, walk = { trail: [], marks: [] }, places = [], selected = -1;

  setOptions(attribute, [["", "nothing"], ...Object.keys(about.attributes).map(name => [name, name.replaceAll("_", " ")])]);
  attribute.value = Object.keys(about.attributes)[0] || "";

  function draw() {
    if (!codes || !canvas.clientWidth) return;
    // The walk may leave the region of the images, and has to be seen too.
    const everything = [...codes.points, ...walk.trail, ...walk.marks.map(mark => mark.point)];
    const place = scalePoints(everything, canvas.clientWidth, canvas.clientHeight);
    places = codes.points.map(place);
    const marks = walk.marks.map(mark => ({ ...mark, place: place(mark.point) }));
    drawPlot(canvas, { places, groups: codes.groups, trail: walk.trail.map(place), marks, selected });
  }

  function select(index) {
    selected = index;
    tip.hidden = index < 0;
    if (index >= 0) {
      const name = `test:${codes.indices[index]}`, [x, y] = places[index];
      $("img", tip).src = thumbnail(name);
      $("span", tip).textContent = name;
      tip.style.left = `${Math.min(x + 12, canvas.clientWidth - 92)}px`;
      tip.style.top = `${Math.min(y + 12, canvas.clientHeight - 108)}px`;
    }
    draw();
  }

  const layOut = latest(() => attempt(panel, async () => {
    codes = await askJson("/map", { attribute: attribute.value });
    $("#map-legend").replaceChildren(...(codes.labels || []).map((label, i) => {
      const named = codes.labels.length <= 2 && /^[01]$/.test(label) ? ["no", "yes"][label] : label;
      return element("li", {}, element("span", { className: `swatch c${i}` }), `${named} (${codes.counts[i]})`);
    }));
    $("#map-axes").textContent = `Across: ${codes.axes[0]}. Up: ${codes.axes[1]}.`;
    draw();
    await follow();
  }));
  const follow = latest(async () => {
    const [trail, [first, last, shown]] = await Promise.all([
      askJson("/trail", currentMove()), askJson("/places", { faces: [state.first, state.last, shownFace()] }),
    ]);
    const marks = [{ point: first, text: "From" }, { point: last, text: "To", below: true }, { point: shown, text: "" }];
    walk = { trail, marks };
    draw();
  });

  const position = event => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointermove", event => select(nearestTo(position(event), places)));
  canvas.addEventListener("pointerleave", () => select(-1));
  canvas.addEventListener("click", event => {
    const index = nearestTo(position(event), places);
    if (index >= 0) pick(`test:${codes.indices[index]}`, event.shiftKey);
  });
  canvas.addEventListener("keydown", event => {
    if (!places.length) return;
    if (event.key.startsWith("Arrow")) select(selected < 0 ? 0 : nextTowards(event.key, selected, places));
    else if (event.key === "Enter" && selected >= 0) pick(`test:${codes.indices[selected]}`, event.shiftKey);
    else if (event.key === "Escape") select(-1);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => select(-1));
  attribute.addEventListener("change", layOut);
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  whenOpen("map", ["first", "last", "path", "degree", "amounts"], () => (codes ? attempt(panel, follow) : layOut()));
}
