// Getting in: the key behind the # is used up for a session, and leaves the address bar at once.

import { dropKey, get, post, Refused, remove, storedKey, useKey } from "./api";
import type { Status } from "./shapes";

interface Opened {
  page_key: string;
  id: string;
  label: string;
}

/** The key of a link: what stands behind the # of the address, unless that is a place on the page. */
export function keyInAddress(): string {
  const text = location.hash.slice(1);
  return text && !document.getElementById(text) ? text : "";
}

/** The id of the node this page belongs to, empty while the daemon cannot tell it; none if a person has to run
 *  `node open` first. */
export async function enter(): Promise<string | null> {
  const key = keyInAddress();
  if (key) {
    history.replaceState(null, "", location.pathname + location.search);
    try {
      const opened = await post<Opened>("session", { key });
      useKey(opened.page_key);
      return opened.id;
    } catch {
      // The key may be used up, and the session that it opened still be there: a page that is loaded again.
    }
  }
  if (!storedKey()) return null;
  try {
    return (await get<Status>("status")).id;
  } catch (error) {
    return error instanceof Refused && error.problem.code === "denied" ? null : "";
  }
}

export async function leave(): Promise<void> {
  try {
    await remove("session");
  } finally {
    dropKey();
  }
}
