// Text and numbers as people read them. Whatever a peer wrote goes through `visible` before it is shown.

// Characters that are not seen, or change the order in which others are seen. The daemon's list (src/text.rs).
const DECEIVES =
  /[\p{Cc}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{e0000}-\u{e0fff}\p{Cs}]/gu;
const KEPT_BREAKS = /[\n\t]/;
/** Marks that pile up on one letter, beyond the two that languages need. */
const PILED_MARKS = /(\p{M}{2})\p{M}+/gu;

export const LABEL_MAX = 40;

const escaped = (c: string): string => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`;

/** `text` with what deceives made visible, at most `max` characters. */
export const visible = (text: unknown, max = LABEL_MAX): string => clean(text, max, escaped);

/** The same for text of many lines: their breaks stay. */
export function visibleLines(text: unknown, max = 100_000): string {
  return clean(text, max, (c) => (KEPT_BREAKS.test(c) ? c : escaped(c)));
}

function clean(text: unknown, max: number, replace: (c: string) => string): string {
  // Cut first: a megabyte of marks costs no more than what is shown. A character has at most two units.
  const raw = String(text ?? "").slice(0, max * 4 + 64);
  const shown = raw.replace(PILED_MARKS, "$1").replace(DECEIVES, replace);
  const characters = Array.from(shown);
  const whole = characters.length <= max && raw.length === String(text ?? "").length;
  return whole ? shown : `${characters.slice(0, max - 1).join("")}…`;
}

export const short = (id: string): string => visible(id.slice(0, 8), 8);

/** What a node is called: its label, or the beginning of its id. */
export function nameOf(node: { id: string; label: string } | undefined, id = "", max = LABEL_MAX): string {
  const label = node ? visible(node.label, max).trim() : "";
  return label || short(node?.id ?? id);
}

export function rtt(us: number | null | undefined): string {
  if (!us) return "–";
  const ms = us / 1000;
  return `${ms < 1 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function size(bytes: number): string {
  let unit = 0;
  let n = Math.max(0, bytes);
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.floor(n)} ${UNITS[unit]}`;
}

export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export function clock(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** How long ago, in one unit. */
export function ago(ms: number, now = Date.now()): string {
  const s = Math.max(0, Math.floor((now - ms) / 1000));
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

/** A time of day, with the day when that is not today. */
export function time(ms: number, now = Date.now()): string {
  const at = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(now).toDateString()
    ? hours
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hours}`;
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
