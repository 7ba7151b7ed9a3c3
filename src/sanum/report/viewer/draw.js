// Drawing one plane on its canvas. `view` is what is shown (see viewer.js), `data` the volumes by name.
const layers = new Map(); // offscreen canvases, one a plane and layer

function layerOf(key, bytes, wide, paint) {
  const high = bytes.length / wide;
  let layer = layers.get(key);
  if (!layer) layers.set(key, (layer = document.createElement("canvas")));
  layer.width = wide;
  layer.height = high;
  const context = layer.getContext("2d"), image = context.createImageData(wide, high);
  paint(image.data, bytes);
  context.putImageData(image, 0, 0);
  return layer;
}

// The window of a volume in bytes: that of the scan, moved and widened alike for every volume.
function windowOf(volume, view) {
  const byte = (value) => (255 * (value - volume.low)) / (volume.high - volume.low);
  const [low, high] = volume.window.map(byte), width = (high - low) * view.width;
  const level = (low + high) / 2 + (high - low) * view.level;
  return [level - width / 2, level + width / 2];
}

function drawPlane(canvas, plane, data, view) {
  const context = canvas.getContext("2d"), {width, height} = canvas, {shape} = data;
  const lay = layOut(shape, plane, width, height, view.zoom, view.middle, view.radiological);
  const wide = shape[plane.across], high = shape[plane.up], index = view.at[plane.normal];
  const slice = (name) => cut(data.volumes[name].cells, shape, plane, index, view.radiological);
  const put = (layer) => context.drawImage(layer, lay.left, lay.top, wide * lay.scale, high * lay.scale);
  const grey = (name) => {
    const table = greyTable(...windowOf(data.volumes[name], view));
    return layerOf(`${plane.name} ${name}`, slice(name), wide, (pixels, bytes) => paintGrey(pixels, bytes, table));
  };
  const left = Math.max(0, lay.left), right = Math.min(width, lay.left + wide * lay.scale);
  const border = left + (right - left) * view.healthy;

  context.globalAlpha = 1;
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  if (view.healthy < 1) put(grey("scan"));
  if (view.healthy > 0) {
    context.save();
    if (view.fade) context.globalAlpha = view.healthy;
    else clipTo(context, 0, 0, border, height);
    put(grey(view.anatomy));
    context.restore();
  }
  if (view.overlay !== "none" && view.opacity > 0) {
    // the anomaly is one of the scan: what would be there in health is seen without its colour
    const onScan = view.overlay === "anomaly", ramp = onScan ? ANOMALY : UNCERTAINTY;
    context.save();
    if (onScan && view.fade) context.globalAlpha = 1 - view.healthy;
    else if (onScan && view.healthy > 0) clipTo(context, border, 0, width - border, height);
    put(layerOf(`${plane.name} over`, slice(view.overlay), wide, (p, b) => paintHeat(p, b, ramp, view.opacity)));
    context.restore();
  }
  if (view.outline) drawOutline(context, outlineOf(slice("mask"), wide), lay, data.dots);
  const dots = data.dots;
  if (view.healthy > 0 && view.healthy < 1 && !view.fade) drawLine(context, [border, 0, border, height], "#fff", 1.5 * dots);
  drawMarks(context, canvas, plane, data, view, lay);
  drawNames(context, canvas, view, border, dots);
}

function clipTo(context, x, y, wide, high) {
  context.beginPath();
  context.rect(x, y, wide, high);
  context.clip();
}

function drawLine(context, [x1, y1, x2, y2], colour, thick) {
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function drawOutline(context, lines, lay, dots) {
  context.beginPath();
  for (const [x1, y1, x2, y2] of lines) {
    context.moveTo(lay.left + x1 * lay.scale, lay.top + y1 * lay.scale);
    context.lineTo(lay.left + x2 * lay.scale, lay.top + y2 * lay.scale);
  }
  context.lineCap = "square";
  context.strokeStyle = "#4fe3ff";
  context.lineWidth = 1.25 * dots;
  context.stroke();
}

function write(context, words, x, y, size, align, baseline) {
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.lineJoin = "round";
  context.lineWidth = size / 4;
  context.strokeStyle = "#000";
  context.strokeText(words, x, y);
  context.fillStyle = "#fff";
  context.fillText(words, x, y);
}

// Sides, the lines of the other planes, and a bar of known length in the first plane.
function drawMarks(context, canvas, plane, data, view, lay) {
  const {width, height} = canvas, {dots} = data, size = 13 * dots, edge = 5 * dots;
  if (view.cross) {
    const [x, y] = toPixel(data.shape, plane, lay, view.at, view.radiological), gap = 9 * dots;
    const colour = "rgba(255, 255, 255, .55)";
    for (const line of [[x, 0, x, y - gap], [x, y + gap, x, height], [0, y, x - gap, y], [x + gap, y, width, y]]) {
      drawLine(context, line, colour, dots);
    }
  }
  const sides = lettersOf(plane, view.radiological);
  write(context, sides.left, edge, height / 2, size, "left", "middle");
  write(context, sides.right, width - edge, height / 2, size, "right", "middle");
  write(context, sides.top, width / 2, edge, size, "center", "top");
  write(context, sides.bottom, width / 2, height - edge, size, "center", "bottom");
  if (plane !== PLANES[0]) return;
  const length = [100, 50, 20, 10, 5, 2, 1, 0.5].find((mm) => (mm / data.edge) * lay.scale < width / 3) || 0.2;
  const long = (length / data.edge) * lay.scale, y = edge + size;
  drawLine(context, [edge, y, edge + long, y], "#000", 4 * dots);
  drawLine(context, [edge, y, edge + long, y], "#fff", 1.5 * dots);
  write(context, `${length} mm`, edge, y - 3 * dots, 10 * dots, "left", "bottom");
}

// What is seen on either side of the dividing line.
function drawNames(context, canvas, view, border, dots) {
  if (view.healthy === 0) return;
  const y = canvas.height - 20 * dots, size = 10 * dots, all = view.healthy === 1;
  if (view.fade || all) {
    const share = all ? "" : `${Math.round(100 * view.healthy)} % `;
    write(context, `${share}healthy anatomy`, canvas.width - 5 * dots, canvas.height - 5 * dots, size, "right", "bottom");
    return;
  }
  write(context, "healthy anatomy", border - 5 * dots, y, size, "right", "bottom");
  write(context, "scan", border + 5 * dots, y, size, "left", "bottom");
}
