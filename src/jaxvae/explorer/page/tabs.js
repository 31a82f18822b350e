// The tools, one of them open, as tabs that the arrow keys move between.

import { $, button } from "./dom.js";
import { change, onChange, state } from "./state.js";

const TITLES = {
  attributes: "Attributes", exchange: "Exchange", units: "Units", levels: "Levels", draws: "Samples", gallery: "Gallery",
  map: "Map", like: "Similar", sheet: "Sheet", mix: "Mix", save: "Save",
};
const PICKING = ["draws", "gallery", "map", "like", "sheet"]; // Where a click picks a face.

// The tools that this run offers, in their order.
export function toolNames(about) {
  const compares = about.test_images && about.served;
  const missing = {
    attributes: !about.sliders.attributes?.length, exchange: !Object.keys(about.exchangeable).length, units: !about.sliders.units?.length,
    levels: !about.sliders.levels?.length, draws: !about.priors.length,
    gallery: !about.test_images, map: !compares, like: !compares,
  };
  return Object.keys(TITLES).filter(name => !missing[name]);
}

export function setUpTabs(names) {
  const tabs = names.map(name => button(TITLES[name], {
    role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`,
  }, () => change({ tool: name })));
  $("#tabs").append(...tabs);
  $("#tabs").addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -names.length, End: names.length }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = names.indexOf(state.tool) + step;
    const next = Math.abs(step) === 1 ? (at + names.length) % names.length : Math.min(Math.max(at, 0), names.length - 1);
    change({ tool: names[next] });
    tabs[next].focus();
  });
  const show = () => {
    for (const [i, name] of names.entries()) {
      tabs[i].setAttribute("aria-selected", name === state.tool);
      tabs[i].tabIndex = name === state.tool ? 0 : -1;
      $(`#panel-${name}`).hidden = name !== state.tool;
    }
    $("#target").hidden = !PICKING.includes(state.tool);
  };
  onChange(["tool"], show);
  show();
}

// Calls `work` when the tool is opened, and when one of the fields changes while it is open.
export function whenOpen(tool, fields, work) {
  const run = () => { if (state.tool === tool) work(); };
  onChange(["tool", ...fields], run);
  run();
}
