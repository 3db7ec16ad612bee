import { expect, it } from "vitest";
import { search } from "../src/search";
import { EMPTY, reduce } from "../src/store";
import { idOf, node } from "./some";

const { nodes } = reduce(EMPTY, [node(1, "alive", "dave-2"), node(2, "failed", "Dave"), node(3, "alive", "bob"), node(4, "alive", "__proto__")]);
const found = (words: string): string[] => search(nodes.values(), words).map((one) => one.label);

it("finds labels, whole ones first, whatever their case", () => {
  expect(found("dave")).toEqual(["Dave", "dave-2"]);
  expect(found("O")).toEqual(["__proto__", "bob"]);
});

it("finds ids by their beginning, and states", () => {
  expect(found(idOf(3).slice(0, 64))).toEqual(["bob"]);
  expect(found("failed")).toEqual(["Dave"]);
});

it("finds nothing for nothing, and takes no patterns", () => {
  expect([found(""), found("  "), found(".*"), found("(")]).toEqual([[], [], [], []]);
});
