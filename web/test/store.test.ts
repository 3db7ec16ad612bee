import { describe, expect, it, vi } from "vitest";
import { EMPTY, LOG_MAX, linkKey, reduce, Store } from "../src/store";
import { CONNECTED, gone, idOf, link, log, LOST, node, WHOLE } from "./some";

const begun = reduce(EMPTY, [CONNECTED, node(1), node(2), node(3), link(1, 2), link(2, 3), WHOLE]);

describe("rows", () => {
  it("are there once they are told, and whole once all are", () => {
    const part = reduce(EMPTY, [CONNECTED, node(1), link(1, 2)]);
    expect([part.nodes.size, part.links.size, part.whole]).toEqual([1, 1, false]);
    expect([begun.nodes.size, begun.links.size, begun.whole]).toEqual([3, 2, true]);
  });

  it("are replaced by the last that was told", () => {
    const after = reduce(begun, [link(1, 2, 700), link(1, 2, 900), node(2, "failed")]);
    expect(after.links.get(linkKey(idOf(1), idOf(2)))?.rtt_us).toBe(900);
    expect(after.nodes.get(idOf(2))?.state).toBe("failed");
    expect(after.links.size).toBe(2);
  });

  it("keep a failed node until it is gone", () => {
    const failed = reduce(begun, [node(3, "failed"), gone({ link: { from: idOf(2), to: idOf(3) } })]);
    expect(failed.nodes.has(idOf(3))).toBe(true);
    expect(failed.links.size).toBe(1);
    expect(reduce(failed, [gone({ node: idOf(3) })]).nodes.has(idOf(3))).toBe(false);
  });

  it("that are gone and come again in one batch are there, the other way round they are not", () => {
    expect(reduce(begun, [gone({ node: idOf(2) }), node(2)]).nodes.has(idOf(2))).toBe(true);
    expect(reduce(begun, [node(4), gone({ node: idOf(4) })]).nodes.has(idOf(4))).toBe(false);
  });

  it("of transfers and files go by their own names", () => {
    const transfer = { name: "transfer", data: { transfer: 7, kind: "get", phase: "fetching", name: "a", file_id: null } };
    const piece = { name: "piece", data: { file_id: idOf(9), name: "a" } };
    const there = reduce(begun, [transfer, piece]);
    expect([there.transfers.size, there.files.size]).toEqual([1, 1]);
    const away = reduce(there, [gone({ transfer: 7 }), gone({ file_id: idOf(9) })]);
    expect([away.transfers.size, away.files.size]).toEqual([0, 0]);
  });

  it("never change a state that was handed out, nor tables that nothing touched", () => {
    const nodes = new Map(begun.nodes);
    const after = reduce(begun, [node(9), log(1)]);
    expect(begun.nodes).toEqual(nodes);
    expect(begun.log).toEqual([]);
    expect(after.links).toBe(begun.links);
    expect(reduce(begun, [link(1, 2, 900)]).nodes).toBe(begun.nodes);
  });
});

describe("a stream that begins anew", () => {
  it("leaves everything in place until it has told all, and then only what it told", () => {
    const lost = reduce(begun, [LOST]);
    expect([lost.stream, lost.trouble, lost.nodes.size]).toEqual(["lost", "the daemon cannot be reached", 3]);
    const telling = reduce(lost, [CONNECTED, node(1), node(2), link(1, 2)]);
    expect([telling.stream, telling.nodes.size, telling.links.size]).toEqual(["live", 3, 2]);
    const told = reduce(telling, [WHOLE]);
    expect([...told.nodes.keys()]).toEqual([idOf(1), idOf(2)]);
    expect([...told.links.keys()]).toEqual([linkKey(idOf(1), idOf(2))]);
  });

  it("that breaks before it told all takes nothing away", () => {
    const broken = reduce(begun, [LOST, CONNECTED, node(1), LOST]);
    expect(broken.nodes.size).toBe(3);
    // The next stream's rows count alone.
    expect(reduce(broken, [CONNECTED, node(2), WHOLE]).nodes.size).toBe(1);
  });

  it("does not repeat log lines, but takes new ones whose numbers begin again", () => {
    const before = reduce(EMPTY, [CONNECTED, log(1), log(2), WHOLE]);
    const again = reduce(before, [LOST, CONNECTED, log(1), log(2), log(3), WHOLE]);
    expect(again.log.map((line) => line.number)).toEqual([1, 2, 3]);
    expect(reduce(again, [log(1, 1000)]).log.map((line) => line.at_ms)).toEqual([1, 2, 3, 1000]);
  });

  it("says that it was lost only once", () => {
    const lost = reduce(begun, [LOST, LOST, LOST]);
    expect(lost.news.map((one) => one.text)).toEqual(["The connection to the daemon is lost"]);
  });
});

