"use strict";
// The page keeps the current choices and the server renders them. The next request waits for the previous answer and
// then sends the latest choices only, so dragging a slider never builds up a queue.

const PATHS = {
  linear: "straight line", spherical: "great circle", geodesic: "shortest in pixels (takes seconds)",
  "prior:model": "typical of the prior", "prior:fitted_flow": "typical of the fitted flow",
  "prior:fitted_mixture": "typical of the fitted mixture",
};
const PRIORS = { model: "the model's own", fitted_mixture: "fitted mixture", fitted_flow: "fitted flow" };
const GROUPS = {
  attributes: ["Attributes", "1 is the step from without to with the attribute"],
  units: ["Leading units", "in standard deviations of the codes"],
};
const SLOW = 150; // Milliseconds before a progress message is shown.

const $ = (selector, within = document) => within.querySelector(selector);
const chosen = { first: "", last: "", amounts: {} };
let about;

function showError(message) {
  $("#error").textContent = message;
  $("#error").hidden = !message;
}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body });
  } catch {
    throw new Error("The explorer does not respond; is its command still running?");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.error || `the explorer responded with status ${response.status}.`);
}

// Calls `work` now or after its current call ends; requests in the meantime are merged into one call.
function latest(work) {
  let running = false, pending = false;
  return async function run() {
    pending = true;
    if (running) return;
    running = true;
    while (pending) {
      pending = false;
      try {
        await work();
      } catch (error) {
        showError(error.message);
      }
    }
    running = false;
  };
}

function move() {
  return {
    first: chosen.first, last: chosen.last, path: $("#path").value,
    degree: Number($("#degree").value), amounts: chosen.amounts,
  };
}

const show = latest(async () => {
  if (!chosen.first || !chosen.last) return;
  const wait = setTimeout(() => { $("#status").textContent = "computing…"; }, SLOW);
  try {
    const request = move(), start = performance.now();
    const blob = await (await ask("/move", JSON.stringify(request))).blob();
    const picture = $("#picture"), old = picture.src;
    picture.src = URL.createObjectURL(blob);
    if (old) URL.revokeObjectURL(old);
    await picture.decode();
    picture.dataset.milliseconds = (performance.now() - start).toFixed(1);
    $("#status").textContent = `${Math.round(100 * request.degree)} % of the way`;
    showError("");
  } catch (error) {
    $("#status").textContent = "";
    throw error;
  } finally {
    clearTimeout(wait);
  }
});

function take(which, end) {
  const card = $(`.end[data-end=${which}]`);
  chosen[which] = end.name;
  $("img", card).src = end.picture;
  const ownName = /^(upload|draw):/.test(end.name) ? "" : end.name;
  $(".name", card).value = ownName;
  $(".label", card).textContent = ownName ? "" : end.label;
  showError("");
  show();
}

async function choose(which, path, body) {
  try {
    take(which, await (await ask(path, body)).json());
  } catch (error) {
    showError(error.message);
  }
}

const chooseNamed = (which, name) => choose(which, "/end", JSON.stringify({ name }));

async function upload(which, file) {
  if (file.size > about.largest_upload_bytes) {
    showError(`${file.name} is ${Math.ceil(file.size / 1e6)} MB; the limit for uploads is ${about.largest_upload_bytes / 1e6} MB.`);
    return;
  }
  await choose(which, `/upload?name=${encodeURIComponent(file.name)}`, file);
}

function setUpEnd(card) {
  const which = card.dataset.end, file = $(".file", card);
  $(".name", card).addEventListener("change", event => chooseNamed(which, event.target.value));
  $(".name", card).hidden = $(".another", card).hidden = !about.test_pictures;
  $(".another", card).addEventListener("click", () =>
    chooseNamed(which, `test:${Math.floor(Math.random() * about.test_pictures)}`));
  $(".choose", card).addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    if (file.files.length) await upload(which, file.files[0]);
    file.value = ""; // Lets the same file be chosen again.
  });
  card.addEventListener("dragover", event => event.preventDefault());
  card.addEventListener("drop", event => {
    event.preventDefault();
    if (event.dataTransfer.files.length) upload(which, event.dataTransfer.files[0]);
  });
  if (about[which]) chooseNamed(which, about[which]);
}

