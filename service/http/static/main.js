// The page: sends the paper to the service and shows the answer.

import { Newest, Refusal, predict } from "./api.js";
import { Camera, canShowCamera, hasCameraApplication } from "./camera.js";
import { BLANK, History, isBlank } from "./history.js";
import { offer } from "./corrections.js";
import { Boxes, isTap } from "./number.js";
import { Pad } from "./pad.js";
import { onChosen, onDropped, onPasted, picture as opened, predictPicture } from "./pictures.js";
import { PENS, PICTURE_SIDES, png } from "./strokes.js";
import * as view from "./view.js";

const WHILE_DRAWING = 120; // milliseconds between two questions while the pen is down
const BETWEEN_STROKES = 1000; // milliseconds until strokes that are no digit count as all there will be
const LONGEST_WAIT = 30; // seconds
const ROUTES = { one: "predict", number: "predict/number" };

const element = (id) => document.getElementById(id);
const history = new History();
const newest = new Newest();
const pad = new Pad(element("pad"), history.sheet, { draw: askSoon, stroke: addStroke, pen: sayPen });
const boxes = new Boxes(element("boxes"), choose);
let task = "one"; // or "number": what is read
let number; // the answer that the boxes show
let chosen = 0; // the digit of it that the bars show
let soon; // the next question while the pen is down
let later; // the next attempt after a refusal that passes, or the refusal of unfinished strokes

function update(sheet = history.sheet) {
  pad.show(sheet);
  const name = sheet.picture && !sheet.picture.bitmap ? sheet.picture.name : undefined;
  view.showTools({ blank: isBlank(sheet), name, canUndo: history.canUndo, canRedo: history.canRedo });
  ask();
}

function add(sheet) {
  history.add(sheet);
  update();
}

function addStroke(stroke) {
  const index = isTap(stroke) ? boxes.at(stroke[0]) : -1;
  if (index >= 0) {
    pad.show(history.sheet);
    choose(index);
    return;
  }
  add({ strokes: [...history.sheet.strokes, stroke], picture: null });
}

async function addPicture(file) {
  add({ strokes: [], picture: await opened(file) });
}

/** Read one digit, or a number. */
function turnTo(what) {
  task = what;
  pad.pen = PENS[task];
  chosen = 0;
  view.showTask(task);
  update();
}

function choose(index) {
  chosen = index;
  view.showNumber(number, chosen);
  if (number.size) boxes.show(number, number.size, chosen);
  view.say(`Digit ${index + 1}: ${number.digits[index].digit}.`);
}

function clear() {
  if (!isBlank(history.sheet)) history.add(BLANK);
  update();
  view.say("Cleared.");
}

function undo() {
  if (!pad.drawing) history.undo(); // else the stroke that is being drawn is what goes
  update();
}

function redo() {
  history.redo();
  update();
}

function sayPen(down) {
  view.say(down ? "Pen down." : "Pen up.");
}

/** Ask soon, unless already scheduled; a running request is not aborted. */
function askSoon() {
  view.showTools({ blank: false, canUndo: history.canUndo, canRedo: history.canRedo });
  soon ??= setTimeout(() => {
    soon = undefined;
    if (!pad.drawing) return;
    if (newest.busy) askSoon();
    else ask();
  }, WHILE_DRAWING);
}

function ask() {
  clearTimeout(later);
  const { strokes } = pad;
  const picture = pad.drawing ? null : history.sheet.picture;
  const [route, side] = [ROUTES[task], PICTURE_SIDES[task]];
  if (isBlank({ strokes, picture })) {
    newest.cancel();
    view.showBusy(false);
    view.showNothing(task);
    boxes.clear();
    return;
  }
  view.showBusy(true);
  const question = async (signal) => {
    if (picture) return predictPicture(picture, signal, route);
    const answer = await predict(await png(strokes, side), signal, route);
    return { ...answer, size: { width: side, height: side } };
  };
  newest.run(question, (answer, error) => {
    if (!error) answered(answer);
    else if (error.status === 422 && strokes.length && !pad.drawing) later = setTimeout(refused, BETWEEN_STROKES, error);
    else refused(error);
  });
}

function answered(answer) {
  view.showBusy(false);
  if (answer.digits) {
    answeredNumber(answer);
    return;
  }
  boxes.clear();
  view.showAnswer(answer);
  offer(answer);
  const sure = answer.certain ? "certain" : "not certain, a person should look";
  if (!pad.drawing) view.say(`${answer.digit}, ${sure}.`);
}

function answeredNumber(answer) {
  number = answer;
  chosen = Math.min(chosen, answer.digits.length - 1);
  view.showNumber(answer, chosen);
  if (answer.size) boxes.show(answer, answer.size, chosen);
  const sure = answer.certain ? "certain" : "not certain, a person should look";
  if (!pad.drawing) view.say(`${answer.lines.join(", ")}, ${sure}.`);
}

function refused(error) {
  if (!(error instanceof Refusal)) throw error;
  view.showBusy(false);
  if (pad.drawing && error.status === 422) return; // the first dot of a digit is none yet
  boxes.clear();
  const passes = error.status === 0 || error.status === 429 || error.status >= 500;
  const retryAfter = passes && error.retryAfter ? Math.min(error.retryAfter, LONGEST_WAIT) : undefined;
  if (retryAfter) later = setTimeout(ask, 1000 * retryAfter);
  view.showRefusal({ message: error.message, code: error.code, status: error.status, retryAfter }, { again: passes });
  view.say(`${view.refusalTitle(error)}. ${view.refusalText(error)}`);
}

const camera = new Camera(element("camera"), element("video"), { take: element("take"), leave: element("leave") }, addPicture);

async function photograph() {
  if (hasCameraApplication()) {
    element("capture").click();
    return;
  }
  try {
    await camera.open();
  } catch {
    const message = "The camera cannot be used: allow it in the browser, or upload a picture.";
    refused(new Refusal(message, { code: "no_camera", status: 400 }));
  }
}

function onKey(event) {
  if (event.target.closest?.("dialog")) return;
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && key === "z") (event.shiftKey ? redo : undo)();
  else if (command && key === "y") redo();
  else if (!command && ["delete", "backspace", "escape"].includes(key)) clear();
  else return;
  event.preventDefault();
}

const clicks = { one: () => turnTo("one"), number: () => turnTo("number"), undo, redo, clear, upload: () => element("file").click(), photograph, again: ask };
for (const [id, act] of Object.entries(clicks)) element(id).addEventListener("click", act);
addEventListener("keydown", onKey);
onChosen(element("file"), addPicture);
onChosen(element("capture"), addPicture);
onDropped(addPicture, (over) => document.body.classList.toggle("over", over));
onPasted(addPicture, () => view.say("There is no picture in the clipboard."));
element("photograph").hidden = !hasCameraApplication() && !canShowCamera();
turnTo(task);
