// Images as PNG: one, enlarged or not, or several in rows.

const GAP = 2, LEAST_SIDE = 128; // As in jaxvae/rendering/grid.py.

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

// Grey images have their colour three times, those of two bands no blue, and of more the first three are shown.
function draw({ height, width, colours, pixels }) {
  const canvas = canvasOf(width, height), image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let band = 0; band < 3; band++) {
      const from = colours === 1 ? 0 : band;
      image.data[4 * i + band] = from < colours ? pixels[colours * i + from] : 0;
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function enlarge(canvas, scale, smooth) {
  const large = canvasOf(Math.round(canvas.width * scale), Math.round(canvas.height * scale));
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return large;
}

const png = canvas => new Promise(resolve => { canvas.toBlob(resolve, "image/png"); });

export const pictureUrl = image => draw(image).toDataURL("image/png");

// A PNG whose longer side has `side` pixels, by default those of the image.
export function pictureBlob(image, side = Math.max(image.width, image.height), smooth = false) {
  return png(enlarge(draw(image), side / Math.max(image.width, image.height), smooth));
}

export function gridBlob(images, columns) {
  const [{ width, height }] = images, rows = Math.ceil(images.length / columns);
  const sheet = canvasOf(columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), context = sheet.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, sheet.width, sheet.height);
  images.forEach((image, i) => {
    context.drawImage(draw(image), (i % columns) * (width + GAP), Math.floor(i / columns) * (height + GAP));
  });
  return png(enlarge(sheet, Math.max(1, Math.floor(LEAST_SIDE / Math.max(width, height))), false));
}
