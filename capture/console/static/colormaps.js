// Colour tables of 256 entries, interpolated between a few anchors.

function table(anchors) {
  const out = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (anchors.length - 1);
    const k = Math.min(Math.floor(at), anchors.length - 2);
    for (let c = 0; c < 3; c++) {
      out[3 * i + c] = anchors[k][c] + (at - k) * (anchors[k + 1][c] - anchors[k][c]);
    }
  }
  return out;
}

const gray = table([[0, 0, 0], [255, 255, 255]]);
const iron = table([[4, 3, 18], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 200]]);
const near = table([[250, 235, 170], [123, 205, 150], [52, 150, 155], [48, 95, 140], [50, 40, 95], [22, 16, 36]]);

// What the modality's values mean: colours, text of one value, and whether 0 is "nothing there".
export const KINDS = {
  thermal: { colors: iron, text: (v) => `${(v * 0.04 - 273.15).toFixed(1)} °C`, hole: false },
  depth: { colors: near, text: (v) => (v ? `${(v / 1000).toFixed(2)} m` : "no depth"), hole: true },
  infrared: { colors: gray, text: (v) => String(v), hole: false },
};

// The range that most values lie in: the 1st to the 99th percentile.
export function rangeOf(values, hole) {
  const counts = new Uint32Array(65536);
  let total = 0;
  for (const v of values) {
    if (!hole || v) { counts[v]++; total++; }
  }
  if (!total) return [0, 1];
  let low = 0, high = 65535, below = 0, above = 0;
  while ((below += counts[low]) <= total * 0.01) low++;
  while ((above += counts[high]) <= total * 0.01) high--;
  return [low, Math.max(high, low + 1)];
}

export function paint(context, values, width, height, kind, [low, high]) {
  const image = context.createImageData(width, height);
  const { colors, hole } = kind;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    const at = 3 * Math.max(0, Math.min(255, Math.round(((v - low) / (high - low)) * 255)));
    const nothing = hole && !v;
    image.data[4 * i] = nothing ? 0 : colors[at];
    image.data[4 * i + 1] = nothing ? 0 : colors[at + 1];
    image.data[4 * i + 2] = nothing ? 0 : colors[at + 2];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
