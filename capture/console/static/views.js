// The live pictures: one figure a stream, with the value under the cursor and the range bar.
import { KINDS, paint, rangeOf } from "./colormaps.js";

const STALE_MS = 2000;
const ORDER = ["color", "depth", "infrared", "thermal"];
const root = document.querySelector("#views");
const views = new Map();

function element(tag, className, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function makeView(header) {
  const figure = document.createElement("figure");
  figure.dataset.stream = header.stream;
  figure.style.order = ORDER.indexOf(header.modality);
  const caption = element("figcaption", "", figure);
  element("strong", "", caption).textContent = header.stream;
  const rate = element("span", "rate figures", caption);
  const picture = element("div", "picture", figure);
  const canvas = element("canvas", "", picture);
  const over = element("span", "over", picture);
  const view = { figure, rate, picture, canvas, over, at: 0, values: null, cursor: null };
  if (header.format === "uint16") {
    const scale = element("div", "scale figures", figure);
    view.low = element("span", "", scale);
    view.bar = element("canvas", "", scale);
    view.high = element("span", "", scale);
    view.under = element("span", "under", scale);
    drawBar(view.bar, KINDS[header.modality] ?? KINDS.infrared);
    canvas.addEventListener("pointermove", (event) => { view.cursor = place(canvas, event); tellUnder(view); });
    canvas.addEventListener("pointerleave", () => { view.cursor = null; tellUnder(view); });
  }
  root.append(figure);
  return view;
}

function drawBar(bar, kind) {
  bar.width = 256;
  bar.height = 1;
  paint(bar.getContext("2d"), Uint16Array.from({ length: 256 }, (_, i) => i), 256, 1, { ...kind, hole: false }, [0, 255]);
}

// The canvas is fitted into its box: margins belong to no pixel.
function place(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const x = Math.floor((event.clientX - box.left - (box.width - canvas.width * scale) / 2) / scale);
  const y = Math.floor((event.clientY - box.top - (box.height - canvas.height * scale) / 2) / scale);
  return x >= 0 && y >= 0 && x < canvas.width && y < canvas.height ? [x, y] : null;
}

function tellUnder(view) {
  const { cursor, values, canvas, kind, under } = view;
  under.textContent = cursor && values ? kind.text(values[cursor[1] * canvas.width + cursor[0]]) : "";
}

export async function showPreview(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const body = buffer.slice(4 + length);
  if (!views.has(header.stream)) views.set(header.stream, makeView(header));
  const view = views.get(header.stream);
  const { canvas } = view;
  if (canvas.width !== header.width || canvas.height !== header.height) {
    canvas.width = header.width;
    canvas.height = header.height;
  }
  if (header.format === "uint16") {
    view.values = new Uint16Array(body);
    view.kind = KINDS[header.modality] ?? KINDS.infrared;
    const range = rangeOf(view.values, view.kind.hole);
    paint(canvas.getContext("2d"), view.values, header.width, header.height, view.kind, range);
    view.low.textContent = view.kind.text(range[0]);
    view.high.textContent = view.kind.text(range[1]);
    tellUnder(view);
  } else {
    const picture = await createImageBitmap(new Blob([body], { type: "image/jpeg" }));
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
  }
  view.at = performance.now();
}

// Rates, drops and age of every stream; pictures of sensors that are closed are taken away.
export function updateViews(state) {
  const open = ["arming", "armed", "recording", "stopping"].includes(state.phase);
  const streams = new Map();
  for (const [sensor, status] of Object.entries(state.statuses)) {
    for (const [name, stream] of Object.entries(status.streams)) streams.set(name, { sensor, status, stream });
  }
  for (const [name, view] of views) {
    if (!open) {
      view.figure.remove();
      views.delete(name);
      continue;
    }
    const known = streams.get(name);
    const lost = !known || known.sensor in state.failures;
    const stale = lost || performance.now() - view.at > STALE_MS;
    view.picture.classList.toggle("stale", stale);
    if (stale && view.values) {
      view.values = null;
      tellUnder(view);
    }
    view.over.textContent = lost ? "sensor lost" : stale ? "no new picture" : "";
    view.over.className = `over ${lost ? "bad" : "warn"}`;
    if (!known) continue;
    const dropped = known.stream.n_dropped_sensor + known.stream.n_dropped_recorder;
    view.rate.textContent = lost ? "–" : `${known.stream.rate_hz.toFixed(1)} Hz`;
    if (state.phase === "recording" || state.phase === "stopping") {
      view.rate.textContent += ` · ${known.stream.n_frames} frames · ${dropped} dropped`;
    }
    view.rate.classList.toggle("warn", dropped > 0);
  }
  root.hidden = !open;
  document.querySelector("#past-box").hidden = open;
}
