// Saving the face shown and the walk, at a chosen size.

import { attempt, save } from "./ask.js";
import { $, setOptions } from "./dom.js";
import { currentMove, shownFace } from "./faces.js";
import { change } from "./state.js";

const NAMES = { ".gif": "GIF", ".webp": "WebP", ".mp4": "MP4" };

const SIDES = [64, 128, 256, 512, 1024];

export function setUpSave(about) {
  setOptions($("#side"), SIDES.map(side => [side, `${side} pixels`]));
  $("#side").value = 512;
  $("#open-save").addEventListener("click", () => {
    change({ tool: "save" });
    $("#panel-save").scrollIntoView({ block: "nearest" });
    $("#side").focus();
  });
  const size = () => ({ side: Number($("#side").value), smooth: $("#enlarge").value === "smooth" });

  const format = $("#format");
  for (const [suffix, name] of Object.entries(NAMES)) {
    const option = new Option(name, suffix);
    option.disabled = suffix in about.missing_formats;
    format.append(option);
  }
  $("#missing-formats").textContent = Object.entries(about.missing_formats)
    .map(([suffix, reason]) => `${NAMES[suffix]} is not available: ${reason}`).join(" ");

  $("#save-animation-part").hidden = !about.served;
  const picture = $("#save-picture-part"), animation = $("#save-animation-part");
  $("#save-picture").addEventListener("click", () =>
    attempt(picture, () => save("/picture.png", { name: shownFace(), ...size() }, "face.png")));
  $("#save-animation").addEventListener("click", () => attempt(animation, () => {
    const request = { format: format.value, frames: Number($("#frames").value), seconds: Number($("#seconds").value) };
    return save("/animation", { ...currentMove(), ...size(), ...request }, `walk${format.value}`);
  }));
}
