// Samples from a prior.

import { askJson, attempt, complain, latest, save } from "./ask.js";
import { $, setOptions } from "./dom.js";
import { makeSelects } from "./selects.js";
import { know } from "./faces.js";
import { pickable } from "./pick.js";
import { makeSlider } from "./slider.js";
import { change, state } from "./state.js";
import { whenOpen } from "./tabs.js";

const PRIORS = { model: "the model's own", fitted_mixture: "fitted mixture", fitted_flow: "fitted flow",
  fitted_flow_matching: "flow matching" };
const KNOWS_ATTRIBUTES = "fitted_flow_matching";
const MAX_SEED = 2 ** 32 - 1;

export function setUpDraws(about) {
  if (!about.priors.length) return;
  const panel = $("#panel-draws"), prior = $("#prior"), seed = $("#seed");
  const set = fields => change({ draw: { ...state.draw, ...fields } }, panel);
  setOptions(prior, about.priors.map(name => [name, PRIORS[name] || name]));
  prior.addEventListener("change", () => set({ prior: prior.value, ...(prior.value !== KNOWS_ATTRIBUTES && { wanted: {} }) }));
  const selects = makeSelects(about.requestable, "Samples by", "any", wanted => set({ prior: KNOWS_ATTRIBUTES, wanted }));
  $("#wanted").append(...selects.rows);
  $("#request").hidden = !selects.rows.length;
  const temperature = makeSlider({
    label: "Temperature", low: 0, high: 2, step: 0.05, neutral: 1, digits: 2, id: "temperature", part: () => panel,
  }, value => set({ temperature: value }));
  $("#temperature-row").append(temperature.row);
  seed.addEventListener("change", () => {
    const value = Number(seed.value);
    if (seed.value.trim() !== "" && Number.isInteger(value) && value >= 0 && value <= MAX_SEED) set({ seed: value });
    else complain(panel, `The seed is ${seed.value || "not a number"}, but must be a whole number from 0 to ${MAX_SEED}.`);
  });
  $("#next-seed").addEventListener("click", () => set({ seed: (state.draw.seed + 1) % (MAX_SEED + 1) }));
  $("#save-draws").addEventListener("click", () => attempt(panel, () => save("/draw.png", state.draw, "samples.png")));

  const draw = latest(() => attempt(panel, async () => {
    const ends = (await askJson("/draw", state.draw)).map(know);
    $("#drawn").replaceChildren(...ends.map((end, i) => pickable(end.name, end.picture, `Sample ${i + 1}`)));
  }));
  whenOpen("draws", ["draw"], () => {
    prior.value = state.draw.prior;
    temperature.set(state.draw.temperature);
    seed.value = state.draw.seed;
    selects.set(state.draw.wanted);
    const count = Object.keys(state.draw.wanted).length;
    $("#request-count").textContent = count ? `(${count} chosen)` : "";
    draw();
  });
}
