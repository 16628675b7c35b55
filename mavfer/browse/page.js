"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const RATERS = ["#2f6f9f", "#d98c2b", "#7a9a3a", "#8b6bb1", "#c9553d", "#3a8f8a", "#b0568f", "#8a7a55"];
let video = null, row = 0, timer = null;

const element = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

function list() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  $("videos").replaceChildren(...data.videos
    .filter((v) => words.every((w) => `${v.id} ${v.subject} ${v.split} ${v.category}`.toLowerCase().includes(w)))
    .map((v) => {
      const item = element("li", v.id, {role: "option", "aria-selected": v === video});
      const about = [v.subject, v.split, v.category, `${v.time_s.length} rows`, `face ${v.face_percent} %`];
      item.append(element("small", about.filter(Boolean).join(" · ")));
      item.addEventListener("click", () => choose(v));
      return item;
    }));
}

async function choose(next) {
  if (!next) return;
  stop();
  video = next;
  row = 0;
  list();
  $("name").textContent = video.id;
  $("facts").textContent = video.facts;
  $("row").max = Math.max(video.time_s.length - 1, 0);
  const sheets = await Promise.all(data.modalities.map(async (modality) => {
    const images = next.sheets[modality].map((address) => Object.assign(new Image(), {src: address}));
    await Promise.all(images.map((image) => image.decode().catch(() => null)));
    return images;
  }));
  if (video !== next) return;
  $("crops").replaceChildren(...data.modalities.map((modality, i) => {
    const figure = element("figure");
    const canvas = element("canvas", undefined, {width: data.crop_px, height: data.crop_px});
    canvas.sheets = sheets[i];
    canvas.modality = modality;
    figure.append(canvas, element("figcaption", modality));
    return figure;
  }));
  $("plots").replaceChildren(...["valence", "arousal"].filter((d) => video[d] || video.raters[d]).map((d) => {
    const canvas = element("canvas", undefined, {"aria-label": d});
    canvas.dimension = d;
    const seek = (event) => {
      if (event.buttons !== 1) return;
      const box = canvas.getBoundingClientRect();
      show(nearest((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)));
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); stop(); seek(event); });
    canvas.addEventListener("pointermove", seek);
    return canvas;
  }));
  show(0);
}

const LEFT = 38, RIGHT = 8, TOP = 16, BOTTOM = 26;

function nearest(share) {
  const times = video.time_s, wanted = times[0] + Math.min(Math.max(share, 0), 1) * (times[times.length - 1] - times[0]);
  let best = 0;
  times.forEach((t, i) => { if (Math.abs(t - wanted) < Math.abs(times[best] - wanted)) best = i; });
  return best;
}

function show(next) {
  const count = video.time_s.length;
  row = Math.min(Math.max(next, 0), Math.max(count - 1, 0));
  $("row").value = row;
  $("where").textContent = count ? `row ${row + 1} of ${count}, ${video.time_s[row].toFixed(3)} s` : "no rows";
  for (const canvas of $("crops").querySelectorAll("canvas")) {
    const context = canvas.getContext("2d"), size = data.crop_px;
    context.clearRect(0, 0, size, size);
    const place = Math.floor(row / video.step), whole = data.columns ** 2, at = place % whole;
    const sheet = canvas.sheets[Math.floor(place / whole)];
    if (sheet && sheet.naturalWidth)
      context.drawImage(sheet, (at % data.columns) * size, Math.floor(at / data.columns) * size, size, size, 0, 0, size, size);
    const valid = canvas.modality === "color" ? video.valid.face : video.valid[canvas.modality];
    canvas.classList.toggle("bad", !valid[row]);
  }
  for (const canvas of $("plots").querySelectorAll("canvas")) plot(canvas);
  const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const facts = {
    valence: number(video.valence && video.valence[row]), arousal: number(video.arousal && video.arousal[row]),
    "face from": data.sources[video.face_source[row]] || "–",
    "no face because": data.reasons[video.reason[row]] || "–",
    confidence: number(video.confidence[row]),
    valid: Object.keys(video.valid).filter((name) => video.valid[name][row]).join(", ") || "nothing",
    flags: Object.keys(video.flags).filter((name) => video.flags[name][row]).join(", ").replaceAll("_", " ") || "none",
  };
  $("frame").replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
}

