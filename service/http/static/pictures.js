// Pictures that the user chooses, drops or pastes. A picture is {blob, name, bitmap, size}, `size` its
// {width, height} in pixels.

import { Refusal, predict } from "./api.js";
import { encoded, whiteCanvas } from "./strokes.js";

const MOST_BYTES = 16 << 20; // what the service takes by default
const MOST_SIDE = 2048; // pixels: a digit needs far fewer
const SMALLER_HELPS = [413, 415];

/** Return the picture in a file; `bitmap` is null if the browser cannot read it (the service may). */
export async function picture(file) {
  const whole = await createImageBitmap(file).catch(() => null);
  const size = whole && { width: whole.width, height: whole.height };
  return { blob: file, name: file.name || "picture", bitmap: whole && (await shrink(whole)), size };
}

/**
 * Ask about a picture unchanged; if it is too large or the service does not read its format, as a smaller JPEG.
 * Return the answer with the `size` of the picture that was asked about.
 */
export async function predictPicture({ blob, bitmap, size }, signal, route) {
  const smaller = async () => ({ ...(await predict(await jpeg(bitmap), signal, route)), size: bitmap });
  if (bitmap && blob.size > MOST_BYTES) return smaller();
  try {
    return { ...(await predict(blob, signal, route)), size };
  } catch (error) {
    if (!(bitmap && error instanceof Refusal && SMALLER_HELPS.includes(error.status))) throw error;
    return smaller();
  }
}

async function shrink(bitmap) {
  const scale = MOST_SIDE / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const smaller = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
  bitmap.close();
  return smaller;
}

function jpeg(bitmap) {
  const { canvas, context } = whiteCanvas(bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return encoded(canvas, "image/jpeg");
}

/** Call `take(file)` with each file that is chosen in a file input. */
export function onChosen(input, take) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) take(file);
    input.value = ""; // so that the same file can be chosen again
  });
}

/** Call `take(file)` with what is dropped anywhere on the page; `hover(over)` says whether a file is above it. */
export function onDropped(take, hover) {
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    hover(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && hover(false));
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    hover(false);
    take(event.dataTransfer.files[0]);
  });
}

/** Call `take(file)` with a pasted picture, or `nothing()` if the clipboard has none. */
export function onPasted(take, nothing) {
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) take(file);
    else nothing();
  });
}
