// The face in the middle with some of its attributes exchanged.

import { attempt, latest } from "./ask.js";
import { $ } from "./dom.js";
import { look, shownFace } from "./faces.js";
import { makeSelects } from "./selects.js";
import { keep } from "./shelf.js";
import { change, state } from "./state.js";
import { whenOpen } from "./tabs.js";

const chosen = () => Object.keys(state.exchange).length > 0;
const exchanged = () => ({ face: shownFace(), with: state.exchange });

export function setUpExchange(about) {
  const panel = $("#panel-exchange"), picture = $("#exchange-picture");
  const selects = makeSelects(about.exchangeable, "Exchange", "as it is", exchange => change({ exchange }, panel));
  $("#exchange-wanted").append(...selects.rows);
  // The end of the walk is the new face, with all that it is made of: the request has been met, and starts anew.
  const walk = () => change({ first: shownFace(), last: exchanged(), degree: 1, amounts: {}, exchange: {} });
  $("#exchange-walk").addEventListener("click", walk);
  $("#exchange-last").addEventListener("click", () => change({ last: exchanged() }));
  $("#exchange-keep").addEventListener("click", () => keep(exchanged()));

  const show = latest(() => attempt(panel, async () => {
    $("#exchange-result").hidden = !chosen();
    if (chosen()) picture.src = (await look(exchanged())).picture;
  }));
  whenOpen("exchange", ["first", "last", "path", "degree", "amounts", "exchange"], () => {
    selects.set(state.exchange);
    show();
  });
}
