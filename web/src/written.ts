// The texts that were written on this page, the newest of them: one letter may have a million characters.

const TEXTS_MAX = 200;
const CHARACTERS_MAX = 4 << 20;

export class Written {
  #texts = new Map<string, string>();
  #characters = 0;

  get(id: string): string | undefined {
    return this.#texts.get(id);
  }

  /** Keeps a letter's text; the oldest are forgotten for it, never itself. */
  keep(id: string, text: string): void {
    this.#forget(id);
    this.#texts.set(id, text);
    this.#characters += text.length;
    for (const old of this.#texts.keys()) {
      const fits = this.#texts.size <= TEXTS_MAX && this.#characters <= CHARACTERS_MAX;
      if (fits || old === id) break;
      this.#forget(old);
    }
  }

  #forget(id: string): void {
    this.#characters -= this.#texts.get(id)?.length ?? 0;
    this.#texts.delete(id);
  }
}
