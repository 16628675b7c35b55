// Events on their way to the server. First into the browser's own database, then over the network;
// out of it only when the server has them on disk. Whatever happens in between, they are sent again,
// and what arrives twice is stored once.

const EVERY_MS = 500;
const BEAT_MS = 4000;
const MAX_WAIT_MS = 5000;
const TIMEOUT_MS = 15000;
const MAX_BATCH = 400;
const BATCH_BYTES = 200000; // the server takes no larger request than 262144 bytes
const BEACON_BYTES = 60000; // browsers refuse to carry more for a page that is going

function opened() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open("mavfer-annotation", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("events", { keyPath: ["project", "rater", "task", "client", "seq"] });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// As many of the first events as one request may carry; one at least, which always fits.
function fitting(events, limit) {
  const encoder = new TextEncoder();
  let bytes = 200;
  for (let n = 0; n < Math.min(events.length, MAX_BATCH); n++) {
    bytes += encoder.encode(JSON.stringify(events[n])).length + 1;
    if (bytes > limit) return events.slice(0, Math.max(1, n));
  }
  return events.slice(0, MAX_BATCH);
}

function rangeOf(...prefix) {
  return IDBKeyRange.bound(prefix, [...prefix, []]); // arrays sort after everything else
}

async function post(task, body) {
  return fetch(`/api/tasks/${task}/events`, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) });
}

// A page holds a lock of its name as long as it lives, however it ends.
const lockOf = (client) => `mavfer ${client}`;

async function livePages() {
  const { held } = (await navigator.locks?.query()) ?? { held: [] };
  return new Set(held.map((lock) => lock.name));
}

// What pages of this browser that are gone left for this rater; returns how many events had to stay.
export async function sendLeftovers(project, rater) {
  let base;
  try {
    base = await opened();
  } catch {
    return 0;
  }
  const rows = await answered(base.transaction("events").objectStore("events").getAll(rangeOf(project, rater)));
  const pages = Map.groupBy ? Map.groupBy(rows, (row) => `${row.task} ${row.client}`) : grouped(rows);
  const live = await livePages();
  let kept = 0;
  for (const page of pages.values()) {
    const { task, client } = page[0];
    if (live.has(lockOf(client))) continue; // it sends them itself
    for (let first = 0, batch; first < page.length; first += batch.length) {
      batch = fitting(page.slice(first), BATCH_BYTES);
      try {
        const released = Boolean(navigator.locks); // its page is gone for certain: it keeps nobody out
        const answer = await post(task, { client, events: batch.map((row) => row.event), released });
        if (!answer.ok) throw new Error(String(answer.status));
        const removing = base.transaction("events", "readwrite");
        for (const row of batch) removing.objectStore("events").delete([project, rater, task, client, row.seq]);
        await finished(removing);
      } catch {
        kept += batch.length;
      }
    }
  }
  base.close();
  return kept;
}

function grouped(rows) {
  const pages = new Map();
  for (const row of rows) {
    const key = `${row.task} ${row.client}`;
    if (!pages.has(key)) pages.set(key, []);
    pages.get(key).push(row);
  }
  return pages;
}

export class Queue {
  // onstate({ kind, waiting, saved, error }): kind is "saved", "sending", "offline", "ended",
  // "refused" or "superseded"; saved is the newest event that the server has on disk.
  constructor(project, rater, task, client, onstate) {
    Object.assign(this, { project, rater, task, client, onstate });
    this.waiting = [];
    this.nEvents = 0;
    this.saved = null;
    this.kind = "saved";
    this.storing = Promise.resolve();
    this.local = true;
    this.sending = null;
    this.waitMs = EVERY_MS;
    this.heardMs = performance.now();
  }

  async open() {
    navigator.locks?.request(lockOf(this.client), () => new Promise(() => {}));
    try {
      this.base = await opened();
    } catch {
      this.local = false; // a private window: what is not sent yet would die with the page
    }
    this.timer = setTimeout(() => this.tick(), EVERY_MS);
    addEventListener("online", () => this.hurry());
  }

