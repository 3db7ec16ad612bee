// Asks the daemon. Knows the session's header and the shape of errors.

import type { Problem } from "./shapes";

const BASE = "/api/v1/";
const STORED = "kith-page-key";

/** What the daemon refused, in its words. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.what);
  }
}

let pageKey = "";
let over: (() => void) | null = null;

export function useKey(key: string): void {
  pageKey = key;
  localStorage.setItem(STORED, key);
}

/** The key of the session, if there is one. */
export function storedKey(): string {
  return localStorage.getItem(STORED) ?? "";
}

export function dropKey(): void {
  pageKey = "";
  localStorage.removeItem(STORED);
}

export function whenOver(call: () => void): void {
  over = call;
}

const headers = (): Record<string, string> => ({ "X-Kith-Page": pageKey });

/** A request with the session's header. A session that another tab renewed is taken up. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  if (!pageKey) pageKey = storedKey();
  const ask = () =>
    fetch(BASE + path, {
      credentials: "same-origin",
      cache: "no-store",
      ...init,
      headers: { ...headers(), ...(init.headers as Record<string, string> | undefined) },
    });
  let answer = await ask();
  if (answer.status === 401 && storedKey() && storedKey() !== pageKey) {
    pageKey = storedKey();
    answer = await ask();
  }
  if (answer.status === 401 && path !== "session") over?.();
  return answer;
}

async function read<T>(answer: Response): Promise<T> {
  let body: any = null;
  try {
    body = await answer.json();
  } catch {
    body = null;
  }
  if (answer.ok) return body as T;
  throw new Refused(
    body?.error ?? {
      code: "internal",
      what: "not done",
      why: `the daemon answered ${answer.status}`,
      try: "look into its log",
    },
  );
}

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await send(path, init);
  } catch {
    throw new Refused({
      code: "unavailable",
      what: "not done",
      why: "the daemon cannot be reached",
      try: "look whether it still runs",
    });
  }
  return read<T>(answer);
}

export const get = <T>(path: string): Promise<T> => ask<T>(path, {});

export const post = <T>(path: string, body: unknown = {}): Promise<T> =>
  ask<T>(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

export const remove = <T>(path: string): Promise<T> => ask<T>(path, { method: "DELETE" });