function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

function sliderRow(slider) {
  const input = element("input", {
    type: "range", min: slider.low, max: slider.high, step: (slider.high - slider.low) / 200, value: 0,
  });
  input.dataset.key = slider.key;
  const output = element("output", { textContent: "0.0" });
  input.addEventListener("input", () => {
    const amount = Number(input.value);
    if (amount) chosen.amounts[slider.key] = amount;
    else delete chosen.amounts[slider.key];
    output.textContent = amount.toFixed(1);
    show();
  });
  const text = element("span", { className: "text", title: `${slider.label}, ${slider.note}` }, slider.label,
    element("span", { className: "note", textContent: slider.note }));
  return element("label", { className: "slider" }, text, input, output);
}

function sliderGroup(name, sliders) {
  const reset = element("button", { type: "button", textContent: "Reset" });
  const [title, unit] = GROUPS[name];
  const head = element("div", { className: "head" }, element("h2", { textContent: title }),
    element("span", { className: "note", textContent: unit }), reset);
  const group = element("div", { className: "group", id: `group-${name}` }, head, ...sliders.map(sliderRow));
  reset.addEventListener("click", () => {
    for (const input of group.querySelectorAll("input")) {
      input.value = 0;
      input.dispatchEvent(new Event("input"));
    }
  });
  return group;
}

const drawRequest = () => ({
  prior: $("#prior").value, temperature: Number($("#temperature").value), seed: Number($("#seed").value),
});

const draw = latest(async () => {
  const ends = await (await ask("/draw", JSON.stringify(drawRequest()))).json();
  $("#drawn").replaceChildren(...ends.map(end => {
    const button = element("button", { type: "button", title: "use as the last image" },
      element("img", { src: end.picture, alt: "sample" }));
    button.addEventListener("click", event => take(event.shiftKey ? "first" : "last", end));
    return button;
  }));
  showError("");
});

function setUpDraws() {
  $("#draws").hidden = !about.priors.length;
  if (!about.priors.length) return;
  $("#prior").append(...about.priors.map(name => new Option(PRIORS[name] || name, name)));
  $("#prior").addEventListener("change", draw);
  $("#seed").addEventListener("change", draw);
  $("#temperature").addEventListener("input", event => {
    $("#temperature-value").textContent = Number(event.target.value).toFixed(2);
    draw();
  });
  $("#next-seed").addEventListener("click", () => {
    $("#seed").value = (Number($("#seed").value) + 1) % 2 ** 32;
    draw();
  });
  draw();
}

async function save(path, body, name) {
  try {
    const blob = await (await ask(path, JSON.stringify(body))).blob();
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    showError(error.message);
  }
}

async function start() {
  about = await (await fetch("/about")).json();
  $("#about").textContent = `run ${about.run}, step ${about.step}, ${about.data} ${about.shape.join(" × ")}`;
  $("#notes").hidden = !about.notes.length;
  $("#notes").append(...about.notes.map(note => element("li", { textContent: note })));
  $("#wishes").append(...about.wishes.map(query => new Option("", query)));
  $("#path").append(...about.paths.map(name => new Option(PATHS[name] || name, name)));
  for (const control of ["#path", "#degree"]) $(control).addEventListener("input", show);
  const groups = Object.entries(about.sliders).filter(([, sliders]) => sliders.length);
  $("#sliders").hidden = !groups.length;
  $("#sliders").append(...groups.map(([name, sliders]) => sliderGroup(name, sliders)));
  document.querySelectorAll(".end").forEach(setUpEnd);
  setUpDraws();
  $("#save-picture").addEventListener("click", () => save("/move", move(), "picture.png"));
  $("#save-animation").addEventListener("click", () => save("/animation", move(), "walk.gif"));
  $("#save-draws").addEventListener("click", () => save("/draw.png", drawRequest(), "draws.png"));
}

start().catch(error => showError(error.message));
