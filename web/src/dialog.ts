// Dialogs: a question before what hurts, and small forms.

import { h } from "./dom";
import { failureOf } from "./failure";

export interface Field {
  name: string;
  label: string;
  kind?: "text" | "lines" | "check";
  hint?: string;
  required?: boolean;
  max?: number;
}

/** A labelled input of a form. */
export function field({ name, label, kind = "text", hint, required, max }: Field): HTMLElement {
  const shared = { name, required: required ?? false, maxlength: max, placeholder: hint };
  if (kind === "check") return h("label", { class: "check" }, h("input", { type: "checkbox", name }), label);
  const input =
    kind === "lines"
      ? h("textarea", { ...shared, rows: 4 })
      : h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...shared });
  return h("label", { class: "field" }, h("span", {}, label), input);
}

function open(dialog: HTMLDialogElement): void {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement || before instanceof SVGElement) before.focus();
  });
  dialog.showModal();
}

/** Asks before something that hurts. */
export function confirmed(title: string, words: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" });
    const yes = h("button", { class: "danger", type: "submit", value: "yes", name: "yes" }, action);
    const no = h("button", { type: "submit", value: "no", name: "no", autofocus: true }, "Cancel");
    dialog.append(
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title),
        h("p", {}, words),
        h("div", { class: "buttons" }, no, yes),
      ),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
    open(dialog);
  });
}

/** Sends what is filled in, once at a time, and shows in `problem` why it is refused. */
export function onSubmit(
  form: HTMLFormElement,
  button: HTMLButtonElement,
  problem: HTMLElement,
  send: (data: FormData) => Promise<void>,
): void {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.replaceChildren();
    try {
      await send(new FormData(form));
    } catch (error) {
      problem.replaceChildren(failureOf(error));
    } finally {
      button.disabled = false;
    }
  });
}

/** A form in a dialog; closes when `send` is done, shows why when it is refused. */
export function formDialog(
  title: string,
  words: string,
  fields: readonly Field[],
  action: string,
  send: (data: FormData) => Promise<void>,
): void {
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "form-title" });
  const problem = h("div", { role: "alert" });
  const button = h("button", { class: "primary", type: "submit" }, action);
  const form = h("form", { name: title.toLowerCase() },
    h("h2", { id: "form-title" }, title),
    h("p", { class: "muted" }, words),
    ...fields.map(field),
    problem,
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      button,
    ),
  );
  onSubmit(form, button, problem, async (data) => {
    await send(data);
    dialog.close();
  });
  dialog.append(form);
  open(dialog);
}

/** A dialog that only shows something. */
export function sheet(title: string, ...content: Node[]): void {
  const dialog = h("dialog", { class: "ask sheet", "aria-labelledby": "sheet-title" });
  dialog.append(
    h("form", { method: "dialog" },
      h("h2", { id: "sheet-title" }, title),
      ...content,
      h("div", { class: "buttons" }, h("button", { type: "submit", autofocus: true }, "Close")),
    ),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  open(dialog);
}
