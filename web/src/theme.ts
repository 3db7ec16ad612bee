// Dark or light: as the system says, until a person says otherwise.

const STORED = "kith-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const chosen = (): string | null => localStorage.getItem(STORED);
const dark = (): boolean => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

function apply(changed: () => void): void {
  document.documentElement.dataset["theme"] = dark() ? "dark" : "light";
  changed();
}

export function followTheme(changed: () => void): void {
  apply(changed);
  system.addEventListener("change", () => apply(changed));
}

export function switchTheme(changed: () => void): void {
  localStorage.setItem(STORED, dark() ? "light" : "dark");
  apply(changed);
}
