// The two ends of the walk: a card each, with the image, its reconstruction, and ways to choose another.

import { attempt } from "./ask.js";
import { $, button, element } from "./dom.js";
import { know, look, randomImage, sameFace } from "./faces.js";
import { ask } from "./server.js";
import { keep } from "./shelf.js";
import { change, onChange, state } from "./state.js";

export function setUpEnds(about) {
  $("#queries").append(...Object.entries(about.attributes).flatMap(
    ([name, values]) => values.map(value => new Option("", `${name}=${value}`))));
  for (const which of ["first", "last"]) setUpEnd($(`.end[data-end=${which}]`), which, about);
}

function setUpEnd(card, which, about) {
  const title = which === "first" ? "From" : "To", called = `the ${which} image`;
  const image = element("img", { className: "original", alt: called });
  const decoded = element("img", { alt: `${called}, reconstructed` });
  const error = element("span");
  const pair = element("p", { className: "decoded", hidden: true }, decoded, error);
  const label = element("p", { className: "label" });
  const name = element("input", {
    className: "name", spellcheck: false, autocomplete: "off", placeholder: "test:12", "aria-label": `Name of ${called}`,
    hidden: !about.test_images,
  });
  name.setAttribute("list", "queries");
  const file = element("input", { type: "file", className: "file", accept: "image/*", hidden: true, "aria-label": `Upload ${called}` });
  const keepIt = button("Keep", { className: "keep", "aria-label": `Keep ${called}` }, () => keep(state[which]));
  card.append(
    element("h2", { textContent: title }), image, pair, label, name, element("div", { className: "messages" }),
    element("div", { className: "buttons" },
      button("Random", { className: "another", hidden: !about.test_images, "aria-label": `Random ${called}` },
        () => choose(randomImage(about))),
      keepIt, button("Upload…", { className: "choose", hidden: !about.served, "aria-label": `Upload ${called}…` }, () => file.click())),
    file,
  );

  const choose = face => attempt(card, async () => change({ [which]: (await look(face)).name }));

  async function upload(chosen) {
    await attempt(card, async () => {
      if (chosen.size > about.largest_upload_bytes) {
        const limit = about.largest_upload_bytes / 1e6;
        throw new Error(`${chosen.name} is ${Math.ceil(chosen.size / 1e6)} MB; the limit for uploads is ${limit} MB.`);
      }
      const end = know(await (await ask(`/upload?name=${encodeURIComponent(chosen.name)}`, chosen)).json());
      change({ [which]: end.name });
    });
  }

  async function show() {
    const face = state[which];
    if (!face) return;
    const named = typeof face === "string" && !/^(upload|draw):/.test(face);
    name.value = name.title = named ? face : "";
    const end = await attempt(card, () => look(face));
    if (!sameFace(face, state[which])) return; // Another has been chosen since.
    card.classList.toggle("missing", !end);
    keepIt.disabled = !end;
    pair.hidden = !end?.decoded;
    label.textContent = !end || named ? "" : end.label;
    if (!end) return;
    image.src = end.picture;
    if (end.decoded) {
      decoded.src = end.decoded;
      error.textContent = `decoded, ${end.psnr_db.toFixed(1)} dB`;
      error.title = "Peak signal-to-noise ratio of the reconstruction; larger is better";
    }
  }

  name.addEventListener("change", () => (name.value.trim() ? choose(name.value.trim()) : show()));
  file.addEventListener("change", async () => {
    if (file.files.length) await upload(file.files[0]);
    file.value = ""; // Lets the same file be chosen again.
  });
  if (about.served) { // Without a server nothing is encoded.
    card.addEventListener("dragover", event => event.preventDefault());
    card.addEventListener("drop", event => {
      event.preventDefault();
      if (event.dataTransfer.files.length) upload(event.dataTransfer.files[0]);
    });
  }
  onChange([which], show);
  show();
}
