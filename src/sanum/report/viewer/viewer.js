// The viewer of a page: state, controls, mouse, touch and keys. Everything it shows is in the page itself.
const root = document.getElementById("viewer");
const find = (what) => root.querySelector(what);
const canvases = [...root.querySelectorAll("canvas")];
const SAID_AFTER_MS = 400, WHEEL_STEP = 40, MOST_ZOOM = 12;
let data, view, first, drawing = false, saying;

async function start() {
  const facts = JSON.parse(document.getElementById("viewer-facts").textContent);
  const bytes = await unpack(document.getElementById("viewer-volumes").textContent.trim());
  const count = facts.shape[0] * facts.shape[1] * facts.shape[2];
  data = {...facts, volumes: {}, dots: 1};
  facts.volumes.forEach((volume, n) => {
    data.volumes[volume.name] = {...volume, cells: bytes.subarray(n * count, (n + 1) * count)};
  });
  first = {
    at: [...facts.start], zoom: 1, middle: facts.shape.map((n) => (n - 1) / 2), healthy: 0, fade: false,
    anatomy: "anatomy0", overlay: "anomaly", opacity: 0.5, outline: true, cross: true, radiological: true,
    level: 0, width: 1,
  };
  view = {...first, at: [...first.at]};
  root.hidden = false;
  root.style.setProperty("--ratio", Math.max(data.shape[0], data.shape[1]) / Math.max(data.shape[1], data.shape[2]));
  listen();
  listenToTable();
  new ResizeObserver(draw).observe(find(".viewer-planes"));
  change({});
}

// --- what is shown

function change(what) {
  Object.assign(view, what);
  view.at = view.at.map((n, axis) => clamp(Math.round(n), 0, data.shape[axis] - 1));
  if (view.zoom <= 1) Object.assign(view, {zoom: 1, middle: [...first.middle]});
  showControls();
  draw();
  clearTimeout(saying);
  saying = setTimeout(() => { find(".viewer-said").textContent = inWords(); }, SAID_AFTER_MS);
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const millimetres = () => view.at.map((n, axis) => data.origin[axis] + n * data.edge);
const inWords = () => millimetres().map(placeInWords).join(", ");

function byteAt(name) {
  const [x, y, z] = view.at, [nx, ny] = data.shape;
  return data.volumes[name].cells[x + nx * (y + ny * z)];
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    data.dots = Math.min(window.devicePixelRatio || 1, 3);
    canvases.forEach((canvas, n) => {
      const wide = Math.round(canvas.clientWidth * data.dots), high = Math.round(canvas.clientHeight * data.dots);
      if (!wide || !high) return;
      if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, {width: wide, height: high});
      drawPlane(canvas, PLANES[n], data, view);
    });
  });
}

function showControls() {
  const mm = millimetres(), scan = data.volumes.scan, span = scan.window[1] - scan.window[0];
  PLANES.forEach((plane, n) => {
    const slider = find(`[data-slice="${n}"]`), words = placeInWords(mm[plane.normal], plane.normal);
    Object.assign(slider, {max: data.shape[plane.normal] - 1, value: view.at[plane.normal]});
    slider.setAttribute("aria-valuetext", words);
    slider.parentElement.querySelector("output").textContent = words;
    canvases[n].setAttribute("aria-label", `${plane.name} plane, ${words}`);
  });
  const set = (name, value) => { find(`[name="${name}"]`).value = value; };
  set("healthy", 100 * view.healthy);
  find('[name="healthy"]').setAttribute("aria-valuetext", `${Math.round(100 * view.healthy)} % healthy anatomy`);
  set("opacity", 100 * view.opacity);
  set("level", 100 * view.level);
  set("width", 100 * Math.log2(view.width));
  const middle = (scan.window[0] + scan.window[1]) / 2 + span * view.level, half = (span * view.width) / 2;
  find(".viewer-window").textContent = `${rounded(middle - half, span)} to ${rounded(middle + half, span)} ${scan.unit}`;
  find(`[name="overlay"][value="${view.overlay}"]`).checked = true;
  for (const name of ["outline", "cross", "fade"]) find(`[name="${name}"]`).checked = view[name];
  find('[name="side"]').value = view.radiological ? "radiological" : "neurological";
  const marks = byteAt("mask") > 127 ? " (marked)" : "", valueAt = (name) => valueInWords(data.volumes[name], byteAt(name));
  find(".viewer-place").textContent = inWords();
  find(".viewer-values").textContent =
    `scan ${valueAt("scan")}, healthy ${valueAt(view.anatomy)}, anomaly ${valueAt("anomaly")}${marks}, ` +
    `uncertainty ${valueAt("uncertainty")}`;
}

