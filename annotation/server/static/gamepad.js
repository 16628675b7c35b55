// A stick sets the slider directly: its middle is 0, its ends are the ends of the scale. It counts
// from the first push on, so that a stick nobody holds says nothing.
import { MAX } from "./slider.js";

const ALIVE = 0.2;
const BUTTONS = { 0: "play", 1: "back" };

export class Gamepads {
  constructor(dimensions, touch, press) {
    Object.assign(this, { dimensions, touch, press });
    this.known = new Map();
    if (!("getGamepads" in navigator)) return; // plain http beyond this machine
    const poll = () => {
      this.poll();
      requestAnimationFrame(poll);
    };
    addEventListener("gamepadconnected", poll, { once: true });
  }

  poll() {
    for (const pad of navigator.getGamepads()) {
      if (!pad) continue;
      const before = this.known.get(pad.index) ?? { alive: false, said: {}, down: {} };
      const [x, y] = [pad.axes[0] ?? 0, -(pad.axes[1] ?? 0)];
      before.alive ||= Math.hypot(x, y) > ALIVE;
      if (before.alive) {
        const stick = this.dimensions.length > 1 ? { valence: x, arousal: y } : { [this.dimensions[0]]: Math.abs(x) > Math.abs(y) ? x : y };
        for (const [name, push] of Object.entries(stick)) {
          const value = Math.round(Math.max(-1, Math.min(1, push)) * MAX) + 0;
          if (before.said[name] === value) continue;
          before.said[name] = value;
          this.touch(name, value);
        }
      }
      for (const [number, name] of Object.entries(BUTTONS)) {
        const down = Boolean(pad.buttons[number]?.pressed);
        if (down && !before.down[number]) this.press(name);
        before.down[number] = down;
      }
      this.known.set(pad.index, before);
    }
  }
}
