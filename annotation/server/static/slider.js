// What the rater moves: a slider for one dimension, or a plane for both. Values are whole numbers
// from -10 to 10; null until the first touch, which a click on 0 is, too.

export const MAX = 10;
const WORDS = {
  valence: ["very unpleasant", "very pleasant"],
  arousal: ["very calm", "very excited"],
};

function make(tag, kind, parent) {
  const made = document.createElement(tag);
  made.className = kind;
  parent.append(made);
  return made;
}

function share(value) {
  return (value + MAX) / (2 * MAX);
}

function valueAt(part) {
  return Math.max(-MAX, Math.min(MAX, Math.round(part * 2 * MAX - MAX))) + 0;
}

// Follows the pointer from its press to its release; move(event) is told each time.
function follow(element, move) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
}

export function signed(value) {
  return value === null ? "–" : value > 0 ? `+${value}` : String(value).replace("-", "−");
}

export class Slider {
  constructor(parent, dimension, touch) {
    this.dimension = dimension;
    this.value = null;
    this.root = make("div", `slider ${dimension}`, parent);
    const [low, high] = WORDS[dimension];
    this.number = make("output", "number figures", this.root);
    make("span", "end high", this.root).textContent = high;
    this.track = make("div", "track", this.root);
    this.track.tabIndex = 0;
    this.track.id = `slider-${dimension}`;
    for (const [name, text] of Object.entries({ role: "slider", "aria-valuemin": -MAX, "aria-valuemax": MAX, "aria-label": dimension })) this.track.setAttribute(name, text);
    for (let value = -MAX; value <= MAX; value++) {
      const tick = make("i", value === 0 ? "tick zero" : value % 5 ? "tick" : "tick five", this.track);
      tick.style.setProperty("--at", share(value));
    }
    for (const [number, value] of [-10, -5, 0, 5, 10].entries()) {
      const picture = make("img", "pictogram", this.track);
      picture.src = `/static/pictograms/${dimension}-${number + 1}.svg`;
      picture.alt = "";
      picture.draggable = false;
      picture.style.setProperty("--at", share(value));
    }
    this.thumb = make("div", "thumb", this.track);
    make("span", "end low", this.root).textContent = low;
    follow(this.track, (event) => {
      const box = this.track.getBoundingClientRect();
      const lying = this.root.closest(".lying");
      const part = lying ? (event.clientX - box.left) / box.width : 1 - (event.clientY - box.top) / box.height;
      const value = valueAt(part);
      if (event.type === "pointerdown" || value !== this.value) touch(dimension, value);
    });
    this.show({ [dimension]: null });
  }

  show(position) {
    this.value = position[this.dimension];
    this.root.classList.toggle("untouched", this.value === null);
    this.track.style.setProperty("--value", share(this.value ?? 0));
    this.number.textContent = signed(this.value);
    if (this.value === null) this.track.removeAttribute("aria-valuenow");
    else this.track.setAttribute("aria-valuenow", this.value);
  }
}

export class Plane {
  constructor(parent, touch) {
    this.position = { valence: null, arousal: null };
    this.root = make("div", "plane", parent);
    const numbers = make("output", "number figures", this.root);
    this.numbers = { valence: make("span", "valence", numbers), arousal: make("span", "arousal", numbers) };
    this.field = make("div", "field", this.root);
    this.field.tabIndex = 0;
    this.field.setAttribute("role", "application");
    this.field.setAttribute("aria-label", "valence from left to right, arousal from bottom to top");
    this.cross = make("div", "thumb", this.field);
    const corners = { left: "valence-1", right: "valence-5", top: "arousal-5", bottom: "arousal-1" };
    const words = { left: WORDS.valence[0], right: WORDS.valence[1], top: WORDS.arousal[1], bottom: WORDS.arousal[0] };
    for (const [side, file] of Object.entries(corners)) {
      const end = make("span", `end ${side}`, this.field);
      const picture = make("img", "pictogram", end);
      picture.src = `/static/pictograms/${file}.svg`;
      picture.alt = "";
      picture.draggable = false;
      end.append(words[side]);
    }
    follow(this.field, (event) => {
      const box = this.field.getBoundingClientRect();
      const valence = valueAt((event.clientX - box.left) / box.width);
      const arousal = valueAt(1 - (event.clientY - box.top) / box.height);
      const pressed = event.type === "pointerdown";
      if (pressed || valence !== this.position.valence) touch("valence", valence);
      if (pressed || arousal !== this.position.arousal) touch("arousal", arousal);
    });
    this.show(this.position);
  }

  show({ valence, arousal }) {
    this.position = { valence, arousal };
    this.root.classList.toggle("untouched", valence === null || arousal === null);
    this.field.style.setProperty("--x", share(valence ?? 0));
    this.field.style.setProperty("--y", share(arousal ?? 0));
    for (const name of ["valence", "arousal"]) this.numbers[name].textContent = `${name} ${signed(this.position[name])}`;
  }
}
