// The answer in words, bars and pixels. The screen changes with every answer; screen readers only on request.

const TITLES = {
  no_digit: "No digit found",
  several_digits: "More than one digit",
  too_many_digits: "Too many digits",
  unreadable_image: "This picture is damaged",
  unsupported_image: "Not a picture",
  too_large: "Too large",
  not_ready: "Not ready yet",
  unreachable: "No connection",
};
// Where the service's own message is for programs.
const TEXTS = { several_digits: "Write one digit alone, or choose “A number” above." };
const TITLES_OF_STATUS = { 413: "Too large", 429: "Busy just now", 503: "Not ready yet" };

const element = (id) => document.getElementById(id);
const bars = Array.from({ length: 10 }, (_, digit) => bar(digit));
element("bars").append(...bars.map((one) => one.row));

function bar(digit) {
  const row = document.createElement("li");
  const [label, track, value] = ["span", "span", "span"].map((name) => document.createElement(name));
  const fill = document.createElement("span");
  [label.className, track.className, fill.className, value.className] = ["name", "track", "fill", "value"];
  label.textContent = digit;
  track.append(fill);
  row.append(label, track, value);
  return { row, fill, value };
}

/** Return a probability in words that never claim 0 or 100%. */
export function percent(probability) {
  if (probability > 0.9995) return "> 99.9%";
  if (probability < 0.0005) return "< 0.1%";
  return `${(100 * probability).toFixed(1)}%`;
}

function showBars(probabilities, winner) {
  bars.forEach(({ row, fill, value }, digit) => {
    fill.style.setProperty("--part", probabilities?.[digit] ?? 0);
    value.textContent = probabilities ? percent(probabilities[digit]) : "";
    row.classList.toggle("winner", digit === winner);
  });
}

function showSeen(base64) {
  element("seen").hidden = !base64;
  element("unseen").hidden = Boolean(base64);
  if (base64) element("seen").src = `data:image/png;base64,${base64}`;
  element("seen").alt = base64 ? "The digit as the model was given it, 28 by 28 pixels" : "";
}

function show(state, { digit = "", sure = "", confidence = "", facts = "" } = {}) {
  element("read").dataset.state = state;
  element("refusal").hidden = state !== "refused";
  element("verdict").hidden = state === "refused";
  const texts = { digit, sure, confidence, facts };
  for (const [id, text] of Object.entries(texts)) element(id).textContent = text;
}

const TASKS = {
  one: "Write one digit. The model reads it while you write.",
  number: "Write a number. The model reads all its digits.",
};
const NOTHING = {
  one: "Nothing yet. Write a digit, or bring a picture of one.",
  number: "Nothing yet. Write a number, or bring a picture of one.",
};

/** Show whether one digit is read or a number. */
export function showTask(task) {
  document.body.dataset.task = task;
  element("task").textContent = TASKS[task];
  for (const one of Object.keys(TASKS)) element(one).setAttribute("aria-pressed", String(one === task));
}

export function showNothing(task) {
  show("blank", { confidence: NOTHING[task] });
  showBars(null);
  showSeen(null);
}

function facts(model, milliseconds) {
  return `${model.name} version ${model.version}, answered in ${Math.max(1, Math.round(milliseconds))} ms`;
}

/** Show an answer of the service. */
export function showAnswer({ digit, confidence, certain, probabilities, seen, model, milliseconds }) {
  show(certain ? "certain" : "uncertain", {
    digit,
    sure: certain ? "Certain" : "Not certain",
    confidence: certain ? `${percent(confidence)} sure` : `${percent(confidence)} sure: a person should look`,
    facts: facts(model, milliseconds),
  });
  showBars(probabilities, digit);
  showSeen(seen);
}

/** Show the number in an answer of the service, and the probabilities of the digit at index `chosen`. */
export function showNumber({ lines, certain, digits, model, milliseconds }, chosen) {
  const { digit, confidence, probabilities, seen } = digits[chosen];
  show(certain ? "certain" : "uncertain", {
    digit: lines.join("\n"),
    sure: certain ? "Certain" : "Not certain",
    confidence: `Digit ${chosen + 1} of ${digits.length} is a ${digit}: ${percent(confidence)} sure`,
    facts: facts(model, milliseconds),
  });
  element("digit").style.setProperty("--length", Math.max(...lines.map((line) => line.length), 2 * lines.length));
  showBars(probabilities, digit);
  showSeen(seen);
}

/** Show the service's error message, and a button if a retry may help. */
export function showRefusal({ message, code, status, retryAfter }, { again }) {
  const text = refusalText({ code, message });
  show("refused");
  showBars(null);
  showSeen(null);
  element("refusal-title").textContent = refusalTitle({ code, status });
  element("refusal-text").textContent = retryAfter ? `${text} Trying again in ${retryAfter} s.` : text;
  element("again").hidden = !again;
}

export function refusalTitle({ code, status }) {
  return TITLES[code] ?? TITLES_OF_STATUS[status] ?? "No answer";
}

export function refusalText({ code, message }) {
  return TEXTS[code] ?? message;
}

/** Dim the answer if it is late: it belongs to an older state of the paper. */
export function showBusy(busy) {
  element("read").setAttribute("aria-busy", String(busy));
}

/** Announce a text to screen readers. */
export function say(text) {
  element("status").textContent = text;
}

/** Update the paper's labels, and which tools are enabled. */
export function showTools({ blank, name, canUndo, canRedo }) {
  element("hint").hidden = !blank;
  element("name").hidden = !name;
  element("name").textContent = name ?? "";
  const usable = { undo: canUndo, redo: canRedo, clear: !blank };
  // Not `disabled`, which would lose the keyboard focus.
  for (const [id, can] of Object.entries(usable)) element(id).setAttribute("aria-disabled", String(!can));
}
