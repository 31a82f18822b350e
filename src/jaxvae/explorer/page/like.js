// The test images that are most like the face in the middle, by their codes.

import { askJson, attempt, latest } from "./ask.js";
import { $, element } from "./dom.js";
import { shownFace } from "./faces.js";
import { pickable } from "./pick.js";
import { thumbnail } from "./server.js";
import { whenOpen } from "./tabs.js";

export function setUpLike() {
  const find = latest(() => attempt($("#panel-like"), async () => {
    const { nearest, compared } = await askJson("/like", { name: shownFace() });
    $("#like-hint").textContent = `The nearest of ${compared} test images to the face shown, by the distance of their codes.`;
    $("#nearest").replaceChildren(...nearest.map(({ name, distance }) => {
      const made = pickable(name, thumbnail(name), `${name}, at distance ${distance.toFixed(1)}`);
      return element("figure", {}, made, element("figcaption", { textContent: distance.toFixed(1) }));
    }));
  }));
  whenOpen("like", ["first", "last", "path", "degree", "amounts"], find);
}
