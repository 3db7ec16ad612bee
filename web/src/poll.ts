// A list that the stream does not tell: asked for while it is shown and after news, never more than every 2 s.

import { get, Refused } from "./api";

const LEAST_MS = 2000;

export class Polled<T> {
  value: T | null = null;
  #last = 0;
  #timer = 0;
  #asking = false;

  constructor(
    readonly path: string,
    readonly shown: () => boolean,
    readonly done: (value: T) => void,
  ) {}

  /** Something concerns the list: ask soon. */
  stale(): void {
    if (this.#timer || this.#asking || !this.shown()) return;
    const wait = Math.max(30, this.#last + LEAST_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (this.shown()) void this.now();
    }, wait) as unknown as number;
  }

  async now(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    this.#last = Date.now();
    try {
      this.value = await get<T>(this.path);
      this.done(this.value);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // The stream's state says that there is no daemon; the list is asked for again after the next news.
    } finally {
      this.#asking = false;
    }
  }
}
