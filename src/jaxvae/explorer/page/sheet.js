// The sheet between four faces.

import { askJson, attempt, latest, save } from "./ask.js";
import { $, element, setOptions } from "./dom.js";
import { faceChoices, look, randomImage } from "./faces.js";
import { CORNERS, chooseTarget, pickable } from "./pick.js";
import { change, onChange, state } from "./state.js";
import { whenOpen } from "./tabs.js";

const CELLS = 7;

export function setUpSheet(about) {
  const panel = $("#panel-sheet");
  const request = () => ({ corners: state.corners, path: state.path, cells: CELLS });

  const corners = CORNERS.map((name, i) => {
    const image = element("img", { alt: "" });
    const arm = element("button", {
      type: "button", "aria-label": `Set the ${name} corner by the next click on a face`, title: "Then click a face, here or in another tab",
    }, image);
    arm.addEventListener("click", () => chooseTarget(`corner${i}`));
    const select = element("select", { "aria-label": `Face in the ${name} corner` });
    select.addEventListener("change", () => {
      const chosen = select.value === "random" ? randomImage(about) : faceChoices()[Number(select.value)][1];
      change({ corners: state.corners.map((corner, j) => (j === i ? chosen : corner)) }, panel);
      select.value = "";
    });
    $("#corners").append(element("div", { className: "corner" }, arm, element("div", {}, element("span", { textContent: name }), select)));
    return { image, select };
  });
  const showChoices = () => {
    const random = about.test_images ? [["random", "a random image"]] : [];
    const choices = faceChoices().map(([text], i) => [String(i), text]);
    for (const { select } of corners) setOptions(select, [["", "change…"], ...choices, ...random]);
  };

  const draw = latest(() => attempt(panel, async () => {
    const chosen = state.corners;
    const looks = await Promise.all(chosen.map(look));
    looks.forEach((end, i) => { corners[i].image.src = end.picture; });
    const cells = await askJson("/sheet", request());
    $("#cells").replaceChildren(...cells.map((cell, i) => pickable(
      cell.name, cell.picture, `Row ${Math.floor(i / CELLS) + 1}, column ${i % CELLS + 1}`)));
  }));
  $("#save-sheet").addEventListener("click", () => attempt(panel, () => save("/sheet.png", request(), "sheet.png")));

  onChange(["shelf", "first", "last"], showChoices);
  showChoices();
  whenOpen("sheet", ["corners", "path"], () => {
    if (state.corners.length) return draw();
    const other = which => (about.test_images ? randomImage(about) : state[which]);
    return change({ corners: [state.first, state.last, other("last"), other("first")] }, panel);
  });
}
