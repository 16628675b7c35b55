// Decides what a take writes. A rater who looks at a rated stretch again changes nothing: the slider
// follows what was said. From the first movement on, the take writes until it ends. Where nothing
// was said yet, the slider's position is carried on.

const SEEN_EVERY_MS = 500;

export class Recorder {
  // emit(event) sends an event on its way; now() is a steady clock in ms.
  constructor(ratings, emit, now = () => performance.now()) {
    this.ratings = ratings;
    this.emit = emit;
    this.now = now;
    this.position = {};
    this.moved = {};
    this.writing = {};
    for (const name of ratings.dimensions) this.position[name] = null;
    this.forget();
    this.playing = false;
    this.frame = 0;
    this.told = 0;
  }

  forget() {
    for (const name of this.ratings.dimensions) this.moved[name] = this.writing[name] = false;
  }

  // A frame is on the screen and the video stands still: the slider shows what was said of it.
  look(frame) {
    this.frame = frame;
    this.forget();
    for (const name of this.ratings.dimensions) {
      const said = this.ratings.values[name][frame];
      if (said !== null) this.position[name] = said;
    }
  }

  touch(name, value) {
    this.position[name] = value;
    this.moved[name] = true;
    if (this.playing) this.writing[name] = true;
    this.say("set", { dimension: name, value, hand: true });
  }

  play(frame, speed) {
    this.playing = true;
    this.frame = frame;
    this.speed = speed;
    this.say("play");
    for (const name of this.ratings.dimensions) {
      if (this.moved[name]) {
        this.writing[name] = true;
        this.say("set", { dimension: name, value: this.position[name], hand: true });
      } else this.arrive(name, frame);
    }
    this.seen(frame);
  }

  // The next frame is on the screen.
  shown(frame) {
    if (!this.playing || frame <= this.frame) return;
    for (let next = this.frame + 1; next <= frame; next++) {
      this.frame = next;
      for (const name of this.ratings.dimensions) if (!this.moved[name]) this.arrive(name, next);
      this.seen(next);
    }
    if (this.now() - this.told >= SEEN_EVERY_MS) this.say("seen");
  }

  pause(reason) {
    if (!this.playing) return;
    this.say("pause", { detail: reason });
    this.playing = false;
    this.forget();
  }

  // Single frames: what the slider says now is said of this frame.
  judge(frame) {
    this.frame = frame;
    this.speed = 0;
    this.say("play");
    for (const name of this.ratings.dimensions) {
      if (this.position[name] === null) continue;
      this.say("set", { dimension: name, value: this.position[name], hand: this.moved[name] });
    }
    this.say("pause", { detail: "step" });
    this.forget();
  }

  arrive(name, frame) {
    const said = this.ratings.values[name][frame];
    if (said !== null) {
      if (this.writing[name]) this.say("set", { dimension: name, value: null });
      this.writing[name] = false;
      this.position[name] = said;
    } else if (!this.writing[name] && this.position[name] !== null) {
      this.writing[name] = true;
      this.say("set", { dimension: name, value: this.position[name] });
    }
  }

  // For the trace that is drawn; the server learns of it with the next event.
  seen(frame) {
    this.ratings.apply({ kind: "seen", frame });
  }

  say(kind, more = {}) {
    const event = { kind, frame: this.frame, speed: this.speed ?? 1, ...more };
    this.ratings.apply(event);
    this.told = this.now();
    this.emit(event);
  }
}
