// A video whose frame on the screen is known. Only the time that the browser reports with the very
// frame it shows says which one it is; currentTime runs ahead of it.

const SETTLE_MS = 400;
const PATIENCE_MS = 20000;

export class Player {
  constructor(video, facts) {
    this.video = video;
    this.facts = facts;
    this.frame = 0;
    this.playing = false;
    this.skipped = 0;
    this.onframe = this.onplay = this.onpause = () => {};
    this.lastPresented = null;
    this.goesOn = null; // after a pause: the first frame that no take has, whatever came on screen late
    this.waiting = [];
    video.addEventListener("ended", () => {
      if (!this.playing) return;
      this.frame = facts.n_frames - 1; // its own report comes late or never
      this.onframe(this.frame);
      this.stop("end");
    });
    video.addEventListener("pause", () => {
      if (this.playing && !video.ended) this.stop("browser"); // a headset's key, another app
    });
    this.listen();
  }

  static fits() {
    return "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  listen() {
    this.video.requestVideoFrameCallback((_now, report) => {
      this.listen();
      const { rate_num, rate_den, n_frames } = this.facts;
      const frame = Math.min(n_frames - 1, Math.round((report.mediaTime * rate_num) / rate_den));
      if (this.playing) {
        const presented = report.presentedFrames - (this.lastPresented ?? report.presentedFrames - 1);
        this.skipped += Math.max(0, frame - this.frame - presented);
        if (frame > this.frame) {
          this.frame = frame;
          this.onframe(frame);
        }
      } else this.frame = frame;
      this.lastPresented = report.presentedFrames;
      for (const resolve of this.waiting.splice(0)) resolve();
    });
  }

  async play(speed) {
    if (this.playing) return;
    this.video.playbackRate = speed;
    this.playing = true;
    this.skipped = 0;
    this.lastPresented = null;
    const shown = this.frame;
    this.onplay(Math.min(shown, this.goesOn ?? shown));
    this.onframe(shown);
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== "AbortError") this.stop("refused");
    }
  }

  stop(reason) {
    if (!this.playing) return;
    this.playing = false;
    this.goesOn = this.frame + 1;
    this.video.pause();
    this.onpause(this.frame, reason, this.skipped);
  }

  // Resolves when the frame is on the screen.
  async seek(frame) {
    const { rate_num, rate_den, n_frames } = this.facts;
    const target = Math.max(0, Math.min(n_frames - 1, Math.round(frame)));
    const shown = new Promise((resolve) => this.waiting.push(resolve));
    const found = new Promise((resolve) => this.video.addEventListener("seeked", resolve, { once: true }));
    this.video.currentTime = ((target + 0.5) * rate_den) / rate_num; // the middle: no rounding matters
    const late = new Promise((_resolve, reject) => setTimeout(() => reject(new Error("the picture does not come")), PATIENCE_MS));
    await Promise.race([found, late]);
    // The same frame is not always reported again.
    await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, SETTLE_MS))]);
    this.frame = target;
    this.goesOn = null;
    return target;
  }

  time(frame = this.frame) {
    return (frame * this.facts.rate_den) / this.facts.rate_num;
  }
}
