// The sliders of attributes, units and levels, each group in its own tab.

import { $, button, element } from "./dom.js";
import { makeSlider } from "./slider.js";
import { change, onChange, state } from "./state.js";

const GROUPS = {
  attributes: "Add attributes to the face, or take them away. 1 is the step from the mean without to the mean with it.",
  levels: "How much of each level of the code is kept, the coarsest first: 1 all of it, 0 the mean of its prior.",
  units: "Move single units of the code, those that say most about an image first. In standard deviations of the codes.",
};
const STEP = 0.05;

export function setUpSliders(about) {
  for (const [name, hint] of Object.entries(GROUPS)) {
    const sliders = about.sliders[name] || [];
    if (sliders.length) setUpGroup($(`#panel-${name}`), hint, sliders);
  }
}

function setUpGroup(panel, hint, sliders) {
  const made = sliders.map(slider => makeSlider({
    label: slider.label.replaceAll("_", " "), note: slider.note,
    low: slider.low + slider.neutral, high: slider.high + slider.neutral,
    step: STEP, neutral: slider.neutral, digits: 2, part: () => panel,
  }, shown => {
    const amount = shown - slider.neutral;
    const amounts = { ...state.amounts };
    if (amount) amounts[slider.key] = amount;
    else delete amounts[slider.key];
    change({ amounts }, panel);
  }));
  sliders.forEach((slider, i) => { $("input", made[i].row).dataset.key = slider.key; });
  const reset = button("Reset all", { className: "reset-all" }, () => {
    const keys = sliders.map(slider => slider.key);
    change({ amounts: Object.fromEntries(Object.entries(state.amounts).filter(([key]) => !keys.includes(key))) }, panel);
  });
  panel.append(
    element("div", { className: "row" }, element("p", { className: "hint", textContent: hint }), reset),
    element("div", { className: "messages" }),
    element("div", { className: "sliders" }, ...made.map(each => each.row)),
  );
  const show = () => {
    sliders.forEach((slider, i) => made[i].set((state.amounts[slider.key] || 0) + slider.neutral));
    reset.disabled = !sliders.some(slider => state.amounts[slider.key]);
  };
  onChange(["amounts"], show);
  show();
}
