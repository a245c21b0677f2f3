// "Wrong? It is a ...": ten buttons to correct the last answer.

import { Newest, Refusal, correct } from "./api.js";

const element = (id) => document.getElementById(id);
const newest = new Newest();
const buttons = Array.from({ length: 10 }, (_, digit) => button(digit));
const INVITATION = element("correct-text").textContent;
let picture; // what a button is about
element("right-digits").append(...buttons);

function button(digit) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = digit;
  made.setAttribute("aria-pressed", "false");
  made.addEventListener("click", () => tell(digit));
  return made;
}

/** Make the buttons correct this answer, unless they do already. */
export function offer(answer) {
  if (answer.picture === picture) return;
  newest.cancel();
  picture = answer.picture;
  press(null);
  element("correct-text").textContent = INVITATION;
}

function press(told) {
  buttons.forEach((one, digit) => one.setAttribute("aria-pressed", String(digit === told)));
}

function tell(digit) {
  press(digit);
  newest.run((signal) => correct(picture, digit, signal), (answer, error) => {
    if (error && !(error instanceof Refusal)) throw error;
    if (error) press(null);
    element("correct-text").textContent = error ? error.message : `Kept as a ${digit}. Thank you.`;
  });
}
