// From events to one value a frame. The same as annotation/project/derive.py, which is the one that
// counts; this copy draws the trace. Both are tested against the same vectors.

export class Ratings {
  constructor(nFrames, dimensions, values = {}) {
    this.nFrames = nFrames;
    this.dimensions = dimensions;
    this.values = {};
    this.slider = {};
    for (const name of dimensions) {
      this.values[name] = values[name] ? values[name].slice() : new Array(nFrames).fill(null);
      this.slider[name] = null;
    }
    this.at = null;
  }

  // A page that is loaded anew begins in no take.
  beginPage() {
    this.at = null;
    for (const name of this.dimensions) this.slider[name] = null;
  }

  apply(event) {
    const frame = Math.min(event.frame, this.nFrames - 1);
    if (event.kind === "play") {
      this.at = frame;
      for (const name of this.dimensions) this.slider[name] = null;
      return;
    }
    if (this.at === null || event.kind === "comment" || event.kind === "note") return;
    if (frame < this.at) this.at = frame;
    for (const name of this.dimensions) {
      if (event.kind === "set" && event.dimension === name) {
        this.fill(name, this.at + 1, frame - 1);
        this.slider[name] = event.value ?? null;
        this.fill(name, frame, frame);
      } else this.fill(name, this.at + 1, frame);
    }
    this.at = event.kind === "pause" ? null : frame;
  }

  fill(name, first, last) {
    if (this.slider[name] === null) return;
    for (let frame = first; frame <= last; frame++) this.values[name][frame] = this.slider[name];
  }

  // Stretches in which any dimension is missing: [first, last] frames.
  gaps() {
    const found = [];
    for (let frame = 0; frame < this.nFrames; frame++) {
      if (!this.dimensions.some((name) => this.values[name][frame] === null)) continue;
      const last = found.at(-1);
      if (last && last[1] === frame - 1) last[1] = frame;
      else found.push([frame, frame]);
    }
    return found;
  }
}
