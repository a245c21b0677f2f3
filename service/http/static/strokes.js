// Strokes and how they are painted. A stroke is a list of points {x, y, width}, all in parts of the paper's side, so
// that the same strokes paint the screen at any size and the picture that is sent.

const PEN_WIDTH = 0.075; // a digit that fills the paper gets the line that MNIST's digits have
const PICTURE_SIDE = 280;

/** Return a point; `pressure` from 0 to 1 makes the line thinner or thicker, 0.5 leaves it. */
export function point(x, y, pressure = 0.5) {
  return { x, y, width: PEN_WIDTH * (0.6 + 0.8 * pressure) };
}

/** Paint strokes on a square of `side` pixels. */
export function paint(context, strokes, side, colour) {
  context.save();
  context.scale(side, side);
  context.strokeStyle = colour;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) paintOne(context, stroke);
  context.restore();
}

/** Curve from the middle of each segment to the middle of the next, with the points between as the bends. */
function paintOne(context, stroke) {
  let from = stroke[0];
  stroke.forEach((bend, index) => {
    const next = stroke[index + 1];
    const to = next ? { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 } : bend;
    context.lineWidth = bend.width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.quadraticCurveTo(bend.x, bend.y, to.x, to.y);
    context.stroke();
    from = to;
  });
}

/** Return strokes as the PNG that is sent: black on white, whatever the theme and the screen. */
export function png(strokes) {
  const { canvas, context } = whiteCanvas(PICTURE_SIDE, PICTURE_SIDE);
  paint(context, strokes, PICTURE_SIDE, "black");
  return encoded(canvas, "image/png");
}

export function whiteCanvas(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  return { canvas, context };
}

export function encoded(canvas, type) {
  return new Promise((resolve) => canvas.toBlob(resolve, type, 0.9));
}
