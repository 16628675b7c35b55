// The page: shows what the server says, sends what the operator does. Nothing is decided here.
import { showSensors } from "./sensors.js";
import { showSessions } from "./sessions.js";
import { showPreview, updateViews } from "./views.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  idle: "READY", starting: "STARTING", arming: "ARMING", armed: "ARMED",
  recording: "RECORDING", stopping: "STOPPING", saving: "SAVING", lost: "NO CONNECTION",
};
let state = null;
let noticeSeen = 0;
let finishedSeen = -1;

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function say(level, text) {
  $("notice").hidden = !text;
  $("notice").className = level;
  $("notice-text").textContent = text;
}

async function order(what, details) {
  try {
    const answer = await fetch(`/api/${what}`, { method: "POST", body: details ? JSON.stringify(details) : "" });
    if (answer.ok) return true;
    const text = await answer.text();
    let told = text;
    try { told = JSON.parse(text).error; } catch { /* plain words */ }
    say("error", told);
  } catch {
    say("error", "The console does not answer.");
  }
  return false;
}

function arm() {
  if (!$("form").reportValidity()) return;
  const protocol = $("protocol").value || null;
  const duration = $("duration").value;
  order("arm", {
    subject: $("subject").value, kind: $("kind").value, consent: $("consent").checked,
    share: $("share").checked, publish_pictures: $("publish").checked, until: $("until").value || null,
    protocol, duration_s: !protocol && duration ? Number(duration) : null, allow_poor_sync: $("poor").checked,
  });
}

async function mark() {
  const label = $("label").value.trim() || "marker";
  if (await order("mark", { label })) $("label").value = "";
}

const ACTIONS = {
  arm, mark, record: () => order("record"), stop: () => order("stop"),
  disarm: () => order("disarm"), next: () => order("next"),
};
for (const [id, action] of Object.entries(ACTIONS)) $(id).addEventListener("click", action);
$("notice-close").addEventListener("click", () => say("", ""));
$("form").addEventListener("submit", (event) => { event.preventDefault(); });
$("label").addEventListener("keydown", (event) => { if (event.key === "Enter") mark(); });
$("protocol").addEventListener("change", () => { $("duration").disabled = Boolean($("protocol").value); });
$("kind").addEventListener("change", () => { $("consent-box").hidden = $("kind").value === "board"; });

// Single keys, never while typing; STOP needs Shift: a session cannot be repeated.
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const keys = { a: "arm", r: "record", m: "mark", n: "next", Escape: "disarm", S: "stop" };
  const button = keys[event.key] && $(keys[event.key]);
  if (button && !button.disabled && !button.closest("[hidden]")) {
    event.preventDefault();
    button.click();
  }
});

function showStage(stage) {
  $("stage").hidden = !stage;
  $("next").hidden = !stage;
  if (!stage) return;
  $("stage-name").textContent = stage.name;
  $("stage-count").textContent = `stage ${stage.number} of ${stage.count}`;
  $("stage-instruction").textContent = stage.instruction;
  const planned = stage.duration_s != null;
  $("stage-time").textContent = planned ? `${clock(stage.elapsed_s)} of ${clock(stage.duration_s)}` : `${clock(stage.elapsed_s)}, until you move on`;
  $("stage-bar").hidden = !planned;
  if (planned) $("stage-bar").value = Math.min(1, stage.elapsed_s / stage.duration_s);
}

function showDisk(statuses) {
  const all = Object.values(statuses);
  const left = all.map((s) => s.disk_left_s).filter((s) => s != null);
  const free = all.map((s) => s.disk_free_bytes).filter((b) => b != null);
  const parts = [];
  if (free.length) parts.push(`${(Math.min(...free) / 1e9).toFixed(0)} GB`);
  if (left.length) {
    const minutes = Math.min(...left) / 60;
    parts.push(minutes < 600 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(0)} h`);
  }
  $("disk").textContent = parts.join(" · ") || "–";
  $("disk").className = left.length && Math.min(...left) < 1800 ? "figures warn" : "figures";
}

function show(next) {
  if (state && next.phase === "recording" && state.phase === "armed" && $("notice").className === "info") say("", "");
  state = next;
  const { phase } = state;
  document.body.dataset.phase = phase;
  $("phase").textContent = WORDS[phase] ?? phase.toUpperCase();
  const running = phase === "recording" || phase === "stopping";
  const planned = state.duration_s != null ? ` of ${clock(state.duration_s)}` : "";
  $("elapsed").textContent = running ? clock(state.elapsed_s) + planned : "";
  $("session").textContent = state.session ?? "none";
  $("rig").textContent = state.rig;
  document.title = `${WORDS[phase]} – mavfer console`;
  $("arm").disabled = phase !== "idle";
  $("record").disabled = phase !== "armed" || Object.keys(state.failures).length > 0;
  $("stop").disabled = phase !== "recording";
  $("disarm").disabled = phase !== "arming" && phase !== "armed";
  $("form").hidden = running || phase === "saving";
  for (const field of $("form").elements) field.disabled = phase !== "idle" || (field.id === "duration" && Boolean($("protocol").value));
  $("marking").hidden = phase !== "recording";
  showStage(state.stage);
  showDisk(state.statuses);
  showSensors($("sensors"), state, (sensor) => order("restart", { sensor }));
  updateViews(state);
  if (state.notice.number !== noticeSeen) {
    noticeSeen = state.notice.number;
    if (noticeSeen) say(state.notice.level, state.notice.text);
  }
  if (state.n_finished !== finishedSeen) {
    if (finishedSeen >= 0) forgetConsent();
    finishedSeen = state.n_finished;
    showSessions(order);
  }
}

// The next subject has not agreed to anything yet.
function forgetConsent() {
  for (const id of ["consent", "share", "publish"]) $(id).checked = false;
  $("until").value = "";
}

function connect() {
  const socket = new WebSocket(`ws://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? show(JSON.parse(data)) : showPreview(data));
  socket.onclose = () => {
    document.body.dataset.phase = "lost";
    $("phase").textContent = WORDS.lost;
    $("elapsed").textContent = "";
    for (const id of Object.keys(ACTIONS)) $(id).disabled = true;
    setTimeout(connect, 1000);
  };
}

const setup = await (await fetch("/api/setup")).json();
for (const name of setup.protocols) $("protocol").add(new Option(name, name));
connect();
