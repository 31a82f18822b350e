// Test images to choose from, filtered by their attributes.

import { askJson, attempt, latest } from "./ask.js";
import { $, element } from "./dom.js";
import { pickable } from "./pick.js";
import { thumbnail } from "./server.js";
import { whenOpen } from "./tabs.js";

export function setUpGallery(about) {
  const panel = $("#panel-gallery"), where = {};
  let page = 0, pages = 1;

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

  const filters = Object.entries(about.attributes).map(([name, values]) => {
    const binary = values.join() === "1,0" || values.join() === "1" || values.join() === "0";
    const texts = { 1: "yes", 0: "no" };
    const select = element("select", { ariaLabel: `Only images by ${name}` }, new Option("any", ""),
      ...values.map(value => new Option(binary ? texts[value] : value, value)));
    select.dataset.attribute = name;
    select.addEventListener("change", () => {
      if (select.value) where[name] = select.value;
      else delete where[name];
      page = 0;
      const count = Object.keys(where).length;
      $("#filter-count").textContent = count ? `(${count} chosen)` : "";
      show();
    });
    return element("label", {}, element("span", { textContent: name.replaceAll("_", " ") }), select);
  });
  $("#filters").append(...filters);
  $("#filter").hidden = !filters.length;

  let shown = false;
  whenOpen("gallery", [], () => {
    if (!shown) show();
    shown = true;
  });
}
