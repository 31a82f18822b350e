// The answers of a page without a server: what python -m jaxvae.explore would compute, computed in this browser.

import { rowOf, sheetFaces } from "./codes.js";
import { $ } from "./dom.js";
import { gridBlob, pictureBlob, pictureUrl } from "./drawing.js";
import { decode, openModel, page } from "./model.js";
import { DRAW_SIZE, drawName, label } from "./names.js";

const DRAWS_PER_ROW = 6;

const decoded = async face => (await decode([rowOf(face)]))[0];
const facesOf = ({ prior, seed, temperature }) => Array.from(
  { length: DRAW_SIZE }, (_, index) => drawName(prior, seed, temperature, index));

// The image that a name stands for, if it is one of the data set.
const original = face => page.faces.find(each => each.name === face);

async function end({ name }) {
  const image = await decoded(name), known = original(name);
  if (!known) return { name, label: label(name), picture: pictureUrl(image) };
  return { name, label: name, picture: thumbnail(name), decoded: pictureUrl(image), psnr_db: known.psnr_db };
}

async function shown(faces) {
  const images = await decode(faces.map(rowOf));
  return faces.map((name, i) => ({ name, label: label(name), picture: pictureUrl(images[i]) }));
}

const ANSWERS = {
  "/end": end,
  "/move": async move => pictureBlob(await decoded(move)),
  "/picture.png": async ({ name, side, smooth }) => pictureBlob(await decoded(name), side, smooth),
  "/draw": draw => shown(facesOf(draw)),
  "/draw.png": async draw => gridBlob(await decode(facesOf(draw).map(rowOf)), DRAWS_PER_ROW),
  "/gallery": async () => ({ names: page.faces.map(face => face.name), total: page.faces.length, pages: 1 }),
  "/sheet": request => shown(sheetFaces(request)),
  "/sheet.png": async request => gridBlob(await decode(sheetFaces(request).map(rowOf)), request.cells),
};

export async function ask(path, body) {
  const answer = await ANSWERS[path](body);
  return new Response(answer instanceof Blob ? answer : JSON.stringify(answer));
}

// What the run offers, once the model is there.
export async function askAbout() {
  $("#status").textContent = "Loading the model…";
  await openModel();
  $("#status").textContent = "";
  return page.about;
}

export const thumbnail = name => `./faces/${page.faces.findIndex(face => face.name === name)}.png`;
