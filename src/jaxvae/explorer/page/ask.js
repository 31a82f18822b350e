// Requests, and what a part of the page says about them: "Computing…" while one takes long, and what went
// wrong, next to the control that caused it.

import { $, element } from "./dom.js";
import { ask } from "./server.js";

const SLOW = 150; // Milliseconds before "Computing…" is shown.

export const askJson = async (path, body) => (await ask(path, body)).json();

const parts = new WeakMap();

function messages(part) {
  if (parts.has(part)) return parts.get(part);
  const place = $(".messages", part) || part.appendChild(element("div", { className: "messages" }));
  const made = {
    busy: element("p", { className: "busy", role: "status" }),
    error: element("p", { className: "error", role: "alert", hidden: true }),
    running: 0, last: 0,
  };
  place.append(made.busy, made.error);
  parts.set(part, made);
  return made;
}

// Shows an error in a part of the page, or removes it.
export function complain(part, message) {
  const { error } = messages(part);
  error.textContent = message;
  error.hidden = !message;
}

// Runs `work` for a part of the page. Returns its result, or undefined after showing its error there.
export async function attempt(part, work) {
  const said = messages(part), turn = ++said.last;
  said.running++;
  const wait = setTimeout(() => {
    part.setAttribute("aria-busy", "true");
    said.busy.textContent = "Computing…";
  }, SLOW);
  try {
    const result = await work();
    if (turn === said.last) complain(part, "");
    return result;
  } catch (error) {
    if (turn === said.last) complain(part, error.message);
    return undefined;
  } finally {
    clearTimeout(wait);
    if (!--said.running) {
      part.removeAttribute("aria-busy");
      said.busy.textContent = "";
    }
  }
}

// Calls `work` now or after its current call ends; requests in the meantime are merged into one call, so that dragging a
// slider never builds up a queue.
export function latest(work) {
  let running = false, pending = false;
  return async function run() {
    pending = true;
    if (running) return;
    running = true;
    try {
      while (pending) {
        pending = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}

// Asks for a file and hands it to the browser to save.
export async function save(path, body, name) {
  const blob = await (await ask(path, body)).blob();
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
