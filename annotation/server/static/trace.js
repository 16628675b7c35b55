// The rater's own line under the video: what was said of every frame, where nothing was said, and
// where the video stands.
import { MAX } from "./slider.js";

const COLORS = { valence: "#8fc7b5", arousal: "#9fb6e8" };
const MISSING = "rgba(224, 183, 94, .28)";
const MARGIN = 6;

export class Trace {
  constructor(canvas, ratings, seek) {
    Object.assign(this, { canvas, ratings, frame: 0, dirty: true });
    new ResizeObserver(() => { this.dirty = true; }).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => {
      const box = canvas.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * ratings.nFrames);
    });
    const draw = () => {
      if (this.dirty) this.draw();
      requestAnimationFrame(draw);
    };
    draw();
  }

  show(frame) {
    this.frame = frame;
    this.dirty = true;
  }

  draw() {
    this.dirty = false;
    const scale = devicePixelRatio;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(height * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const x = (frame) => (frame / this.ratings.nFrames) * width;
    const y = (value) => height - MARGIN - ((value + MAX) / (2 * MAX)) * (height - 2 * MARGIN);
    pen.fillStyle = MISSING;
    for (const [first, last] of this.ratings.gaps()) pen.fillRect(x(first), 0, Math.max(1, x(last + 1) - x(first)), height);
    for (const value of [-MAX, 0, MAX]) {
      pen.strokeStyle = value === 0 ? "#4a545d" : "#2b3137";
      pen.beginPath();
      pen.moveTo(0, y(value));
      pen.lineTo(width, y(value));
      pen.stroke();
    }
    for (const name of this.ratings.dimensions) this.line(pen, this.ratings.values[name], COLORS[name], x, y);
    pen.strokeStyle = "#e4e8eb";
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x(this.frame + 0.5), 0);
    pen.lineTo(x(this.frame + 0.5), height);
    pen.stroke();
  }

  line(pen, values, color, x, y) {
    pen.strokeStyle = color;
    pen.lineWidth = 2;
    pen.beginPath();
    let before = null;
    for (let frame = 0; frame < values.length; frame++) {
      const value = values[frame];
      if (value !== before && before !== null) pen.lineTo(x(frame), y(before));
      if (value !== null && value !== before) {
        if (before === null) pen.moveTo(x(frame), y(value));
        else pen.lineTo(x(frame), y(value));
      }
      before = value;
    }
    if (before !== null) pen.lineTo(x(values.length), y(before));
    pen.stroke();
  }
}
