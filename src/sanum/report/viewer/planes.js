// Geometry and colours of the planes: pure functions. Cells are in RAS order, the first axis the fastest.
const PLANES = [
  {name: "Axial", across: 0, up: 1, normal: 2},
  {name: "Coronal", across: 0, up: 2, normal: 1},
  {name: "Sagittal", across: 1, up: 2, normal: 0},
];
const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]];
const WORDS = [["left", "right"], ["posterior", "anterior"], ["inferior", "superior"]];
const ANOMALY = [[255, 214, 90], [255, 170, 30], [255, 130, 0]]; // red would be dark to who sees no red
const UNCERTAINTY = [[70, 150, 255], [70, 150, 255], [120, 190, 255]];

// Bytes of one plane, row 0 on top. Radiological: the patient's right, or the front, comes first.
function cut(cells, shape, plane, index, radiological) {
  const wide = shape[plane.across], high = shape[plane.up], out = new Uint8Array(wide * high);
  const steps = [1, shape[0], shape[0] * shape[1]];
  for (let row = 0; row < high; row++) {
    const start = index * steps[plane.normal] + (high - 1 - row) * steps[plane.up];
    for (let column = 0; column < wide; column++) {
      const across = radiological ? wide - 1 - column : column;
      out[row * wide + column] = cells[start + across * steps[plane.across]];
    }
  }
  return out;
}

function lettersOf(plane, radiological) {
  const [low, high] = LETTERS[plane.across], [bottom, top] = LETTERS[plane.up];
  return {left: radiological ? high : low, right: radiological ? low : high, top, bottom};
}

// Place in words that need no convention.
function placeInWords(mm, axis) {
  const whole = Math.round(mm);
  return `${Math.abs(whole)} mm ${WORDS[axis][whole >= 0 ? 1 : 0]}`;
}

// A number with the decimals of one step of 255 in its span: no more is known.
function rounded(value, span) {
  const decimals = Math.min(Math.max(Math.floor(-Math.log10(span / 255)), 0), 9);
  return value.toFixed(decimals).replace(/^-(0(\.0+)?)$/, "$1");
}

// What a byte of a volume stands for: at the ends of its range maybe more, or less.
function valueInWords(volume, byte) {
  const [below, above] = volume.beyond, span = volume.high - volume.low;
  const sign = byte === 0 && below ? "≤ " : byte === 255 && above ? "≥ " : "";
  return sign + rounded(volume.low + (byte / 255) * span, span);
}

// Where cells lie in a canvas: pixels of a cell, and of the upper left corner of the picture.
function layOut(shape, plane, width, height, zoom, middle, radiological) {
  const fits = PLANES.map((one) => Math.min(width / shape[one.across], height / shape[one.up]));
  const scale = Math.min(...fits) * zoom;
  const column = radiological ? shape[plane.across] - 1 - middle[plane.across] : middle[plane.across];
  const row = shape[plane.up] - 1 - middle[plane.up];
  return {scale, left: width / 2 - (column + 0.5) * scale, top: height / 2 - (row + 0.5) * scale};
}

// Pixel of a cell's middle, and back: cells are counted along the axes of the plane.
function toPixel(shape, plane, lay, at, radiological) {
  const column = radiological ? shape[plane.across] - 1 - at[plane.across] : at[plane.across];
  return [lay.left + (column + 0.5) * lay.scale, lay.top + (shape[plane.up] - 1 - at[plane.up] + 0.5) * lay.scale];
}

function toCell(shape, plane, lay, x, y, radiological) {
  const column = (x - lay.left) / lay.scale - 0.5, row = (y - lay.top) / lay.scale - 0.5;
  return [radiological ? shape[plane.across] - 1 - column : column, shape[plane.up] - 1 - row];
}

// Grey of each byte: black at the window's lower end, white at its upper.
function greyTable(low, high) {
  const table = new Uint8ClampedArray(256);
  for (let n = 0; n < 256; n++) table[n] = (255 * (n - low)) / Math.max(high - low, 1e-6);
  return table;
}

function paintGrey(pixels, bytes, table) {
  for (let n = 0, p = 0; n < bytes.length; n++, p += 4) {
    pixels[p] = pixels[p + 1] = pixels[p + 2] = table[bytes[n]];
    pixels[p + 3] = 255;
  }
}

// A colour whose opacity follows the value.
function paintHeat(pixels, bytes, ramp, opacity) {
  for (let n = 0, p = 0; n < bytes.length; n++, p += 4) {
    const place = (bytes[n] / 255) * (ramp.length - 1), first = Math.min(Math.floor(place), ramp.length - 2);
    for (let c = 0; c < 3; c++) {
      pixels[p + c] = ramp[first][c] + (place - first) * (ramp[first + 1][c] - ramp[first][c]);
    }
    pixels[p + 3] = bytes[n] * opacity;
  }
}

// Border of what is marked, as lines between cells: [x1, y1, x2, y2] in cells from the upper left corner.
function outlineOf(bytes, wide) {
  const lines = [], high = bytes.length / wide;
  const marked = (x, y) => x >= 0 && y >= 0 && x < wide && y < high && bytes[y * wide + x] > 127;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      if (!marked(x, y)) continue;
      if (!marked(x - 1, y)) lines.push([x, y, x, y + 1]);
      if (!marked(x + 1, y)) lines.push([x + 1, y, x + 1, y + 1]);
      if (!marked(x, y - 1)) lines.push([x, y, x + 1, y]);
      if (!marked(x, y + 1)) lines.push([x, y + 1, x + 1, y + 1]);
    }
  }
  return lines;
}
