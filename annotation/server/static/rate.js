// The page on which a rater rates: puts player, slider, recorder and queue together.
import { Gamepads } from "./gamepad.js";
import { Player } from "./player.js";
import { Queue, sendLeftovers } from "./queue.js";
import { Ratings } from "./ratings.js";
import { Recorder } from "./recorder.js";
import { MAX, Plane, Slider } from "./slider.js";
import { Trace } from "./trace.js";

const $ = (id) => document.getElementById(id);
const number = Number(location.pathname.split("/").at(-1));
const BACK_S = 5;
const ASKED = { valence: "Valence – how pleasant?", arousal: "Arousal – how activated?" };

let facts, ratings, recorder, player, queue, trace, input;
let speed = 1;
let stepping = false;
let locked = true;

function draw(bytes) {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes)))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// A tab keeps its name over reloads; a page has one of its own.
function tabName() {
  const key = "mavfer-tab";
  if (!sessionStorage.getItem(key)) sessionStorage.setItem(key, draw(12));
  return sessionStorage.getItem(key);
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${String(minutes).padStart(2, "0")}:${(seconds - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}

function veil(title, text, main, other) {
  $("veil").hidden = !title;
  if (!title) return;
  $("veil-title").textContent = title;
  $("veil-text").textContent = text;
  for (const [id, choice] of [["veil-main", main], ["veil-other", other]]) {
    $(id).hidden = !choice;
    $(id).textContent = choice?.[0] ?? "";
    $(id).onclick = choice?.[1] ?? null;
  }
  // No button gets the focus: who is just pressing the space bar has not chosen anything.
}

function unveil() {
  veil("");
}

function lock(title, text, main, other) {
  locked = true;
  player?.stop("locked");
  document.body.dataset.state = "locked";
  veil(title, text, main, other);
}

async function ask(what, body) {
  const answer = await fetch(`/api/tasks/${number}${what}`, body ? { method: "POST", body: JSON.stringify(body) } : undefined);
  const data = await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, data };
}

async function download() {
  const kept = await queue.kept();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ task: number, events: kept })], { type: "application/json" }));
  link.download = `ratings-kept-${number}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function showQueue({ kind, error, waiting, saved, local }) {
  const place = saved ? clock(player.time(saved.frame)) : "";
  const words = {
    saved: saved ? `saved up to ${place}` : "all is saved",
    sending: saved ? `saved up to ${place}` : "saving…",
    offline: local ? `offline – ${waiting} kept in this browser` : `offline – ${waiting} not saved: keep this page open`,
    ended: `not saved – ${waiting} kept in this browser`,
    refused: `not saved – ${waiting} kept in this browser`,
    superseded: "rated in another window",
    late: "submitted",
  };
  $("saved").textContent = words[kind];
  $("saved").dataset.kind = kind;
  $("saved").title = error;
  if (kind === "superseded" && !locked) {
    lock("Rated in another window", "You opened this task somewhere else and went on there. What you said here is kept.", ["Go on here", () => reopen(true)]);
  } else if (kind === "late" && !locked) {
    lock("Submitted", "This task was submitted in the meantime and can no longer be changed.", ["To the list", () => location.assign("/")]);
  } else if (kind === "ended" && !locked) {
    lock("Your access has ended", `${waiting} events are kept in this browser. Ask for a new link, open it here, and they will be sent.`, ["Try again", () => location.reload()], ["Save as a file", download]);
  } else if (kind === "refused" && !locked) {
    lock("The server refuses this", `${error}. ${waiting} events are kept in this browser. Tell the admin.`, ["Save as a file", download]);
  }
  showSubmit();
}

function reopen(takeOver) {
  sessionStorage.setItem("mavfer-take-over", takeOver ? String(number) : "");
  location.reload();
}

function showSubmit() {
  const gaps = ratings.gaps();
  $("gap").disabled = locked || !gaps.length;
  $("gap").textContent = gaps.length ? `${gaps.length} gap${gaps.length > 1 ? "s" : ""} ▸` : "No gaps";
  $("gap").classList.toggle("warn", gaps.length > 0);
  $("submit").disabled = locked || queue.waiting.length > 0;
  $("submit").classList.toggle("main", !gaps.length);
}

let shownMs = 0;
function showFrame(frame, force = false) {
  const nowMs = performance.now();
  trace.show(frame);
  input.show(recorder.position);
  $("hint").hidden = locked || facts.dimensions.every((name) => recorder.position[name] !== null);
  if (!force && nowMs - shownMs < 100) return; // text ten times a second is enough
  shownMs = nowMs;
  $("clock").textContent = stepping
    ? `frame ${frame + 1} of ${facts.video.n_frames}`
    : `${clock(player.time(frame))} of ${clock(player.time(facts.video.n_frames))}`;
}

function showState() {
  document.body.dataset.state = locked ? "locked" : player.playing ? "playing" : "paused";
  $("play").textContent = player.playing ? "❚❚ Pause" : "▶ Play";
  for (const button of document.querySelectorAll(".speed")) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === speed));
  $("step").setAttribute("aria-pressed", String(stepping));
  document.body.classList.toggle("stepping", stepping);
  $("play").disabled = stepping;
  showFrame(player.frame, true);
  showSubmit();
}

function touch(name, value) {
  move(name, () => value);
}

function nudge(name, by) {
  move(name, (now) => Math.max(-MAX, Math.min(MAX, (now ?? 0) + by)));
}

function move(name, change) {
  soon(() => {
    if (locked) return;
    recorder.touch(name, change(recorder.position[name]));
    showFrame(player.frame);
  });
}

function toggle() {
  if (player.playing) return player.stop("pause");
  if (locked || stepping || !$("veil").hidden) return;
  if (!underway && player.frame >= facts.video.n_frames - 1) seek(() => 0, "again");
  soon(() => player.play(speed));
}

function videoFailed(why) {
  lock("The video has stopped", `${why}. What you said is kept; go on when the server is back.`, ["Load again", () => location.reload()]);
}

// What is asked for while the video is on its way to another frame is done when it is there.
let seeking = Promise.resolve();
let underway = 0;
function soon(action) {
  if (!underway) return action();
  seeking = seeking.then(action);
  return seeking;
}

// find() says where to, when it is this jump's turn.
function seek(find, reason = "seek") {
  if (locked) return seeking;
  player.stop(reason);
  underway += 1;
  seeking = seeking.then(async () => {
    try {
      await player.seek(find());
      recorder.look(player.frame);
    } catch (error) {
      videoFailed(error.message);
    } finally {
      underway -= 1;
    }
    showState();
  });
  return seeking;
}

function back() {
  const playing = player.playing;
  const frames = Math.round((BACK_S * facts.video.rate_num) / facts.video.rate_den);
  seek(() => player.frame - frames, "back").then(() => { if (playing) player.play(speed); });
}

function step(by) {
  if (locked) return;
  if (stepping && by > 0) judge();
  else seek(() => player.frame + by, "step");
}

// Rates the frame that is shown and goes on to the next one, with the slider where it is unless
// something was said of that one before.
function judge() {
  soon(() => {
    recorder.judge(player.frame);
    seek(() => player.frame + 1, "step");
  });
}

function setSpeed(next) {
  const playing = player.playing;
  player.stop("speed");
  speed = next;
  if (playing) player.play(speed);
  showState();
}

function toggleStepping() {
  if (locked || !facts.frame_step) return;
  player.stop("step");
  stepping = !stepping;
  showState();
}

function nextGap() {
  const gaps = ratings.gaps();
  if (!gaps.length) return;
  const next = gaps.find(([first, last]) => last > player.frame && first > player.frame) ?? gaps[0];
  const lead = stepping ? 0 : Math.round(facts.video.rate_num / facts.video.rate_den);
  seek(() => next[0] - lead, "gap");
}

function turn() {
  document.body.classList.toggle("lying");
  localStorage.setItem("mavfer-lying", document.body.classList.contains("lying") ? "yes" : "");
  showState();
}

function comment() {
  player.stop("comment");
  $("comment-text").value = facts.comment;
  $("comment").returnValue = "";
  $("comment").showModal();
}

async function submit(withGaps = false) {
  player.stop("submit");
  const gaps = ratings.gaps();
  if (gaps.length && !withGaps) {
    const frames = gaps.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    veil("Something is missing", `${gaps.length} stretch${gaps.length > 1 ? "es" : ""}, ${clock(player.time(frames))} in all, ${gaps.length > 1 ? "have" : "has"} no rating.`,
      ["Go to the first", () => { unveil(); seek(() => 0).then(() => { if (ratings.gaps()[0]?.[0] > 0) nextGap(); }); }],
      ["Submit all the same", () => submit(true)]);
    return;
  }
  veil("Submitting…", "");
  if (!(await queue.drain())) {
    veil("Not everything is saved yet", "The server does not answer. Your ratings are kept in this browser; try again when it is back.", ["Back", unveil]);
    return;
  }
  try {
    const { ok, data } = await ask("/submit", { client: queue.client, n_events: queue.nEvents, with_gaps: withGaps });
    if (ok) {
      locked = true;
      location.assign("/");
    } else veil("Not submitted", data.error ?? `${data.n_missing} frames are missing.`, ["Back", unveil]);
  } catch {
    veil("Not submitted", "The server does not answer. Everything you said is saved; try again.", ["Back", unveil]);
  }
}

const KEYS = {
  " ": toggle, b: back, n: nextGap, s: toggleStepping, c: comment, t: turn,
  1: () => setSpeed(0.5), 2: () => setSpeed(0.75), 3: () => setSpeed(1),
  ",": () => step(-1), ".": () => step(1), Enter: () => { if (stepping) judge(); },
  "?": () => $("help").showModal(),
};
const ONCE = new Set([" ", "s", "t", "c", "?", "n"]);

function keyDown(event) {
  if (locked || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const plane = facts.dimensions.length > 1;
  const [upright, lying] = plane ? ["arousal", "valence"] : [facts.dimensions[0], facts.dimensions[0]];
  const nudges = { ArrowUp: [upright, 1], ArrowDown: [upright, -1], ArrowRight: [lying, 1], ArrowLeft: [lying, -1] };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (nudges[key]) nudge(...nudges[key]);
  else if (key === "0") facts.dimensions.forEach((name) => touch(name, 0));
  else if (key === "Enter" && !stepping) return; // presses the button that has the focus
  else if (KEYS[key]) {
    if (!(event.repeat && ONCE.has(key))) KEYS[key]();
  } else return;
  event.preventDefault();
}

function listen() {
  document.addEventListener("keydown", keyDown);
  const clicks = { play: toggle, "back-5": back, "frame-back": () => step(-1), "frame-on": () => step(1), step: toggleStepping, turn, "comment-open": comment, gap: nextGap, submit: () => submit(), "help-open": () => $("help").showModal() };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", () => action());
  // The keyboard belongs to the slider, not to the button that was clicked last.
  document.querySelector("footer").addEventListener("pointerup", () => document.activeElement?.blur());
  for (const button of document.querySelectorAll(".speed")) button.addEventListener("click", () => setSpeed(Number(button.dataset.speed)));
  $("video").addEventListener("click", toggle);
  $("comment").addEventListener("close", () => {
    if ($("comment").returnValue !== "keep" || $("comment-text").value === facts.comment) return;
    facts.comment = $("comment-text").value;
    recorder.say("comment", { detail: facts.comment });
  });
  // Nobody rates what they do not look at.
  addEventListener("blur", () => player.stop("blur"));
  document.addEventListener("visibilitychange", () => { if (document.hidden) { player.stop("hidden"); queue.hurry(); } });
  addEventListener("pagehide", () => { player.stop("leave"); queue.leave(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

async function begin() {
  if (!Player.fits()) {
    veil("This browser is too old", "It cannot tell which picture of a video is on the screen. Use Chromium or Chrome 103, Firefox 132, Safari 16 or newer.");
    return;
  }
  const takeOver = sessionStorage.getItem("mavfer-take-over") === String(number);
  sessionStorage.removeItem("mavfer-take-over");
  const first = await ask("");
  if (first.status === 401) return void location.replace("/");
  if (!first.ok) return veil("Not now", first.data.error ?? "The server cannot show this task.", ["To the list", () => location.assign("/")]);
  const client = draw(18);
  // What an earlier page of this browser could not send comes first: it is part of the ratings.
  await sendLeftovers(first.data.project, first.data.rater);
  if (first.data.state === "submitted") {
    facts = first.data;
  } else {
    const opened = await ask("/open", { client, tab: tabName(), take_over: takeOver });
    if (opened.data.kind === "busy") {
      return veil("Rated in another window", "This task is open in another window or on another computer. If you go on here, that one stops; nothing is lost.", ["Go on here", () => reopen(true)], ["To the list", () => location.assign("/")]);
    }
    if (!opened.ok) return veil("Not now", opened.data.error ?? "", ["To the list", () => location.assign("/")]);
    facts = { ...first.data, ...opened.data };
  }
  await show(client);
}

async function show(client) {
  const plane = facts.dimensions.length > 1;
  $("asked").textContent = plane ? "Valence and arousal" : ASKED[facts.dimensions[0]];
  document.title = `${facts.dimensions.join(" and ")} – rate`;
  $("practice").hidden = !facts.practice;
  $("help-plane").hidden = !plane;
  $("turn").hidden = plane;
  $("step").hidden = !facts.frame_step;
  document.body.classList.toggle("lying", !plane && localStorage.getItem("mavfer-lying") === "yes");
  document.body.classList.toggle("two", plane);

  ratings = new Ratings(facts.video.n_frames, facts.dimensions, facts.values);
  player = new Player($("video"), facts.video);
  queue = new Queue(facts.project, facts.rater, number, client, showQueue);
  recorder = new Recorder(ratings, (event) => queue.add(event));
  input = plane ? new Plane($("inputs"), touch) : new Slider($("inputs"), facts.dimensions[0], touch);
  trace = new Trace($("trace"), ratings, (frame) => seek(() => frame));
  new Gamepads(facts.dimensions, touch, (name) => (name === "play" ? toggle() : back()));
  player.onplay = (frame) => { recorder.play(frame, speed); showState(); };
  player.onframe = (frame) => { recorder.shown(frame); showFrame(frame); };
  player.onpause = (frame, reason, skipped) => {
    recorder.pause(reason);
    if (skipped > 0) recorder.say("note", { detail: `skipped ${skipped}` });
    showState();
  };

  const loaded = new Promise((resolve, reject) => {
    $("video").addEventListener("loadeddata", resolve, { once: true });
    $("video").addEventListener("error", () => reject(new Error($("video").error?.message || "it cannot be read")), { once: true });
  });
  $("video").src = facts.video.url;
  try {
    await loaded;
  } catch (error) {
    return veil("This browser cannot play the video", `${facts.video.codec}: ${error.message}. Use another browser, or tell the admin.`, ["To the list", () => location.assign("/")]);
  }
  await player.seek(facts.resume_frame);
  locked = facts.state === "submitted";
  recorder.look(player.frame);
  if (locked) {
    showState();
    $("saved").textContent = "submitted";
    return veil("Submitted", "You have submitted this. If something is wrong, ask for it to be opened again.", ["To the list", () => location.assign("/")], ["Look at it", () => { $("video").controls = true; unveil(); }]);
  }
  $("video").addEventListener("error", () => videoFailed($("video").error?.message || "The server does not answer"));
  await queue.open();
  showQueue({ kind: "saved", waiting: 0, saved: null, error: "", local: true });
  listen();
  showState();
}

begin().catch((error) => {
  lock("Something went wrong", `${error.message}. What you said so far is kept.`, ["Load again", () => location.reload()]);
});
