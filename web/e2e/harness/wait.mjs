// Waiting for what is to come: nothing here sleeps for a fixed time and hopes.

const POLL_MS = 20;

/** The first value of `look` that is true; fails with `what`, and what was seen last, after `ms`. */
export async function until(what, look, ms = 10_000) {
  const end = Date.now() + ms;
  let seen;
  for (;;) {
    try {
      const value = await look();
      if (value) return value;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}; seen last: ${shown(seen)}`);
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

function shown(value) {
  if (value instanceof Error) return value.message.split("\n")[0];
  return JSON.stringify(value) ?? String(value);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
