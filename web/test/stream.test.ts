import { describe, expect, it } from "vitest";
import type { Event } from "../src/store";
import { Parser } from "../src/stream";

function parse(chunks: readonly string[]): Event[] {
  const events: Event[] = [];
  const parser = new Parser((event) => events.push(event));
  for (const chunk of chunks) parser.take(chunk);
  return events;
}

const TEXT = ': hello\n\nevent: node\ndata: {"id":"é😀"}\n\n: still here\n\nevent: whole\ndata: {"schema":1}\n\n';
const EVENTS = [
  { name: "node", data: { id: "é😀" } },
  { name: "whole", data: { schema: 1 } },
];

describe("an event stream", () => {
  it("is read however it is cut", () => {
    expect(parse([TEXT])).toEqual(EVENTS);
    expect(parse(Array.from(TEXT))).toEqual(EVENTS);
    for (let at = 0; at < TEXT.length; at += 1) expect(parse([TEXT.slice(0, at), TEXT.slice(at)])).toEqual(EVENTS);
  });

  it("may end its lines in any way", () => {
    expect(parse([TEXT.replaceAll("\n", "\r\n")])).toEqual(EVENTS);
    expect(parse(Array.from(TEXT.replaceAll("\n", "\r\n")))).toEqual(EVENTS);
  });

  it("leaves out what is no event, and goes on", () => {
    const odd = "event: node\n\ndata: {}\n\nevent: bad\ndata: {\n\nid: 3\nretry: 1\n\n";
    expect(parse([odd + TEXT])).toEqual(EVENTS);
  });

  it("never keeps a line without an end", () => {
    const parser = new Parser(() => undefined);
    expect(() => {
      for (let n = 0; n < 100; n += 1) parser.take("x".repeat(100_000));
    }).toThrow("a line without an end");
  });
});
