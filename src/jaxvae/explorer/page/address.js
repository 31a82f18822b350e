// The address: all that is chosen, written behind the # so that it can be reloaded, shared, and gone back to. Undo and
// redo are the browser's back and forward.

import { $ } from "./dom.js";
import { MOST_KEPT, MOST_MIXED, change, onChange, state } from "./state.js";

const QUIET = 500; // Milliseconds without a change before a step is recorded: dragging a slider is one step.

let defaults, sliderKeys, tools, index = 0, top = 0, timer = null, written = "";

const ALWAYS = ["first", "last", "shelf"]; // Other fields are omitted where they have their default values.

const FIELDS = {
  from: ["first", String, face], to: ["last", String, face],
  path: ["path", String, text => known(text, defaults.paths)],
  at: ["degree", String, text => number(text, 0, 1)],
  move: ["amounts", JSON.stringify, amounts],
  draw: ["draw", draw => `${draw.prior},${draw.temperature},${draw.seed}${asked(draw.wanted)}`, draw],
  exchange: ["exchange", values => asked(values).slice(1), text => values(text.split(","), defaults.exchangeable)],
  kept: ["shelf", shelf => (shelf.length ? JSON.stringify(shelf) : "none"), kept],
  mix: ["mix", JSON.stringify, text => list(text, 0, MOST_MIXED).filter(isPart)],
  corners: ["corners", JSON.stringify, text => list(text, 4, 4).map(checkFace)],
  tool: ["tool", String, text => known(text, tools)],
};

function write(fields) {
  const parameters = new URLSearchParams();
  for (const [name, [field, format]] of Object.entries(FIELDS)) {
    const value = fields[field];
    if (!ALWAYS.includes(field) && JSON.stringify(value) === JSON.stringify(defaults.fields[field])) continue;
    parameters.set(name, typeof value === "string" || format !== String ? format(value) : JSON.stringify(value));
  }
  return `#${parameters.toString().replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%3D/g, "=")}`;
}

// What an address says; whatever it does not say, or says wrongly, has its default value.
function read(hash) {
  const parameters = new URLSearchParams(hash.slice(1)), fields = structuredClone(defaults.fields);
  for (const [name, [field, , parse]] of Object.entries(FIELDS)) {
    if (!parameters.has(name)) continue;
    try {
      fields[field] = parse(parameters.get(name));
    } catch {
      // A damaged part of an address changes nothing.
    }
  }
  return fields;
}

// Restores what the address says, and records changes from now on. `kept` is the shelf if it says nothing of one.
export function setUpAddress(about, toolNames, kept) {
  sliderKeys = new Map(Object.values(about.sliders).flat().map(slider => [slider.key, slider]));
  tools = toolNames;
  const fields = { ...structuredClone(state), first: about.first, last: about.last, tool: toolNames[0] };
  fields.draw.prior = about.priors[0] || "";
  const { paths, priors, requestable, exchangeable } = about;
  defaults = { paths, priors, requestable, exchangeable, fields };
  index = history.state?.index ?? 0;
  top = Math.max(index, Number(sessionStorage.getItem("jaxvae-top")) || 0);
  const shelf = new URLSearchParams(location.hash.slice(1)).has("kept") ? {} : { shelf: kept };
  change({ ...read(location.hash), ...shelf });
  record(history.replaceState);

  onChange(Object.keys(fields), () => {
    clearTimeout(timer);
    timer = setTimeout(step, QUIET);
  });
  window.addEventListener("popstate", event => {
    clearTimeout(timer);
    timer = null;
    if (event.state) index = event.state.index;
    else top = ++index; // The address was edited by hand.
    change(read(location.hash));
    clearTimeout(timer);
    timer = null;
    record(history.replaceState);
  });
  $("#undo").addEventListener("click", undo);
  $("#redo").addEventListener("click", redo);
  document.addEventListener("keydown", event => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.target.matches("input:not([type=range], [type=radio])")) return; // Fields undo their own typing.
    event.preventDefault();
    (event.shiftKey ? redo : undo)();
  });
}

// Records a step now, if anything has changed since the last one.
function step() {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  if (write(state) === written) return;
  top = ++index;
  record(history.pushState);
}

function record(how) {
  written = write(state);
  how.call(history, { index }, "", written);
  sessionStorage.setItem("jaxvae-top", top);
  $("#undo").disabled = index === 0;
  $("#redo").disabled = index >= top;
}

function undo() {
  if (timer !== null) step();
  if (index > 0) history.back();
}

function redo() {
  if (timer !== null) step();
  if (index < top) history.forward();
}

const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);
const isFace = value => (typeof value === "string" && value !== "") || isObject(value);
const isPart = value => Array.isArray(value) && value.length === 2 && isFace(value[0]) && value[1] >= 0 && value[1] <= 1;

function face(text) {
  const value = text.startsWith("{") ? JSON.parse(text) : text;
  return checkFace(value);
}

function checkFace(value) {
  if (!isFace(value)) throw new Error();
  return value;
}

function kept(text) {
  return text === "none" ? [] : list(text, 0, MOST_KEPT).map(checkFace);
}

function known(text, names) {
  if (!names.includes(text)) throw new Error();
  return text;
}

function number(text, low, high) {
  const value = Number(text);
  if (text.trim() === "" || !(value >= low && value <= high)) throw new Error();
  return value;
}

function list(text, least, most) {
  const value = JSON.parse(text);
  if (!Array.isArray(value) || value.length < least || value.length > most) throw new Error();
  return value;
}

function amounts(text) {
  const entries = Object.entries(JSON.parse(text)).filter(([key, amount]) => {
    const slider = sliderKeys.get(key);
    return slider && typeof amount === "number" && amount && amount >= slider.low && amount <= slider.high;
  });
  return Object.fromEntries(entries);
}

// Values of attributes as they are written in an address, a comma before each, and read from it.
const asked = wanted => Object.entries(wanted).map(pair => `,${pair.map(encodeURIComponent).join("=")}`).join("");

function values(pairs, attributes) {
  const wanted = Object.fromEntries(pairs.map(pair => pair.split("=").map(decodeURIComponent)));
  for (const [name, value] of Object.entries(wanted)) known(value, attributes[name] || []);
  return wanted;
}

function draw(text) {
  const [prior, temperature, seed, ...pairs] = text.split(",");
  const whole = number(seed, 0, 2 ** 32 - 1);
  if (!Number.isInteger(whole)) throw new Error();
  return {
    prior: known(prior, defaults.priors), temperature: number(temperature, 0, 2), seed: whole,
    wanted: values(pairs, defaults.requestable),
  };
}
