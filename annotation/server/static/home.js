// A rater's list of tasks; sends what an earlier page of this browser could not.
import { sendLeftovers } from "./queue.js";

const $ = (id) => document.getElementById(id);
const PATIENCE = 1.5; // how much longer rating takes than watching
const STATES = { open: "to do", started: "begun", submitted: "submitted" };

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function minutes(seconds) {
  const whole = Math.ceil(seconds / 60);
  return whole > 1 ? `about ${whole} minutes` : "a minute";
}

function cell(row, text, kind) {
  const made = row.insertCell();
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function show(me) {
  $("title").textContent = me.title;
  document.title = me.title;
  $("rater").textContent = me.rater;
  $("first").hidden = me.instructed;
  $("work").hidden = !me.instructed;
  const undone = me.tasks.filter((task) => task.state !== "submitted");
  const practice = undone.some((task) => task.practice);
  const left = undone.reduce((sum, task) => sum + task.duration_s, 0);
  $("progress").value = me.tasks.length ? 1 - undone.length / me.tasks.length : 0;
  $("so-far").textContent = !me.tasks.length
    ? "Nothing has been assigned to you yet."
    : undone.length
      ? `${me.tasks.length - undone.length} of ${me.tasks.length} done, ${minutes(left * PATIENCE)} left`
      : "All done. Thank you!";
  $("next").hidden = !undone.length;
  if (undone.length) $("next").href = `/rate/${undone[0].id}`;
  $("next").textContent = undone[0]?.practice ? "Practise" : "Go on";
  $("tasks").replaceChildren();
  for (const task of me.tasks) {
    const row = $("tasks").insertRow();
    const open = task.state === "submitted" || !practice || task.practice;
    const name = cell(row, "");
    const label = `${task.practice ? "Practice" : "Video"} ${task.number}`;
    if (open) {
      const link = document.createElement("a");
      link.href = `/rate/${task.id}`;
      link.textContent = label;
      name.append(link);
    } else name.textContent = label;
    cell(row, task.dimensions.join(" and "));
    cell(row, clock(task.duration_s), "n");
    cell(row, open ? STATES[task.state] : "after the practice", task.state);
  }
}

async function begin() {
  const answer = await fetch("/api/me");
  if (answer.status === 401) {
    location.replace("/");
    return;
  }
  if (!answer.ok) throw new Error((await answer.json()).error);
  const me = await answer.json();
  const kept = await sendLeftovers(me.project, me.rater);
  $("kept").hidden = kept === 0;
  $("kept").textContent = `${kept} events are still kept in this browser only. Leave it as it is and tell the admin.`;
  show(me);
}

begin().catch((error) => {
  $("trouble").hidden = false;
  $("trouble").textContent = `The server does not answer: ${error.message}`;
});
