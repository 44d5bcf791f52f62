// The picture with its score map and boxes on one canvas. The map is blended here, so the station only sends its numbers.
const STOPS = [[0, 0x30, 0x12, 0x6b], [0.3, 0x8a, 0x1d, 0x6b], [0.55, 0xd8, 0x47, 0x2c], [0.8, 0xf9, 0x9c, 0x16], [1, 0xf9, 0xf2, 0x8a]];
const CLEAR = 0.3, FULL = 0.7; // shares of the scale (the limit is at 0.5) where the map begins and ends to cover

const canvas = document.getElementById("picture");
let image = null, heat = null, boxes = [];
export const show = { heat: true, boxes: true };

// Decode a picture; null when it does not come in time, for a verdict never waits for its picture.
export async function load(sha256, withinMs) {
  const wanted = new Image();
  wanted.src = `/api/picture/${sha256}`;
  const late = new Promise((_, refuse) => setTimeout(refuse, withinMs, new Error("late")));
  try {
    await Promise.race([wanted.decode(), late]);
    return wanted;
  } catch {
    return null;
  }
}

export function set(newImage, map, findings) {
  image = newImage;
  heat = image && map ? painted(map) : null;
  boxes = image ? findings : [];
  draw();
}

function painted(map) {
  const steps = Uint8Array.from(atob(map.steps), (c) => c.charCodeAt(0));
  const small = new OffscreenCanvas(map.width, map.height), context = small.getContext("2d");
  const pixels = context.createImageData(map.width, map.height);
  steps.forEach((step, k) => pixels.data.set(colour(step / 255), 4 * k));
  context.putImageData(pixels, 0, 0);
  return small;
}

function colour(share) {
  const cover = Math.min(1, Math.max(0, (share - CLEAR) / (FULL - CLEAR)));
  const above = Math.max(1, STOPS.findIndex(([at]) => at >= share));
  const [low, high] = [STOPS[above - 1], STOPS[above]], mix = (share - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map((k) => low[k] + (high[k] - low[k]) * mix).concat(cover * 200);
}

export function draw() {
  const ratio = devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.dataset.heat = String(Boolean(heat && show.heat));
  canvas.dataset.boxes = String(show.boxes ? boxes.length : 0);
  if (!image || !canvas.width) return;
  const context = canvas.getContext("2d");
  const scale = Math.min(canvas.width / image.naturalWidth, canvas.height / image.naturalHeight);
  const w = image.naturalWidth * scale, h = image.naturalHeight * scale, x = (canvas.width - w) / 2, y = (canvas.height - h) / 2;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x, y, w, h);
  if (heat && show.heat) context.drawImage(heat, x, y, w, h);
  if (show.boxes) for (const box of boxes) frame(context, box, x, y, scale, ratio);
}

function frame(context, [bx, by, bw, bh], x, y, scale, ratio) {
  const place = [x + bx * scale - 3 * ratio, y + by * scale - 3 * ratio, bw * scale + 6 * ratio, bh * scale + 6 * ratio];
  for (const [width, ink] of [[6, "#0b0c0d"], [3, "#ff9573"]]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = ink;
    context.strokeRect(...place);
  }
}

new ResizeObserver(draw).observe(canvas);