  add(event) {
    const seq = this.nEvents++;
    const made = { seq, at_us: Math.round(performance.now() * 1000), ...event };
    const entry = { event: made, stored: !this.local };
    this.waiting.push(entry);
    if (this.local) this.storing = this.storing.then(() => this.store(entry));
    this.tell(this.kind === "saved" ? "sending" : this.kind, this.error);
  }

  async store(entry) {
    try {
      const adding = this.base.transaction("events", "readwrite");
      adding.objectStore("events").put({ project: this.project, rater: this.rater, task: this.task, client: this.client, seq: entry.event.seq, event: entry.event });
      await finished(adding);
    } catch {
      this.local = false; // the disk here is full: the network is all that is left
    }
    entry.stored = true;
  }

  async tick() {
    await this.flush();
    clearTimeout(this.timer); // somebody else may have hurried meanwhile
    this.timer = setTimeout(() => this.tick(), this.waitMs);
  }

  hurry() {
    clearTimeout(this.timer);
    this.waitMs = EVERY_MS;
    return this.tick();
  }

  // One request at a time; callers that come during one wait for it.
  flush() {
    this.sending ??= this.send().finally(() => { this.sending = null; });
    return this.sending;
  }

  async send() {
    await this.storing;
    const stored = this.waiting.slice(0, MAX_BATCH).filter((entry) => entry.stored);
    const batch = fitting(stored.map((entry) => entry.event), BATCH_BYTES);
    if (this.kind === "superseded" && !batch.length) return;
    if (!batch.length && performance.now() - this.heardMs < BEAT_MS) return;
    try {
      const answer = await post(this.task, { client: this.client, events: batch });
      if (answer.ok) await this.acknowledge(await answer.json());
      else this.fail(answer.status, await answer.text());
    } catch (error) {
      this.fail(0, error.message);
    }
  }

  async acknowledge({ acked, superseded, late }) {
    this.heardMs = performance.now();
    this.waitMs = EVERY_MS;
    const known = this.waiting.filter((entry) => entry.event.seq <= acked);
    this.waiting = this.waiting.filter((entry) => entry.event.seq > acked);
    if (known.length) this.saved = known.at(-1).event;
    if (this.base && known.length) {
      const removing = this.base.transaction("events", "readwrite");
      for (const { event } of known) removing.objectStore("events").delete([this.project, this.rater, this.task, this.client, event.seq]);
      await finished(removing).catch(() => {});
    }
    if (superseded || late) this.tell(late ? "late" : "superseded");
    else this.tell(this.waiting.length ? "sending" : "saved");
  }

  fail(status, text) {
    this.waitMs = Math.min(MAX_WAIT_MS, this.waitMs * 1.5);
    let error = text;
    try { error = JSON.parse(text).error; } catch { /* plain words */ }
    const kinds = { 400: "refused", 401: "ended", 404: "ended", 413: "refused" };
    this.tell(kinds[status] ?? "offline", error);
  }

  tell(kind, error = "") {
    this.kind = kind;
    this.error = error;
    this.onstate({ kind, error, waiting: this.waiting.length, saved: this.saved, local: this.local });
  }

  // True when the server has everything.
  async drain(deadlineMs = 10000) {
    const end = performance.now() + deadlineMs;
    while (this.waiting.length && performance.now() < end) {
      await this.hurry();
      if (this.waiting.length) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return !this.waiting.length;
  }

  // The page is going: the browser carries this much after it.
  leave() {
    const events = fitting(this.waiting.map((entry) => entry.event), BEACON_BYTES);
    const body = JSON.stringify({ client: this.client, events, released: true });
    navigator.sendBeacon(`/api/tasks/${this.task}/events`, body);
  }

  // Everything this browser still keeps for the task, as a file for the admin.
  async kept() {
    if (!this.base) return this.waiting.map((entry) => ({ client: this.client, event: entry.event }));
    await this.storing;
    return answered(this.base.transaction("events").objectStore("events").getAll(rangeOf(this.project, this.rater, this.task)));
  }
}
