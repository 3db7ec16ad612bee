import { describe, expect, it } from "vitest";
import { ago, clock, nameOf, rtt, size, span, visible, visibleLines } from "../src/words";

describe("text of others", () => {
  it("that is plain is left alone", () => {
    for (const text of ["alice", "Zoë's laptop", "ноутбук", "電腦", "🦀", "שלום", ""]) expect(visible(text)).toBe(text);
  });

  it("that deceives becomes visible", () => {
    expect(visible("\u202egpj.exe")).toBe("\\u{202e}gpj.exe");
    expect(visible("a\u0000\u001b[2J")).toBe("a\\u{0}\\u{1b}[2J");
    expect(visible("a\u200bb\ufeff\u2066")).toBe("a\\u{200b}b\\u{feff}\\u{2066}");
    expect(visible("line\nline\u2028")).toBe("line\\u{a}line\\u{2028}");
    expect(visible("\ud800")).toBe("\\u{d800}");
    expect(visible("\u{e0041}")).toBe("\\u{e0041}");
  });

  it("keeps its lines where there is room for them", () => {
    expect(visibleLines("a\n\tb\u202e")).toBe("a\n\tb\\u{202e}");
  });

  it("is clipped, and never cut within a character", () => {
    expect(visible("x".repeat(5000))).toBe(`${"x".repeat(39)}…`);
    expect(visible("😀".repeat(100))).toBe(`${"😀".repeat(39)}…`);
    expect(Array.from(visible("\u202e".repeat(1e6))).length).toBe(40);
  });

  it("does not pile up marks", () => {
    expect(visible(`Z${"\u0301".repeat(500)}`)).toMatch(/^Z\u0301{2}/);
    expect(Array.from(visible(`Z${"\u0301".repeat(500)}`)).length).toBeLessThan(5);
  });

  it("that says nothing gives way to the id", () => {
    expect(nameOf({ id: "45c5ea68".repeat(8), label: "  " })).toBe("45c5ea68");
    expect(nameOf(undefined, "45c5ea68".repeat(8))).toBe("45c5ea68");
    expect(nameOf({ id: "45c5ea68".repeat(8), label: "alice" })).toBe("alice");
  });

  it("may be anything at all", () => {
    for (const odd of [null, undefined, 7, {}, []]) expect(typeof visible(odd)).toBe("string");
  });
});

describe("numbers", () => {
  it("of round trips", () => {
    expect([rtt(0), rtt(null), rtt(160), rtt(12_540), rtt(255_400)]).toEqual(["–", "–", "0.16 ms", "12.5 ms", "255 ms"]);
  });

  it("of bytes", () => {
    expect([size(0), size(1023), size(1024), size(3_400_000), size(1 << 30)]).toEqual(["0 B", "1023 B", "1.0 KiB", "3.2 MiB", "1.0 GiB"]);
  });

  it("of time", () => {
    expect([span(5), span(65), span(4000), span(100_000)]).toEqual(["5 s", "1 min", "1 h 6 min", "1 d 3 h"]);
    expect([clock(1), clock(75), clock(3700)]).toEqual(["0:01", "1:15", "1:01:40"]);
    expect([ago(0, 5000), ago(0, 600_000), ago(0, 7_200_000), ago(9000, 5000)]).toEqual(["5 s", "10 min", "2 h", "0 s"]);
  });
});
