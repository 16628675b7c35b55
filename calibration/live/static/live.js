// The guide: pictures with what is found in them, what is missing, and three buttons.
import { KINDS, paint, rangeOf } from "/console/colormaps.js";

const CAMERAS = ["color", "infrared", "thermal"];
const N_CELLS = 10;
const STALE_MS = 2500;
const GREEN = "#8fc7b5", AMBER = "#e0b75e";
const $ = (id) => document.getElementById(id);
const views = new Map();
let state = null;
let refused = "";
let dismissed = "";

function element(tag, className, parent, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

for (const camera of CAMERAS) {
  const figure = element("figure", "", $("views"));
  figure.dataset.stream = camera;
  const caption = element("figcaption", "", figure);
  element("strong", "", caption, camera);
  const count = element("span", "rate figures", caption);
  const picture = element("div", "picture", figure);
  const canvas = element("canvas", "", picture);
  const drawn = element("canvas", "drawn", picture);
  const over = element("span", "over", picture);
  views.set(camera, { count, picture, canvas, drawn, over, at: -Infinity });
}

async function showPreview(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const view = views.get(header.stream);
  if (!view) return;
  const { canvas } = view;
  if (canvas.width !== header.width || canvas.height !== header.height) {
    canvas.width = header.width;
    canvas.height = header.height;
  }
  const body = buffer.slice(4 + length);
  if (header.format === "uint16") {
    const values = new Uint16Array(body);
    const kind = KINDS[header.modality] ?? KINDS.infrared;
    paint(canvas.getContext("2d"), values, header.width, header.height, kind, rangeOf(values, kind.hole));
  } else {
    const picture = await createImageBitmap(new Blob([body], { type: "image/jpeg" }));
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
  }
  view.at = performance.now();
}

// Coverage, the views taken and the corners of now, sharper than the small picture below.
function draw(camera, view) {
  const { canvas, drawn, picture } = view;
  const box = picture.getBoundingClientRect();
  const dots = window.devicePixelRatio;
  drawn.width = Math.round(box.width * dots);
  drawn.height = Math.round(box.height * dots);
  if (!canvas.width) return;
  const scale = Math.min(drawn.width / canvas.width, drawn.height / canvas.height);
  const width = canvas.width * scale, height = canvas.height * scale;
  const left = (drawn.width - width) / 2, top = (drawn.height - height) / 2;
  const at = ([x, y]) => [left + x * width, top + y * height];
  const pen = drawn.getContext("2d");
  const cells = state.cells[camera] ?? [];
  cells.forEach((row, j) => row.forEach((count, i) => {
    if (!count) return;
    pen.fillStyle = `rgba(143, 199, 181, ${0.12 + 0.02 * Math.min(count, 12)})`;
    pen.fillRect(left + (i * width) / N_CELLS, top + (j * height) / N_CELLS, width / N_CELLS, height / N_CELLS);
  }));
  pen.lineWidth = dots;
  pen.strokeStyle = "rgba(143, 199, 181, .55)";
  for (const outline of state.outlines[camera] ?? []) {
    pen.beginPath();
    outline.forEach((corner, i) => pen[i ? "lineTo" : "moveTo"](...at(corner)));
    pen.closePath();
    pen.stroke();
  }
  const corners = state.corners[camera];
  if (!corners) return;
  const [columns] = state.board;
  pen.strokeStyle = pen.fillStyle = state.motion === "moving" ? AMBER : GREEN;
  pen.lineWidth = 2 * dots;
  pen.beginPath();
  corners.forEach((corner, i) => pen[i % columns ? "lineTo" : "moveTo"](...at(corner)));
  pen.stroke();
  for (const corner of corners) {
    pen.beginPath();
    pen.arc(...at(corner), 3.5 * dots, 0, 7);
    pen.fill();
  }
}

function words() {
  const { phase, motion, making, hints } = state;
  const next = hints[0] ?? "";
  if (making.state === "running" || making.state === "waiting") return ["CALIBRATING", "wait", "The recorded session is read at full size. This takes a minute or two."];
  if (making.state === "done") {
    const verdict = making.outcome.verdict;
    const told = { good: "The calibration is within all limits.", fair: "Usable; the report says what another session would improve.", fail: "Beyond a limit: the report says which. Record again." };
    return [verdict.toUpperCase(), verdict === "fail" ? "bad" : verdict === "good" ? "good" : "wait", told[verdict] ?? ""];
  }
  if (making.state === "refused") return ["NOT CALIBRATED", "bad", making.error];
  if (phase === "idle") return ["READY", "", "Warm the board with a lamp, then press Start."];
  if (phase !== "recording") return [{ starting: "STARTING", arming: "OPENING", armed: "OPENING" }[phase] ?? "SAVING", "wait", "The sensors are being made ready."];
  const ahead = state.enough ? `Enough: stop and calibrate.${next ? ` Better still: ${next}` : ""}` : next || "Hold it elsewhere, tilted otherwise.";
  if (state.enough && motion !== "holding") return ["ENOUGH VIEWS", "good", ahead];
  return {
    absent: ["SHOW THE BOARD", "wait", next || "Hold it where the cameras see the whole of it."],
    moving: ["HOLD IT STILL", "wait", ahead],
    holding: ["HOLD IT", "wait", "Do not move."],
    taken: [`VIEW ${state.n_views} TAKEN`, "good", ahead],
    known: ["IT WAS HERE ALREADY", "wait", ahead],
  }[motion];
}

function bars(root, counts, label) {
  const highest = Math.max(1, ...counts);
  root.replaceChildren();
  counts.forEach((count, i) => {
    const bar = element("div", "bar", root, "");
    if (count) element("span", "", bar, String(count));
    element("i", "", bar).style.height = `${(55 * count) / highest}%`;
    element("span", "", bar, label(i));
  });
}

function show() {
  const { phase, making } = state;
  const [word, tone, hint] = words();
  document.body.dataset.phase = phase;
  document.body.dataset.tone = tone;
  document.body.classList.toggle("enough", state.enough && phase === "recording");
  $("word").textContent = word;
  $("hint").textContent = hint;
  $("held").hidden = !(phase === "recording" && state.motion === "holding");
  $("held").value = state.held_share;
  $("n-views").textContent = `${state.n_views} of ${state.n_wanted}`;
  $("recorded").textContent = phase === "recording" ? `${state.elapsed_s.toFixed(0)} s` : "–";
  $("rig").textContent = state.rig;
  const failures = Object.entries(state.failures).map(([name, text]) => `${name}: ${text}`).join(" ");
  tell(refused || failures || (state.notice.level === "error" ? state.notice.text : ""));
  const checks = $("checks");
  checks.replaceChildren();
  for (const check of state.checks) {
    const block = element("div", `check ${check.met ? "met" : ""}`, checks);
    element("strong", "", block, check.name);
    element("span", "figures", block, check.text);
    const bar = element("progress", "", block);
    bar.max = 1;
    bar.value = check.share;
  }
  $("hints").replaceChildren(...state.hints.slice(phase === "recording" ? 1 : 0).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  bars($("tilts"), state.tilts, (i) => `${10 * i}°`);
  bars($("distances"), state.distances, (i) => (0.4 + 0.1 * i).toFixed(1));
  for (const [camera, view] of views) {
    view.count.textContent = `${state.seen_by[camera]} views`;
    const open = ["armed", "recording", "stopping"].includes(phase);
    const stale = open && performance.now() - view.at > STALE_MS;
    view.picture.classList.toggle("stale", stale || !open);
    view.over.textContent = stale ? "no new picture" : "";
    draw(camera, view);
  }
  $("result").hidden = making.state === "none";
  $("making").hidden = making.state !== "running" && making.state !== "waiting";
  $("making").value = making.total ? making.done / making.total : 0;
  $("verdict").textContent = making.state === "done" ? `Verdict: ${making.outcome.verdict}` : making.error;
  $("lines").textContent = making.outcome ? making.outcome.lines.join("\n") : making.session ? `session: ${making.session}` : "";
  $("lines").hidden = !$("lines").textContent;
  $("report").hidden = !making.outcome?.report;
  const busy = ["waiting", "running"].includes(making.state);
  $("begin").disabled = phase !== "idle" || busy;
  $("calibrate").disabled = phase !== "recording";
  $("stop").disabled = !["arming", "armed", "recording"].includes(phase);
  $("stop").textContent = phase === "arming" ? "Give up" : "Stop only";
}

function tell(text) {
  $("notice").hidden = !text || text === dismissed;
  $("notice").className = "error";
  $("notice-text").textContent = text;
}

async function order(name) {
  refused = dismissed = "";
  const answer = await fetch(`/api/${name}`, { method: "POST", body: "{}" });
  if (answer.ok) return;
  const body = await answer.json().catch(() => ({ error: `refused (${answer.status})` }));
  refused = body.error;
}

$("notice-close").addEventListener("click", () => {
  dismissed = $("notice-text").textContent;
  refused = "";
});

$("begin").addEventListener("click", () => order("begin"));
$("calibrate").addEventListener("click", () => order("calibrate"));
$("stop").addEventListener("click", () => order("stop"));

function connect() {
  const socket = new WebSocket(`ws://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", (event) => {
    if (typeof event.data !== "string") { showPreview(event.data); return; }
    state = JSON.parse(event.data);
    show();
  });
  socket.addEventListener("close", () => {
    $("word").textContent = "NO CONNECTION";
    document.body.dataset.tone = "bad";
    setTimeout(connect, 1000);
  });
}
connect();
