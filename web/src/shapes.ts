// What the daemon tells, as far as the page uses it. Ids are hex digits; every other text may come from a
// peer and is shown through words.ts only.

export type NodeState = "alive" | "suspect" | "failed" | "unreachable" | "left" | "unknown";

export interface NodeRow {
  id: string;
  label: string;
  state: NodeState;
  addrs: string[];
  since_ms: number;
  relay?: boolean;
  mailbox?: boolean;
}

/** `from` dialled `to`; rtt_us is 0 until it is measured. */
export interface LinkRow {
  from: string;
  to: string;
  rtt_us: number;
  state: "confirmed" | "half-open";
}

export interface Source {
  id: string;
  pieces: number;
  bytes: number;
  bytes_per_second: number;
  asked?: number;
  lies: number;
}

export interface Transfer {
  transfer: number;
  kind: "share" | "get";
  phase:
    | "waiting"
    | "hashing"
    | "seeking"
    | "fetching"
    | "full"
    | "finishing"
    | "done"
    | "stopped"
    | "failed";
  file_id: string | null;
  name: string;
  path: string;
  bytes: number;
  bytes_done: number;
  pieces: number;
  pieces_done: number;
  bytes_per_second: number;
  eta_s: number | null;
  bottleneck: string | null;
  sources: Source[];
  ticket: string | null;
  problem: string | null;
  seconds: number;
  left_out?: string[];
}

export interface FileRow {
  file_id: string;
  name: string;
  path: string;
  bytes: number;
  pieces: number;
  pieces_held: number;
  served: boolean;
  bytes_given: number;
  holders: string[];
  ticket: string;
  problem: string | null;
}

export type LetterState = "queued" | "sent" | "stored" | "delivered" | "read" | "expired" | "failed";

export interface OutboxEvent {
  id: string;
  to: string;
  state: LetterState;
  why: string;
  at_ms: number;
}

export interface Letter {
  id: string;
  to: string;
  label: string;
  state: LetterState;
  why: string;
  bytes: number;
  tries: number;
  hops: string[];
  created_ms: number;
  warnings?: string[];
}

export interface Conversation {
  with: string;
  label: string;
  received: number;
  unread: number;
  sent: number;
  waiting: number;
  last_ms: number;
}

export interface Received {
  id: string;
  from: string;
  label: string;
  text?: string;
  body_base64?: string;
  created_ms: number;
  received_ms: number;
  seq: number;
  read: boolean;
  request: boolean;
}

export interface LogLine {
  number: number;
  at_ms: number;
  level: "error" | "warn" | "info" | "debug" | "trace";
  target: string;
  text: string;
}

export interface Status {
  id: string;
  label: string;
  version: string;
  uptime_s: number;
  listen: string[];
  state_dir: string | null;
  nodes_alive: number;
  links: number;
  health: "ok" | "degraded";
  problems: string[];
}

export interface Peer {
  id: string | null;
  label: string;
  state: NodeState;
  link: "up" | "connecting" | "down";
  direction: "out" | "in" | null;
  rtt_us: number | null;
  addr: string | null;
  since_ms: number;
  pinned: boolean;
  banned: boolean;
  problem: string | null;
}

export interface RelayRow {
  id: string;
  label: string;
  volunteer: boolean;
  mailbox: boolean;
  state: string;
  guard: boolean;
  delivered: number;
  silent: number;
}

export interface Relays {
  volunteer: boolean;
  mailbox: boolean;
  nodes: RelayRow[];
  mailboxes: { id: string; label: string }[];
  kept: { readers: number; letters: number };
}

export interface Problem {
  code: string;
  what: string;
  why: string;
  try: string;
  candidates?: { id: string; label: string }[];
}
