// Strokes and how they are painted. A stroke is a list of points {x, y, width}, all in parts of the paper's side, so
// that the same strokes paint the screen at any size and the picture that is sent.

/** Pen widths in fractions of the paper: a digit that fills it gets MNIST's stroke width. */
export const PENS = { one: 0.075, number: 0.022 };
export const PICTURE_SIDES = { one: 280, number: 640 }; // pixels

/** Return a point; `pressure` from 0 to 1 makes the line thinner or thicker than `pen`, 0.5 leaves it. */
export function point(x, y, pressure = 0.5, pen = PENS.one) {
  return { x, y, width: pen * (0.6 + 0.8 * pressure) };
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

/** Return strokes as the PNG to send: black on white, independent of theme and screen. */
export function png(strokes, side) {
  const { canvas, context } = whiteCanvas(side, side);
  paint(context, strokes, side, "black");
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
