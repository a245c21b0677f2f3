// Requests to the service; only the newest counts.

/** An answer without a digit; the message is the service's own, which says what to do. */
export class Refusal extends Error {
  /** `retryAfter` is in seconds; undefined if a retry would not help. */
  constructor(message, { code, status = 0, retryAfter } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfter });
  }
}

/**
 * Ask what a picture (a Blob) shows: one digit, or with `route` "predict/number" a number. Return the answer, with that
 * picture and the `milliseconds` it took.
 *
 * Throws a Refusal, or the reason with which `signal` was aborted.
 */
export async function predict(picture, signal, route = "predict") {
  const started = performance.now();
  const answer = await ask(`${route}?seen=true`, picture, signal);
  return { ...answer, picture, milliseconds: performance.now() - started };
}

/** Tell which digit a picture (a Blob) shows. Throws as `predict` does. */
export function correct(picture, digit, signal) {
  return ask(`corrections?digit=${digit}`, picture, signal);
}

async function ask(address, picture, signal) {
  const response = await send(address, picture, signal);
  const answer = await response.json().catch(() => null);
  signal.throwIfAborted();
  if (!response.ok || answer === null) throw refusal(response, answer);
  return answer;
}

async function send(address, picture, signal) {
  const type = picture.type.startsWith("image/") ? picture.type : "application/octet-stream";
  try {
    // Relative, so that the page works below any path of a proxy.
    return await fetch(address, { method: "POST", headers: { "Content-Type": type }, body: picture, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Refusal("The service cannot be reached: check the connection and try again.", { code: "unreachable" });
  }
}

function refusal(response, answer) {
  const status = response.status;
  // An error of a proxy has another format.
  const message = answer?.error ?? `Something between this page and the service answered with status ${status}: try again.`;
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new Refusal(message, { status, code: answer?.code, retryAfter: Number.isFinite(seconds) ? seconds : undefined });
}

/** Runs tasks of which only the newest counts: the previous one is aborted, and its late result is ignored. */
export class Newest {
  #controller = null;

  get busy() {
    return this.#controller !== null;
  }

  cancel() {
    this.#controller?.abort();
    this.#controller = null;
  }

  /** Run `task(signal)`, then `settle(answer, error)` unless a newer task was started or all were cancelled. */
  async run(task, settle) {
    this.cancel();
    const mine = (this.#controller = new AbortController());
    const [answer, error] = await task(mine.signal).then((value) => [value, null], (reason) => [null, reason]);
    if (this.#controller !== mine) return;
    this.#controller = null;
    settle(answer, error);
  }
}
