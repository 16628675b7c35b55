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

// No negative zeros.
function fixed(value, digits) {
  return (Number(value.toFixed(digits)) + 0).toFixed(digits);
}

function clockText(clock) {
  if (!clock || clock.uncertainty_us == null) return "clock not known yet";
  const offset = Math.abs(clock.offset_ms) < 10000 ? `${fixed(clock.offset_ms, 2)} ms` : `${fixed(clock.offset_ms / 1000, 1)} s`;
  const silent = clock.age_s > 5 ? ` · silent for ${fixed(clock.age_s, 0)} s` : "";
  return `clock ±${fixed(clock.uncertainty_us / 1000, 2)} ms · offset ${offset} · ${fixed(clock.skew_ppm, 1)} ppm${silent}`;
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
