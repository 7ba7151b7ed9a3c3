// Hands the images of one result to NiiVue; which are shown, and how opaque the upper ones are, is the page's.
import NiiVue from "./niivue.js";

const said = document.getElementById("said"), images = JSON.parse(document.getElementById("images").textContent);
const boxes = [...document.querySelectorAll("[data-image]")], opacity = document.getElementById("opacity");
// planes alone: turning a volume in space needs a graphics card
const viewer = new NiiVue({backgroundColor: [0, 0, 0, 1], isRadiological: true, showRender: 0});

async function show() {
  said.textContent = "Loading.";
  const chosen = boxes.filter((box) => box.checked).map((box) => images[box.dataset.image]);
  await viewer.loadVolumes(chosen.map((image, n) => ({...image, opacity: n ? opacity.value / 100 : 1})));
  said.textContent = `Shown: ${chosen.map((image) => image.name).join(", ") || "nothing"}.`;
}

function fail(error) {
  said.textContent = `This browser cannot show it (WebGL 2 is needed): ${error.message ?? error}. The report needs no WebGL.`;
}

try {
  await viewer.attachToCanvas(document.getElementById("full"));
  for (const control of [...boxes, opacity]) control.addEventListener("change", () => show().catch(fail));
  await show();
} catch (error) {
  fail(error);
}
