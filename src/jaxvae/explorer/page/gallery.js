// Test images to choose from, filtered by their attributes.

import { askJson, attempt, latest } from "./ask.js";
import { $ } from "./dom.js";
import { pickable } from "./pick.js";
import { makeSelects } from "./selects.js";
import { thumbnail } from "./server.js";
import { whenOpen } from "./tabs.js";

export function setUpGallery(about) {
  const panel = $("#panel-gallery");
  let page = 0, pages = 1, where = {};

  const show = latest(() => attempt(panel, async () => {
    const answer = await askJson("/gallery", { page, where });
    pages = answer.pages;
    const images = answer.names.map(name => pickable(name, thumbnail(name), name));
    $("#images").replaceChildren(...images);
    const none = "No test image has all of these attributes.";
    $("#page-number").textContent = answer.total ? `${answer.total} images, page ${page + 1} of ${pages}` : none;
    $("#previous-page").disabled = page === 0;
    $("#next-page").disabled = page >= pages - 1;
  }));
  const turn = step => {
    page = Math.min(Math.max(page + step, 0), pages - 1);
    show();
  };
  $("#previous-page").addEventListener("click", () => turn(-1));
  $("#next-page").addEventListener("click", () => turn(1));

  const filters = makeSelects(about.attributes, "Only images by", "any", chosen => {
    where = chosen;
    page = 0;
    const count = Object.keys(where).length;
    $("#filter-count").textContent = count ? `(${count} chosen)` : "";
    show();
  });
  $("#filters").append(...filters.rows);
  $("#filter").hidden = !filters.rows.length;

  let shown = false;
  whenOpen("gallery", [], () => {
    if (!shown) show();
    shown = true;
  });
}
