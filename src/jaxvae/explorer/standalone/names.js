// Names of samples, and labels of faces.

export const DRAW_SIZE = 12;

export const drawName = (prior, seed, temperature, index) => `draw:${prior}:${seed}:${temperature}:${index}`;

export function parseDraw(name) {
  const [, prior, seed, temperature, index] = /^draw:(\w+):(\d{1,10}):([\d.]+):(\d{1,3})$/.exec(name) || [];
  if (!prior || Number(index) >= DRAW_SIZE) throw new Error(`${name} is not the name of a sample.`);
  return { prior, seed: Number(seed), temperature: Number(temperature), index: Number(index) };
}

export function label(face) {
  if (typeof face === "string") return face.startsWith("draw:") ? "sample" : face;
  if (face.mix) return `mix of ${face.mix.length}`;
  const changes = Object.values(face.amounts || {}).filter(Boolean).length;
  const edits = changes ? `, ${changes} change${changes > 1 ? "s" : ""}` : "";
  return `walk, ${Math.round(100 * face.degree)} %${edits}`;
}
