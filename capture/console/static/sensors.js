// One block a sensor: state in words, clock, queue, and what to do when it failed.

const STATES = {
  idle: "closed", opening: "opening", armed: "ready", recording: "recording",
  stopping: "stopping", stopped: "stopped", failed: "failed",
};

function line(parent, text, className = "") {
  const made = document.createElement("p");
  made.textContent = text;
  made.className = className;
  parent.append(made);
}

function clockText(clock) {
  if (!clock || clock.uncertainty_us == null) return "clock not known yet";
  const offset = Math.abs(clock.offset_ms) < 10000 ? `${clock.offset_ms.toFixed(2)} ms` : `${(clock.offset_ms / 1000).toFixed(1)} s`;
  return `clock ±${(clock.uncertainty_us / 1000).toFixed(2)} ms · offset ${offset} · ${clock.skew_ppm.toFixed(1)} ppm · heard ${clock.age_s.toFixed(0)} s ago`;
}

const shown = new Map();

// A block that says the same stays: a button must not be replaced under a finger.
function put(root, key, block) {
  const old = shown.get(key);
  if (old && old.outerHTML === block.outerHTML) return;
  if (old) old.replaceWith(block);
  else root.append(block);
  shown.set(key, block);
}

export function showSensors(root, state, restart) {
  for (const [name, kind] of Object.entries(state.sensors)) {
    const status = state.statuses[name];
    const failure = state.failures[name];
    const block = document.createElement("div");
    block.className = "sensor";
    block.dataset.sensor = name;
    const head = document.createElement("div");
    head.className = "sensor-head";
    const word = failure ? "failed" : STATES[status?.state] ?? "not reached";
    const title = document.createElement("strong");
    title.textContent = name;
    const said = document.createElement("span");
    said.textContent = word;
    said.className = failure ? "bad" : word === "ready" || word === "recording" ? "good" : "";
    head.append(title, said);
    block.append(head);
    if (failure) {
      line(block, failure, "bad");
      const again = document.createElement("button");
      again.type = "button";
      again.textContent = "Restart sensor";
      again.dataset.restart = name;
      again.addEventListener("click", () => restart(name));
      again.disabled = !["idle", "recording"].includes(state.phase);
      block.append(again);
    } else if (status) {
      if (status.state === "opening" && status.progress_total) line(block, `opening ${status.progress_done} of ${status.progress_total}`);
      if (["armed", "recording", "stopping"].includes(status.state)) {
        line(block, clockText(state.clocks[name]), (state.clocks[name]?.uncertainty_us ?? 0) > 1000 ? "warn" : "");
        line(block, `queue ${(100 * status.queue_share).toFixed(0)} % full · ${(status.n_bytes / 1e6).toFixed(0)} MB written`, status.queue_share > 0.5 ? "warn" : "");
      }
      for (const words of status.warnings ?? []) line(block, words, "warn");
    } else {
      line(block, kind);
    }
    put(root, name, block);
  }
  const block = document.createElement("div");
  for (const words of state.warnings) line(block, words, "warn");
  put(root, "", block);
}
