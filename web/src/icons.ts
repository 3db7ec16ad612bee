// The signs on buttons, drawn in a square of 16.

import { s } from "./dom";

const PATHS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  arrange: "M13 6a5.5 5.5 0 0 0-10-.5M3 2.5v3h3M3 10a5.5 5.5 0 0 0 10 .5M13 13.5v-3h-3",
  table: "M2.5 3.5h11v9h-11zM2.5 6.6h11M6.5 6.6v5.9",
  theme: "M8 2.2a5.8 5.8 0 1 0 0 11.6zM8 2.2a5.8 5.8 0 0 1 0 11.6",
  help: "M5.6 6a2.4 2.4 0 1 1 3.5 2.1c-.8.4-1.1.8-1.1 1.6M8 12.4v.1",
  leave: "M6.5 2.5h-4v11h4M10.5 5l3 3-3 3M13.5 8H6.5",
  close: "M4 4l8 8M12 4l-8 8",
};

export const icon = (name: keyof typeof PATHS): SVGSVGElement =>
  s("svg", { class: `icon ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: PATHS[name] }));
