// A number on the paper: a box over each digit with the digit under it. A tap on one chooses it.

/** The boxes of an answer's digits over the paper, in fractions of its side. */
export class Boxes {
  #layer;
  #choose;
  #places = [];

  /** `choose(index)` is called when a digit is chosen by its label. */
  constructor(layer, choose) {
    this.#layer = layer;
    this.#choose = choose;
  }

  clear() {
    this.#places = [];
    this.#layer.replaceChildren();
  }

  /** Show the digits of an answer about a picture of `width` by `height` pixels, and which one is `chosen`. */
  show({ digits, skipped }, { width, height }, chosen) {
    const side = Math.max(width, height);
    const place = ({ box: [x, y, across, down] }) => ({
      left: (x + (side - width) / 2) / side,
      top: (y + (side - height) / 2) / side,
      width: across / side,
      height: down / side,
    });
    this.#places = digits.map(place);
    const boxes = digits.map((digit, index) => this.#box(digit, this.#places[index], index, index === chosen));
    this.#layer.replaceChildren(...skipped.map((one) => framed(place(one), "skipped")), ...boxes.flat());
  }

  /** Return the index of the digit whose box contains a point of the paper, or -1. */
  at({ x, y }) {
    return this.#places.findIndex(
      (place) => x >= place.left && x <= place.left + place.width && y >= place.top && y <= place.top + place.height,
    );
  }

  #box({ digit, certain }, place, index, chosen) {
    const frame = framed(place, certain ? "box" : "box doubtful");
    frame.classList.toggle("chosen", chosen);
    const label = document.createElement("button");
    label.type = "button";
    label.className = "label";
    label.textContent = digit;
    label.setAttribute("aria-pressed", String(chosen));
    label.setAttribute("aria-label", `Digit ${index + 1}: ${digit}, ${certain ? "certain" : "not certain"}`);
    label.style.left = `${100 * (place.left + place.width / 2)}%`;
    label.style.top = `${100 * Math.min(place.top + place.height, 0.93)}%`;
    label.addEventListener("click", () => this.#choose(index));
    return [frame, label];
  }
}

function framed(place, name) {
  const frame = document.createElement("span");
  frame.className = name;
  for (const [side, share] of Object.entries(place)) frame.style[side] = `${100 * share}%`;
  return frame;
}

/** Return whether a stroke is a tap: no longer than a dot. */
export function isTap(stroke) {
  const span = (values) => Math.max(...values) - Math.min(...values);
  return Math.max(span(stroke.map(({ x }) => x)), span(stroke.map(({ y }) => y))) < 0.02;
}
