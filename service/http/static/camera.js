// A photo: from the camera application if there is one, else from the browser's camera.

import { encoded, whiteCanvas } from "./strokes.js";

/** Return whether this is a phone or tablet, which has a camera application. */
export const hasCameraApplication = () => matchMedia("(hover: none) and (pointer: coarse)").matches;

/** Return whether the browser can use a camera here: only over HTTPS or on localhost. */
export const canShowCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

export class Camera {
  #dialog;
  #video;

  /** `taken(file)` gets each photo; the dialog holds the video and the buttons `take` and `leave`. */
  constructor(dialog, video, { take, leave }, taken) {
    this.#dialog = dialog;
    this.#video = video;
    take.addEventListener("click", async () => {
      if (!video.videoWidth) return; // the camera is still waking up
      const photo = await this.#photo();
      dialog.close();
      taken(photo);
    });
    leave.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.#stop());
  }

  /** Show the camera's picture. Throws a DOMException if there is no camera or the user denies it. */
  async open() {
    const facing = { facingMode: "environment", width: { ideal: 1280 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: facing });
    this.#stop(); // where the button was pressed twice
    this.#video.srcObject = stream;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  async #photo() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const { canvas, context } = whiteCanvas(width, height);
    context.drawImage(this.#video, 0, 0);
    return new File([await encoded(canvas, "image/jpeg")], "photo.jpg", { type: "image/jpeg" });
  }

  #stop() {
    for (const track of this.#video.srcObject?.getTracks() ?? []) track.stop();
    this.#video.srcObject = null;
  }
}