function step(axis, by) {
  const at = [...view.at];
  at[axis] += by;
  change({at: seen(at)});
}

// Zoomed in, the picture follows to where the planes cross.
function seen(at) {
  canvases.forEach((canvas, n) => {
    const plane = PLANES[n], lay = layOut(data.shape, plane, canvas.width, canvas.height, view.zoom, view.middle, view.radiological);
    const [x, y] = toPixel(data.shape, plane, lay, at, view.radiological);
    if (x < 0 || x > canvas.width) view.middle[plane.across] = at[plane.across];
    if (y < 0 || y > canvas.height) view.middle[plane.up] = at[plane.up];
  });
  return at;
}

function zoomTo(zoom, point = view.at) {
  const after = clamp(zoom, 1, MOST_ZOOM);
  change({middle: view.middle.map((m, axis) => point[axis] + ((m - point[axis]) * view.zoom) / after), zoom: after});
}

function goTo(at) {
  change({at: seen(at), middle: view.zoom > 1 ? [...at] : view.middle});
}

// --- controls

function listen() {
  const on = (name, act) => {
    for (const control of root.querySelectorAll(`[name="${name}"]`)) {
      control.addEventListener("input", () => act(control.type === "checkbox" ? control.checked : control.value));
    }
  };
  on("healthy", (value) => change({healthy: value / 100}));
  on("fade", (fade) => change({fade}));
  on("overlay", (overlay) => change({overlay}));
  on("opacity", (value) => change({opacity: value / 100}));
  on("outline", (outline) => change({outline}));
  on("cross", (cross) => change({cross}));
  on("level", (value) => change({level: value / 100}));
  on("width", (value) => change({width: 2 ** (value / 100)}));
  on("side", (value) => change({radiological: value === "radiological"}));
  if (find('[name="anatomy"]')) on("anatomy", (anatomy) => change({anatomy, healthy: view.healthy || 1}));
  for (const slider of root.querySelectorAll("[data-slice]")) {
    const axis = PLANES[slider.dataset.slice].normal;
    slider.addEventListener("input", () => step(axis, slider.value - view.at[axis]));
  }
  find(".viewer-in").addEventListener("click", () => zoomTo(view.zoom * 1.5));
  find(".viewer-out").addEventListener("click", () => zoomTo(view.zoom / 1.5));
  find(".viewer-reset").addEventListener("click", () => change({...first, at: [...first.at]}));
  canvases.forEach((canvas, n) => {
    listenToPointer(canvas, PLANES[n]);
    listenToWheel(canvas, PLANES[n]);
    canvas.addEventListener("keydown", (event) => { if (pressed(event, PLANES[n])) event.preventDefault(); });
  });
}

function pressed(event, plane) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const overlays = ["none", "anomaly", "uncertainty"], on = (key) => !view[key];
  const keys = {
    ArrowUp: () => step(plane.normal, 1),
    ArrowDown: () => step(plane.normal, -1),
    PageUp: () => step(plane.normal, 10),
    PageDown: () => step(plane.normal, -10),
    ArrowLeft: () => change({healthy: clamp(view.healthy - 0.05, 0, 1)}),
    ArrowRight: () => change({healthy: clamp(view.healthy + 0.05, 0, 1)}),
    " ": () => change({healthy: view.healthy < 0.5 ? 1 : 0}),
    "+": () => zoomTo(view.zoom * 1.5),
    "=": () => zoomTo(view.zoom * 1.5),
    "-": () => zoomTo(view.zoom / 1.5),
    0: () => change({...first, at: [...first.at]}),
    o: () => change({overlay: overlays[(overlays.indexOf(view.overlay) + 1) % 3]}),
    c: () => change({cross: on("cross"), outline: on("outline")}),
    n: () => nextPart(1),
    p: () => nextPart(-1),
  };
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  act?.();
  return Boolean(act);
}

