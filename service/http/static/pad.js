// The paper: shows a sheet, and turns input from mouse, finger, pen and arrow keys into strokes.

import { paint, point } from "./strokes.js";

const STEP = 0.04; // of the side, for each press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  #canvas;
  #sheet;
  #stroke = null; // the one that is being drawn
  #pointer = null; // the id of the pointer that draws it; null for the keyboard
  #cursor = { x: 0.5, y: 0.3 }; // of the keyboard
  #listeners;
  pen; // the width of the line, in parts of the paper

  /**
   * `listeners` are called as the strokes grow: `draw()` with each point, `stroke(points)` with a whole one,
   * `pen(down)` as the keyboard sets the pen down and lifts it.
   */
  constructor(canvas, sheet, listeners) {
    this.#canvas = canvas;
    this.#sheet = sheet;
    this.#listeners = listeners;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => this.#paint());
    canvas.addEventListener("blur", () => this.#leave());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  get drawing() {
    return this.#stroke !== null;
  }

  /** Return all strokes, including the unfinished one. Writing on a picture starts a new sheet. */
  get strokes() {
    return this.#stroke ? [...this.#sheet.strokes, this.#stroke] : this.#sheet.strokes;
  }

  /** Show a sheet; an unfinished stroke is dropped. */
  show(sheet) {
    this.#sheet = sheet;
    this.#stroke = this.#pointer = null;
    this.#paint();
  }

  #down(event) {
    if (event.button !== 0) return;
    const penOverPalm = event.pointerType === "pen" && this.#stroke;
    if (this.#stroke && !penOverPalm) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#stroke = [this.#pointOf(event)];
    this.#changed();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer || !this.#stroke) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#stroke.push(...(events.length ? events : [event]).map((one) => this.#pointOf(one)));
    this.#changed();
  }

  #up(event) {
    if (event.pointerId === this.#pointer) this.#end();
  }

  #pointOf(event) {
    const box = this.#canvas.getBoundingClientRect();
    const pressure = event.pointerType === "pen" && event.pressure > 0 ? event.pressure : 0.5;
    return point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, pressure, this.pen);
  }

  #pointAtCursor() {
    return point(this.#cursor.x, this.#cursor.y, undefined, this.pen);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) this.#walk(ARROWS[event.key]);
    else if (event.key === " ") this.#toggle();
    else return;
    event.preventDefault();
  }

  #walk([right, down]) {
    const within = (value) => Math.min(Math.max(value, 0), 1);
    this.#cursor = { x: within(this.#cursor.x + right * STEP), y: within(this.#cursor.y + down * STEP) };
    if (this.#stroke && this.#pointer === null) this.#stroke.push(this.#pointAtCursor());
    this.#changed();
  }

  #toggle() {
    if (this.#stroke) {
      this.#end();
    } else {
      this.#stroke = [this.#pointAtCursor()];
      this.#changed();
    }
    this.#listeners.pen(this.drawing);
  }

  #leave() {
    if (this.#stroke && this.#pointer === null) this.#end();
    this.#paint();
  }

  #end() {
    const stroke = this.#stroke;
    this.#stroke = this.#pointer = null;
    if (stroke) this.#listeners.stroke(stroke);
  }

  #changed() {
    this.#paint();
    if (this.#stroke) this.#listeners.draw();
  }

  #resize() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (side > 0) this.#canvas.width = this.#canvas.height = side;
    this.#paint();
  }

  #paint() {
    const context = this.#canvas.getContext("2d");
    const side = this.#canvas.width;
    const style = getComputedStyle(this.#canvas);
    context.clearRect(0, 0, side, side);
    const bitmap = this.#stroke ? null : this.#sheet.picture?.bitmap;
    if (bitmap) paintPicture(context, bitmap, side);
    paint(context, this.strokes, side, style.color);
    if (this.#canvas.matches(":focus-visible")) this.#paintCursor(context, side, style.accentColor);
  }

  #paintCursor(context, side, colour) {
    const { x, y } = this.#cursor;
    context.beginPath();
    context.arc(x * side, y * side, 0.045 * side, 0, 2 * Math.PI);
    context.lineWidth = 2 * devicePixelRatio;
    context.strokeStyle = colour;
    context.stroke();
  }
}

/** Paint a picture as large as fits into the square, without smoothing if it has few pixels. */
function paintPicture(context, bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingEnabled = scale < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
}
