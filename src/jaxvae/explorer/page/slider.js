// A slider with a field for its number and a button that resets it; a double click on the slider resets it too.

import { complain } from "./ask.js";
import { button, element } from "./dom.js";

// Makes a slider. `part` is where a number out of range is reported, `neutral` what a reset sets.
// Returns {row, set}; `set(value)` shows a value without calling `onInput`.
export function makeSlider({ label, note = "", low, high, step, neutral, digits, id = "", part }, onInput) {
  const range = element("input", { type: "range", min: low, max: high, step, value: neutral, id, "aria-label": label });
  const field = element("input", {
    type: "number", min: low, max: high, step: "any", value: neutral.toFixed(digits), inputMode: "text",
    "aria-label": `${label}, as a number`,
  });
  const reset = button("↺", { className: "reset", title: `Reset ${label}`, "aria-label": `Reset ${label}` },
    () => choose(neutral));
  const name = element("span", { className: "name" }, label);
  if (note) name.append(element("span", { className: "note", textContent: note }));

  function set(value) {
    range.value = value;
    if (document.activeElement !== field || Number(field.value) !== value) field.value = value.toFixed(digits);
    reset.disabled = value === neutral;
  }
  function choose(value) {
    const focused = document.activeElement === reset;
    complain(part(), "");
    set(value);
    if (focused) range.focus(); // The button is disabled now and would lose the focus to the page.
    onInput(value);
  }
  range.addEventListener("input", () => choose(Number(range.value)));
  range.addEventListener("dblclick", () => choose(neutral));
  field.addEventListener("change", () => {
    const value = Number(field.value);
    if (field.value.trim() !== "" && value >= low && value <= high) choose(value);
    else complain(part(), `${label} is ${field.value || "not a number"}, but must be between ${low} and ${high}.`);
  });
  set(neutral);
  return { row: element("div", { className: "slider" }, name, range, field, reset), set };
}
