// What the parts of the page ask of each other.

import type { Picture } from "./network/picture";
import type { Store } from "./store";

export interface App {
  store: Store;
  picture: Picture;
  /** Opens the card of a node; none closes it. */
  choose: (id: string) => void;
  showTab: (name: string) => void;
  writeTo: (id: string) => void;
}