function plot(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const c = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  c.scale(ratio, ratio);
  const times = video.time_s, first = times[0] || 0, span = (times[times.length - 1] - first) || 1;
  const x = (t) => LEFT + ((t - first) / span) * (box.width - LEFT - RIGHT);
  const y = (v) => TOP + ((1 - v) / 2) * (box.height - TOP - BOTTOM);
  c.font = "11px system-ui, sans-serif";
  c.fillStyle = ink("--soft");
  c.strokeStyle = ink("--line");
  for (const v of [-1, 0, 1]) {
    c.beginPath(); c.moveTo(LEFT, y(v)); c.lineTo(box.width - RIGHT, y(v)); c.stroke();
    c.textAlign = "right"; c.fillText(v > 0 ? "+1" : String(v), LEFT - 6, y(v) + 4);
  }
  c.textAlign = "left";
  let at = LEFT;
  const legend = (text, color) => { c.fillStyle = color; c.fillText(text, at, 11); at += c.measureText(text).width + 12; };
  const line = (ts, vs, color, width) => {
    c.strokeStyle = color; c.lineWidth = width; c.beginPath();
    let open = false;
    ts.forEach((t, i) => {
      if (vs[i] === null) { open = false; return; }
      if (open) c.lineTo(x(t), y(vs[i])); else c.moveTo(x(t), y(vs[i]));
      open = true;
    });
    c.stroke();
  };
  legend(canvas.dimension, ink("--ink"));
  c.save();
  c.beginPath(); c.rect(LEFT, 0, box.width - LEFT - RIGHT, box.height); c.clip();
  Object.entries(video.raters[canvas.dimension] || {}).forEach(([rater, trace], i) => {
    line(trace.time_s, trace.value, RATERS[i % RATERS.length] + "b0", 1);
    legend(rater, RATERS[i % RATERS.length]);
  });
  if (video[canvas.dimension]) { line(times, video[canvas.dimension], ink("--gold"), 2); legend("gold", ink("--gold")); }
  const width = Math.max((box.width - LEFT - RIGHT) / Math.max(times.length, 1), 1.5);
  times.forEach((t, i) => {
    const flagged = Object.values(video.flags).some((rows) => rows[i]);
    const color = !video.face_source[i] ? "--bad" : data.sources[video.face_source[i]] === "interpolated" ? "--filled" : flagged ? "--flag" : null;
    if (color) { c.fillStyle = ink(color); c.fillRect(x(t) - width / 2, box.height - BOTTOM + 6, width + 0.5, 6); }
  });
  c.restore();
  c.fillStyle = ink("--soft");
  c.fillText(`${first.toFixed(1)} s`, LEFT, box.height - 2);
  c.textAlign = "right"; c.fillText(`${(first + span).toFixed(1)} s`, box.width - RIGHT, box.height - 2);
  if (times.length) {
    c.strokeStyle = ink("--accent"); c.lineWidth = 1.5;
    c.beginPath(); c.moveTo(x(times[row]), TOP); c.lineTo(x(times[row]), box.height - BOTTOM + 12); c.stroke();
  }
}

function stop() { clearTimeout(timer); timer = null; $("play").textContent = "play"; }

function play() {
  if (timer !== null) return stop();
  if (row >= video.time_s.length - 1) show(0);
  $("play").textContent = "pause";
  const next = () => {
    if (row >= video.time_s.length - 1) return stop();
    show(row + 1);
    const wait_s = row + 1 < video.time_s.length ? video.time_s[row + 1] - video.time_s[row] : 0;
    timer = setTimeout(next, Math.min(wait_s * 1000, 2000));
  };
  timer = setTimeout(next, 0);
}

function move(by) {
  const shown = data.videos.filter((v) => [...$("videos").children].some((li) => li.firstChild.textContent === v.id));
  choose(shown[Math.min(Math.max(shown.indexOf(video) + by, 0), shown.length - 1)]);
}

document.addEventListener("keydown", (event) => {
  if (event.target === $("filter") || !video) return;
  const by = event.shiftKey ? 10 : 1;
  const keys = {ArrowRight: () => show(row + by), ArrowLeft: () => show(row - by), " ": play, ArrowDown: () => move(1), ArrowUp: () => move(-1)};
  if (!keys[event.key]) return;
  event.preventDefault();
  if (event.key !== " ") stop();
  keys[event.key]();
});
$("filter").addEventListener("input", list);
$("row").addEventListener("input", () => { stop(); show(Number($("row").value)); });
$("play").addEventListener("click", play);
window.addEventListener("resize", () => video && show(row));
$("about").textContent = data.about;
list();
choose(data.videos[0]);
