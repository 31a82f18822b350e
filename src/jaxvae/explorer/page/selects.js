// A select per attribute: one of its values, or none of them.

import { element } from "./dom.js";

// `set` shows values by attribute; `onChange` gets them after a choice. `unchosen` is what no choice means.
export function makeSelects(attributes, purpose, unchosen, onChange) {
  const chosen = {}, selects = new Map();
  const rows = Object.entries(attributes).map(([name, values]) => {
    const binary = values.every(value => value === "0" || value === "1"), texts = { 1: "yes", 0: "no" };
    const select = element("select", { ariaLabel: `${purpose} ${name}` }, new Option(unchosen, ""),
      ...values.map(value => new Option(binary ? texts[value] : value, value)));
    select.dataset.attribute = name;
    selects.set(name, select);
    select.addEventListener("change", () => {
      if (select.value) chosen[name] = select.value;
      else delete chosen[name];
      onChange({ ...chosen });
    });
    return element("label", {}, element("span", { textContent: name.replaceAll("_", " ") }), select);
  });
  const set = values => {
    for (const [name, select] of selects) {
      select.value = values[name] || "";
      if (select.value) chosen[name] = select.value;
      else delete chosen[name];
    }
  };
  return { rows, set };
}
