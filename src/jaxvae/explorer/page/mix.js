// A mixture of several faces, by weight.

import { attempt, complain, latest } from "./ask.js";
import { $, button, element, setOptions } from "./dom.js";
import { faceChoices, look, randomImage, sameFace } from "./faces.js";
import { keep } from "./shelf.js";
import { makeSlider } from "./slider.js";
import { MOST_MIXED, change, onChange, state } from "./state.js";
import { whenOpen } from "./tabs.js";

// The mixture as a face; null as long as fewer than two faces have a weight.
function mixture() {
  const parts = state.mix.filter(([, weight]) => weight >= 0.001);
  return parts.length < 2 ? null : { mix: parts };
}

export function setUpMix(about) {
  const panel = $("#panel-mix"), choice = $("#mix-choice"), uses = [$("#mix-first"), $("#mix-last"), $("#mix-keep")];
  let rows = [];

  $("#mix-add").addEventListener("click", () => {
    const face = choice.value === "random" ? randomImage(about) : faceChoices()[Number(choice.value)][1];
    if (state.mix.some(([mixed]) => sameFace(mixed, face))) complain(panel, "This face is in the mix already.");
    else if (state.mix.length >= MOST_MIXED) complain(panel, `A mix has at most ${MOST_MIXED} faces; remove one first.`);
    else {
      complain(panel, "");
      change({ mix: [...state.mix, [face, 0.5]] });
    }
  });
  uses[0].addEventListener("click", () => change({ first: mixture() }));
  uses[1].addEventListener("click", () => change({ last: mixture() }));
  uses[2].addEventListener("click", () => keep(mixture()));

  const showChoices = () => {
    const random = about.test_images ? [["random", "a random image"]] : [];
    setOptions(choice, [...faceChoices().map(([text], i) => [String(i), text]), ...random]);
  };
  onChange(["shelf", "first", "last"], showChoices);
  showChoices();

  function makeRow(face, index) {
    const name = `Weight of face ${index + 1}`, image = element("img", { alt: "" });
    const weight = makeSlider({
      label: name, low: 0, high: 1, step: 0.01, neutral: 0.5, digits: 2, part: () => panel,
    }, value => change({ mix: state.mix.map((part, i) => (i === index ? [part[0], value] : part)) }));
    const share = element("output", { className: "share" });
    const remove = button("✕", { className: "remove", title: "Remove", "aria-label": `Remove face ${index + 1} from the mix` },
      () => change({ mix: state.mix.filter((_, i) => i !== index) }));
    attempt(panel, async () => { image.src = (await look(face)).picture; });
    const node = element("li", {}, image, weight.row, share, remove);
    return { face, node, weight, share };
  }

  function showRows() {
    const same = rows.length === state.mix.length && rows.every((row, i) => sameFace(row.face, state.mix[i][0]));
    if (!same) {
      rows = state.mix.map(([face], i) => makeRow(face, i));
      $("#mixed").replaceChildren(...rows.map(row => row.node));
    }
    const total = state.mix.reduce((sum, [, weight]) => sum + weight, 0);
    state.mix.forEach(([, weight], i) => {
      rows[i].weight.set(weight);
      rows[i].share.textContent = total ? `${Math.round(100 * weight / total)} %` : "0 %";
    });
  }
  const draw = latest(() => attempt(panel, async () => {
    const face = mixture(), picture = $("#mix-picture");
    for (const use of uses) use.disabled = !face;
    $("#mix-result").hidden = !face;
    $("#mix-hint").hidden = Boolean(face);
    if (!face) return;
    picture.src = (await look(face)).picture;
  }));
  whenOpen("mix", ["mix"], () => {
    showRows();
    draw();
  });
}
