// The sheet on the paper, with undo and redo. A sheet is {strokes, picture}; sheets are never changed, only replaced.

const MOST_STEPS = 200;

export const BLANK = Object.freeze({ strokes: [], picture: null });

export function isBlank(sheet) {
  return sheet.strokes.length === 0 && sheet.picture === null;
}

export class History {
  #sheets = [BLANK];
  #at = 0;

  get sheet() {
    return this.#sheets[this.#at];
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#sheets.length - 1;
  }

  /** Add a sheet after the current one; undone sheets are dropped. */
  add(sheet) {
    this.#sheets = [...this.#sheets.slice(0, this.#at + 1), sheet].slice(-MOST_STEPS);
    this.#at = this.#sheets.length - 1;
  }

  undo() {
    if (this.canUndo) this.#at -= 1;
  }

  redo() {
    if (this.canRedo) this.#at += 1;
  }
}
