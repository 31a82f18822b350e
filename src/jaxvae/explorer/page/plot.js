// Drawing of points on a canvas, at the resolution of the screen, and finding those under a pointer.

const MARGIN = 16, RADIUS = 3, REACH = 16; // In CSS pixels.

// The places of points in CSS pixels, to fill a canvas of this size without distortion of either axis.
export function scalePoints(points, width, height) {
  const [xs, ys] = [0, 1].map(axis => points.map(point => point[axis]));
  const bounds = [xs, ys].map(values => [Math.min(...values), Math.max(...values)]);
  const scale = (value, axis, length) => {
    const [low, high] = bounds[axis], share = (value - low) / (high - low || 1);
    const inside = MARGIN + share * (length - 2 * MARGIN);
    return axis ? length - inside : inside; // The second axis goes up.
  };
  return ([x, y]) => [scale(x, 0, width), scale(y, 1, height)];
}

export function nearestTo([x, y], places) {
  let best = -1, distance = REACH;
  places.forEach(([a, b], i) => {
    const away = Math.hypot(a - x, b - y);
    if (away < distance) [best, distance] = [i, away];
  });
  return best;
}

// The nearest place in the direction of an arrow key, straight ahead before aside.
export function nextTowards(key, from, places) {
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = from, cost = Infinity;
  places.forEach(([x, y], i) => {
    const [away, up] = [x - places[from][0], y - places[from][1]];
    const ahead = away * dx + up * dy, aside = Math.abs(away * dy) + Math.abs(up * dx);
    if (ahead > 0 && ahead >= aside && ahead + 2 * aside < cost) [best, cost] = [i, ahead + 2 * aside];
  });
  return best;
}

// Draws the points by group, the trail of the walk, its marks as {place, text, below}, and a ring around the selected point.
export function drawPlot(canvas, { places, groups, trail, marks, selected }) {
  const ratio = window.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d"), style = getComputedStyle(canvas), color = name => style.getPropertyValue(name);
  pen.scale(ratio, ratio);
  pen.globalAlpha = 0.75;
  places.forEach(([x, y], i) => {
    const group = groups ? groups[i] : 0;
    pen.fillStyle = group < 0 ? color("--line") : color(`--c${group}`);
    pen.beginPath();
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
    pen.fill();
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = color("--ink");
  pen.lineWidth = 2;
  pen.beginPath();
  trail.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  for (const { place: [x, y], text, below } of marks) {
    const baseline = below ? y + 21 : y - 12;
    pen.fillStyle = color("--paper");
    pen.strokeStyle = color("--ink");
    pen.beginPath();
    pen.arc(x, y, text ? 7 : 5, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
    pen.lineWidth = 4;
    pen.strokeStyle = color("--paper");
    pen.strokeText(text, x, baseline);
    pen.fillStyle = color("--ink");
    pen.fillText(text, x, baseline);
    pen.lineWidth = 2;
  }
  if (selected >= 0) {
    const [x, y] = places[selected];
    pen.strokeStyle = color("--accent");
    pen.beginPath();
    pen.arc(x, y, 7, 0, 2 * Math.PI);
    pen.stroke();
  }
}
