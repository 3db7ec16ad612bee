// The colours of round-trip times: five steps, each also told apart by its brightness, and one for "unknown".

/** Upper bounds in microseconds of all steps but the last. */
const BOUNDS = [1_000, 10_000, 50_000, 150_000];
export const UNMEASURED = BOUNDS.length + 1;

export const STEPS: readonly { step: number; words: string }[] = [
  { step: 0, words: "< 1 ms" },
  { step: 1, words: "1–10" },
  { step: 2, words: "10–50" },
  { step: 3, words: "50–150" },
  { step: 4, words: "> 150 ms" },
  { step: UNMEASURED, words: "unknown" },
];

export function stepOf(rtt_us: number): number {
  if (!rtt_us) return UNMEASURED;
  const step = BOUNDS.findIndex((bound) => rtt_us < bound);
  return step < 0 ? BOUNDS.length : step;
}

/** The colours of the theme in force, for the canvas, which knows no style sheet. */
export interface Paint {
  rtt: string[];
  back: string;
  text: string;
  muted: string;
  node: string;
  nodeLine: string;
  me: string;
  meText: string;
  suspect: string;
  dead: string;
  accent: string;
  found: string;
}

export function paintOf(element: HTMLElement): Paint {
  const probe = document.createElement("span");
  element.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const paint = {
    rtt: STEPS.map(({ step }) => colour(`rtt-${step}`)),
    back: colour("back"),
    text: colour("text"),
    muted: colour("muted"),
    node: colour("node"),
    nodeLine: colour("node-line"),
    me: colour("me"),
    meText: colour("me-text"),
    suspect: colour("suspect"),
    dead: colour("dead"),
    accent: colour("accent"),
    found: colour("found"),
  };
  probe.remove();
  return paint;
}
