// The admin's page: shows what the server says every few seconds. Raters are pseudonyms here, too.
import { Ratings } from "./ratings.js";
import { Trace } from "./trace.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 5000;
const RATINGS_EVERY_MS = 20000;

function element(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function button(text, action) {
  const made = element("button", text);
  made.addEventListener("click", () => action().catch(fail));
  return made;
}

function fail(error) {
  $("trouble").hidden = false;
  $("trouble").textContent = error.message;
}

async function ask(path, body) {
  const answer = await fetch(`/api/admin/${path}`, body === undefined ? undefined : { method: "POST", body: JSON.stringify(body) });
  if (answer.status === 401) location.replace("/");
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(data.error ?? `refused (${answer.status})`);
  $("trouble").hidden = true;
  return data;
}

function showLinks({ links }) {
  $("links").hidden = false;
  for (const [name, link] of Object.entries(links)) $("link-list").append(element("dt", name), element("dd", link));
}

function ago(seconds) {
  if (seconds === null) return "never";
  const past = Date.now() / 1000 - seconds;
  if (past < 30) return "now";
  if (past < 5400) return `${Math.round(past / 60)} min ago`;
  return past < 129600 ? `${Math.round(past / 3600)} h ago` : `${Math.round(past / 86400)} days ago`;
}

function showMatrix({ raters, videos, tasks }) {
  const table = $("matrix");
  const head = element("tr");
  head.append(element("th", "Rater"), element("th", "Team"), element("th", "Done", "n"), element("th", "Seen"));
  for (const video of videos) {
    const title = element("th", video.role === "practice" ? `${video.name} (practice)` : video.name);
    title.title = video.name;
    head.append(title);
  }
  head.append(element("th"));
  const cells = new Map();
  for (const task of tasks) {
    const key = `${task.rater} ${task.video}`;
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(task);
  }
  const rows = raters.map((rater) => {
    const row = element("tr", "", rater.removed ? "removed" : "");
    const mine = tasks.filter((task) => task.rater === rater.id);
    const done = mine.filter((task) => task.state === "submitted").length;
    row.append(element("td", rater.name), element("td", rater.team), element("td", `${done}/${mine.length}`, "n"), element("td", rater.removed ? "removed" : ago(rater.seen_s)));
    for (const video of videos) {
      const cell = element("td");
      const pair = element("span", "", "pair");
      for (const task of cells.get(`${rater.id} ${video.id}`) ?? []) {
        const state = task.state === "open" && task.started ? "started" : task.state;
        const dot = button("", () => showDetails(task.id));
        dot.className = `dot ${state}`;
        dot.dataset.task = task.id;
        dot.title = `${rater.name}, ${video.name}, ${task.dimensions.join(" and ")}: ${state}`;
        dot.setAttribute("aria-label", dot.title);
        pair.append(dot);
      }
      cell.append(pair);
      row.append(cell);
    }
    const actions = element("td");
    if (!rater.removed) {
      actions.append(
        button("New link", async () => { if (confirm(`End ${rater.name}'s link and logins and make a new link?`)) showLinks(await ask(`raters/${rater.id}/link`, {})); }), " ",
        button("Remove", async () => { if (confirm(`Shut ${rater.name} out? All ratings stay.`)) { await ask(`raters/${rater.id}/remove`, {}); await refresh(); } }),
      );
    }
    row.append(actions);
    return row;
  });
  table.replaceChildren(head, ...rows);
  showFlags();
}

async function showDetails(number) {
  const facts = await ask(`tasks/${number}`);
  const box = $("details");
  const names = Object.keys(facts.values);
  const nFrames = facts.values[names[0]].length;
  const title = element("h2", `${facts.rater} on ${facts.video}: ${names.join(" and ")}`);
  const sums = element("p", `${facts.state}; takes: ${facts.n_takes}, events: ${facts.n_events}, page loads: ${facts.n_pages}` + (facts.n_late ? `; ${facts.n_late} events came after the submission and do not count` : "") + `. Missing frames: ${names.map((name) => `${name} ${facts.n_missing[name]}`).join(", ")} of ${nFrames}.`, "quiet");
  const flags = element("ul");
  for (const name of names) for (const flag of facts.flags[name]) flags.append(element("li", `${name}: ${flag}`, "warn"));
  if (!flags.childElementCount) flags.append(element("li", "nothing conspicuous", "good"));
  const canvas = element("canvas");
  const actions = element("p");
  if (facts.state === "submitted") actions.append(button("Open again for the rater", async () => { await ask(`tasks/${number}/reopen`, {}); await refresh(); await showDetails(number); }), " ");
  actions.append(button("Close", async () => { box.hidden = true; }));
  box.replaceChildren(title, sums, flags, canvas);
  if (facts.comment) box.append(element("p", `Comment: ${facts.comment}`));
  box.append(actions);
  box.hidden = false;
  new Trace(canvas, new Ratings(nFrames, names, facts.values), () => {}).show(-1);
  box.scrollIntoView({ block: "nearest" });
}

function figure(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

let flags = {};

function showFlags() {
  for (const dot of document.querySelectorAll("#matrix .dot")) {
    const said = flags[dot.dataset.task];
    dot.classList.toggle("flagged", Boolean(said));
    if (said) dot.title += `; ${said.join("; ")}`;
  }
}

async function showRatings() {
  const found = await ask("ratings");
  flags = found.flags;
  showFlags();
  $("agreement").tBodies[0].replaceChildren(...Object.entries(found.agreement).map(([name, facts]) => {
    const row = element("tr");
    row.append(element("td", name), element("td", String(facts.n_traces), "n"), element("td", String(facts.n_pairs), "n"));
    for (const key of ["mean_rmse", "mean_cc", "mean_ccc", "pooled_ccc"]) row.append(element("td", figure(facts[key]), "n"));
    row.append(element("td", facts.teams.filter((team) => team.raters.length > 1).map((team) => `${team.raters.join(", ")}: ${figure(team.alpha_zero_mean)}`).join("; ") || "–"));
    return row;
  }));
}

async function refresh() {
  const facts = await ask("overview");
  $("title").textContent = facts.title;
  document.title = `${facts.title} – admin`;
  const counted = facts.tasks.filter((task) => facts.videos.find((video) => video.id === task.video).role === "rating");
  const nVideos = facts.videos.filter((video) => video.role === "rating").length;
  $("sums").textContent = `${nVideos} video${nVideos === 1 ? "" : "s"}, ${facts.raters_per_video} raters each, ${counted.filter((task) => task.state === "submitted").length} of ${counted.length} tasks submitted`;
  showMatrix(facts);
}

$("adding").addEventListener("submit", (event) => {
  event.preventDefault();
  const names = $("names").value.split(/[\s,;]+/).filter(Boolean);
  if (!names.length) return;
  ask("raters", { names }).then(async (made) => {
    $("names").value = "";
    showLinks(made);
    await refresh();
  }).catch(fail);
});
$("assign").addEventListener("click", () => {
  ask("assign", {}).then(async ({ n_tasks, short }) => {
    $("told").textContent = `${n_tasks} new tasks.` + (short.length ? ` Fewer raters than asked for: ${short.join(", ")}.` : "");
    await refresh();
  }).catch(fail);
});
$("links-close").addEventListener("click", () => {
  $("links").hidden = true;
  $("link-list").replaceChildren();
});

function every(action, ms) {
  const run = () => action().catch(fail).finally(() => setTimeout(run, ms));
  run();
}
every(refresh, EVERY_MS);
every(showRatings, RATINGS_EVERY_MS);