// The page scrolls on where the planes end.
function listenToWheel(canvas, plane) {
  let turned = 0;
  canvas.addEventListener("wheel", (event) => {
    const by = event.deltaY * (event.deltaMode ? WHEEL_STEP : 1), at = view.at[plane.normal];
    if (event.ctrlKey) {
      event.preventDefault();
      zoomTo(view.zoom * 2 ** (-by / 200), cellUnder(canvas, plane, event));
      return;
    }
    if ((by > 0 && at === 0) || (by < 0 && at === data.shape[plane.normal] - 1)) return;
    event.preventDefault();
    turned = Math.sign(turned) === Math.sign(by) ? turned + by : by;
    const slices = Math.trunc(turned / WHEEL_STEP);
    turned -= slices * WHEEL_STEP;
    if (slices) step(plane.normal, -slices);
  }, {passive: false});
}

function cellUnder(canvas, plane, event) {
  const box = canvas.getBoundingClientRect(), at = [...view.at];
  const lay = layOut(data.shape, plane, canvas.width, canvas.height, view.zoom, view.middle, view.radiological);
  const x = (event.clientX - box.left - canvas.clientLeft) * data.dots, y = (event.clientY - box.top - canvas.clientTop) * data.dots;
  [at[plane.across], at[plane.up]] = toCell(data.shape, plane, lay, x, y, view.radiological);
  return at;
}

// One finger or the left button: where planes cross. Right button: window. Shift, or two fingers: move, zoom.
function listenToPointer(canvas, plane) {
  const down = new Map();
  const apart = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    if (event.button === 0 && !event.shiftKey && down.size === 1) change({at: cellUnder(canvas, plane, event)});
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const across = event.clientX - before.clientX, up = event.clientY - before.clientY;
    const distance = down.size === 2 ? apart() : 0;
    down.set(event.pointerId, event);
    if (distance) {
      zoomTo((view.zoom * apart()) / distance);
      shift(canvas, plane, across / 2, up / 2);
    } else if (event.buttons & 2) {
      change({level: view.level - up / 300, width: clamp(view.width * 2 ** (across / 150), 0.25, 4)});
    } else if (event.buttons & 4 || event.shiftKey) shift(canvas, plane, across, up);
    else if (event.buttons & 1) change({at: cellUnder(canvas, plane, event)});
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => down.delete(event.pointerId));
  }
}

function shift(canvas, plane, across, up) {
  const middle = [...view.middle];
  const {scale} = layOut(data.shape, plane, canvas.width, canvas.height, view.zoom, middle, view.radiological);
  middle[plane.across] += ((view.radiological ? 1 : -1) * across * data.dots) / scale;
  middle[plane.up] += (up * data.dots) / scale;
  change({middle: middle.map((m, axis) => clamp(m, 0, data.shape[axis] - 1))});
}

// --- the table of marked parts

const rowsOfParts = () => [...document.querySelectorAll("tr[data-part]")];

function listenToTable() {
  for (const row of rowsOfParts()) {
    const cell = row.cells[0], button = document.createElement("button");
    button.type = "button";
    button.className = "part";
    button.setAttribute("aria-label", `Show marked part ${cell.textContent}`);
    button.append(...cell.childNodes);
    cell.append(button);
    row.addEventListener("click", () => showPart(row));
  }
}

function showPart(row) {
  for (const other of rowsOfParts()) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  const table = row.closest(".parts");
  if (row.offsetTop < table.scrollTop + row.offsetHeight || row.offsetTop > table.scrollTop + table.clientHeight - row.offsetHeight) {
    table.scrollTop = row.offsetTop - table.clientHeight / 2;
  }
  goTo([...data.lesions[row.dataset.part]]);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const box = find(".viewer-planes").getBoundingClientRect();
  if (box.top < 0 || box.top > innerHeight / 2) {
    find(".viewer-planes").scrollIntoView({block: "start", behavior: still ? "auto" : "smooth"});
  }
}

function nextPart(by) {
  const rows = rowsOfParts(), now = rows.findIndex((row) => row.hasAttribute("aria-current"));
  if (rows.length) showPart(rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : (now + by + rows.length) % rows.length]);
}

start().catch((error) => {
  root.hidden = false;
  root.replaceChildren("This browser cannot show the volumes; the pictures below show the same.");
  root.classList.add("viewer-failed");
  console.warn(error);
});