describe("what comes from others", () => {
  it("has no power over the tables, whatever its labels and fields are", () => {
    const labels = ["__proto__", "constructor", "<script>", "\u202e", "x".repeat(1e6)];
    const after = reduce(begun, labels.map((label, at) => node(10 + at, "alive", label)));
    expect(after.nodes.size).toBe(8);
    expect(after.nodes.get(idOf(10))?.label).toBe("__proto__");
    expect(({} as Record<string, unknown>)["label"]).toBeUndefined();
  });

  it("is left out when it is no row", () => {
    const bad = [null, 7, "text", [], {}, { id: "__proto__" }, { id: 7 }, { id: "ABC" }, { from: idOf(1) }, { transfer: "1" }];
    for (const name of ["node", "link", "transfer", "piece", "gone", "letter", "outbox", "log", "status", "nonsense"]) {
      const after = reduce(begun, bad.map((data) => ({ name, data })));
      expect(after.nodes, name).toEqual(begun.nodes);
      expect([after.links.size, after.transfers.size, after.files.size, after.log.length]).toEqual([2, 0, 0, 0]);
    }
  });

  it("is told in words that are safe to show", () => {
    const after = reduce(begun, [node(5, "alive", "\u202eevil\u0007"), node(5, "failed", "\u202eevil\u0007")]);
    expect(after.news.map((one) => one.text)).toEqual(["\\u{202e}evil\\u{7} is here", "\\u{202e}evil\\u{7} failed"]);
    expect(after.news.map((one) => one.grave)).toEqual([false, true]);
  });
});

describe("bounds", () => {
  it("keep the last lines of the log", () => {
    const many = Array.from({ length: LOG_MAX * 3 }, (_, n) => log(n + 1));
    const after = reduce(EMPTY, many);
    expect(after.log.length).toBe(LOG_MAX);
    expect(after.log.at(-1)?.number).toBe(LOG_MAX * 3);
    expect(reduce(after, [log(LOG_MAX * 3 + 1)]).log.length).toBe(LOG_MAX);
  });

  it("keep the last states of letters, and a few news", () => {
    const events = Array.from({ length: 2000 }, (_, n) => ({ name: "outbox", data: { id: String(n), to: idOf(1), state: "sent", why: "", at_ms: n } }));
    const after = reduce(begun, [...events, ...Array.from({ length: 100 }, (_, n) => node(100 + n))]);
    expect(after.outbox.size).toBe(500);
    expect(after.outbox.has("1999")).toBe(true);
    expect(after.letterNews).toBe(2000);
    expect(after.news.length).toBe(20);
  });
});

describe("the store", () => {
  it("tells its listeners once for many events", () => {
    vi.useFakeTimers();
    const store = new Store();
    const heard = vi.fn();
    store.listen(heard);
    for (let n = 0; n < 100; n += 1) store.push(node(n));
    expect(heard).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(store.state.nodes.size).toBe(100);
    vi.useRealTimers();
  });

  it("does not let events pile up while it waits", () => {
    vi.useFakeTimers();
    const store = new Store();
    const heard = vi.fn();
    store.listen(heard);
    for (let n = 0; n < 12_000; n += 1) store.push(link(1, 2, n));
    expect(heard).toHaveBeenCalledTimes(2);
    vi.useRealTimers();
  });
});
