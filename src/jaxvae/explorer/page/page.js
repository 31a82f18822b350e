// Starts the page: asks what the run offers, and sets up each part with it.

import { setUpAddress } from "./address.js";
import { complain } from "./ask.js";
import { $, element } from "./dom.js";
import { setUpDraws } from "./draws.js";
import { setUpEnds } from "./ends.js";
import { setUpExchange } from "./exchange.js";
import { setUpGallery } from "./gallery.js";
import { setUpLike } from "./like.js";
import { setUpMap } from "./map.js";
import { setUpMix } from "./mix.js";
import { setUpTarget } from "./pick.js";
import { setUpSave } from "./save.js";
import { askAbout } from "./server.js";
import { setUpSheet } from "./sheet.js";
import { setUpShelf, storedShelf } from "./shelf.js";
import { setUpSliders } from "./sliders.js";
import { setUpTabs, toolNames } from "./tabs.js";
import { setUpWalk } from "./walk.js";

async function start() {
  const about = await askAbout(), tools = toolNames(about);
  $("#about").textContent = `run ${about.run}, step ${about.step}, ${about.data} ${about.shape.join(" × ")}`;
  document.title = `${about.run} · jaxvae explorer`;
  $("#notes").hidden = !about.notes.length;
  $("#notes").append(...about.notes.map(note => element("li", { textContent: note })));
  setUpAddress(about, tools, storedShelf(about));
  setUpTarget();
  setUpTabs(tools);
  setUpSliders(about);
  setUpShelf(about);
  setUpEnds(about);
  setUpWalk(about);
  setUpDraws(about);
  setUpExchange(about);
  if (about.test_images) setUpGallery(about);
  if (about.test_images && about.served) {
    setUpMap(about);
    setUpLike();
  }
  setUpSheet(about);
  setUpMix(about);
  setUpSave(about);
  document.body.dataset.ready = "";
}

start().catch(error => complain($("#walk"), error.message));
