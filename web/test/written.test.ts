import { describe, expect, it } from "vitest";
import { Written } from "../src/written";

describe("the texts written here", () => {
  it("are the newest 200", () => {
    const written = new Written();
    for (let n = 0; n < 300; n += 1) written.keep(`letter ${n}`, `text ${n}`);
    expect(written.get("letter 99")).toBeUndefined();
    expect(written.get("letter 100")).toBe("text 100");
    expect(written.get("letter 299")).toBe("text 299");
  });

  it("are four million characters in all, and the newest whatever its length", () => {
    const written = new Written();
    const long = "x".repeat(1_000_000);
    for (let n = 0; n < 6; n += 1) written.keep(`letter ${n}`, long);
    expect([0, 1, 2, 3, 4, 5].filter((n) => written.get(`letter ${n}`))).toEqual([2, 3, 4, 5]);
    written.keep("huge", "x".repeat(5_000_000));
    expect(written.get("letter 5")).toBeUndefined();
    expect(written.get("huge")).toHaveLength(5_000_000);
  });

  it("count a text that is kept again once", () => {
    const written = new Written();
    written.keep("first", "a");
    for (let n = 0; n < 100; n += 1) written.keep("again", "x".repeat(1_000_000));
    expect(written.get("first")).toBe("a");
  });
});
