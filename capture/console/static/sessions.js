// Past sessions with the figures that tell whether they are good.

const body = document.querySelector("#past tbody");
const report = document.querySelector("#report");
const RESULT = { complete: "good", interrupted: "warn", recording: "warn" };

function cell(row, text, className = "") {
  const made = row.insertCell();
  made.className = className;
  made.textContent = text;
  return made;
}

function length(seconds) {
  if (seconds == null) return "–";
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
}

async function showReport(name) {
  const answer = await fetch(`/api/sessions/${encodeURIComponent(name)}`);
  const told = await answer.json();
  report.textContent = answer.ok ? told.lines.join("\n") : told.error;
  report.hidden = false;
}

// A session whose controller died waits to be resumed or closed.
function offer(row, name, order) {
  const cell = row.cells[1];
  for (const [what, word] of [["resume", "Resume"], ["close", "Close"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = word;
    button.dataset[what] = name;
    button.addEventListener("click", () => order(what, { session: name }));
    cell.append(" ", button);
  }
}

export async function showSessions(order) {
  const answer = await fetch("/api/sessions");
  if (!answer.ok) return;
  body.replaceChildren();
  const all = await answer.json();
  document.querySelector("#past-empty").hidden = all.length > 0;
  for (const past of all) {
    const row = body.insertRow();
    row.dataset.session = past.name;
    const open = document.createElement("button");
    open.type = "button";
    open.textContent = past.name;
    open.addEventListener("click", () => showReport(past.name));
    row.insertCell().append(open);
    const word = past.left_open ? "left open" : past.status;
    cell(row, word, RESULT[past.status] ?? "bad").title = past.error ?? "";
    if (past.left_open) offer(row, past.name, order);
    const total = (past.n_frames ?? 0) + (past.n_dropped ?? 0);
    cell(row, length(past.duration_s), "n");
    cell(row, total ? `${past.n_dropped} of ${total}` : "–", past.n_dropped ? "n warn" : "n");
    cell(row, past.uncertainty_ms == null ? "–" : `±${past.uncertainty_ms.toFixed(2)} ms`, "n");
  }
}
