// Rows for tests.

import type { LinkRow, LogLine, NodeRow, NodeState } from "../src/shapes";
import type { Event } from "../src/store";

export const idOf = (n: number): string => n.toString(16).padStart(64, "0");

export const node = (n: number, state: NodeState = "alive", label = `node ${n}`): Event => ({
  name: "node",
  data: { schema: 1, id: idOf(n), label, state, addrs: [], since_ms: 1 } satisfies NodeRow & { schema: number },
});

export const link = (from: number, to: number, rtt_us = 500): Event => ({
  name: "link",
  data: { from: idOf(from), to: idOf(to), rtt_us, state: "confirmed" } satisfies LinkRow,
});

export const log = (number: number, at_ms = number): Event => ({
  name: "log",
  data: { number, at_ms, level: "info", target: "t", text: `line ${number}` } satisfies LogLine,
});

export const WHOLE: Event = { name: "whole", data: { schema: 1 } };
export const CONNECTED: Event = { name: "connected", data: {} };
export const LOST: Event = { name: "lost", data: { why: "the daemon cannot be reached" } };
export const gone = (data: object): Event => ({ name: "gone", data });
