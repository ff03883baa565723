// Time that passes only when everybody waits for it.
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/system/clock.ts";

export interface VirtualClock extends Clock {
  /** Lets time pass until the work is done. Rejects when the work waits for something that no time brings. */
  until<T>(work: Promise<T>): Promise<T>;
}

export function makeClock(): VirtualClock {
  let time = 0;
  const due = new Map<number, (() => void)[]>();
  const times = makeHeap();

  const sleep = (durationMs: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const at = time + Math.max(0, Math.round(durationMs));
      const waiting = due.get(at);
      if (waiting) waiting.push(resolve);
      else {
        due.set(at, [resolve]);
        times.push(at);
      }
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });

  return {
    now: () => time,
    sleep,
    async until(work) {
      let settled = false;
      const end = () => {
        settled = true;
      };
      work.then(end, end);
      for (;;) {
        // All that can be done without time passing is done before any passes.
        await setImmediate();
        if (settled) return work;
        const next = times.pop();
        if (next === undefined) throw new Error(`nothing will happen any more at ${time} ms, and the work is not done`);
        time = next;
        const waiting = due.get(next) ?? [];
        due.delete(next);
        for (const wake of waiting) wake();
      }
    },
  };
}

/** A binary heap of numbers: the smallest first. */
function makeHeap() {
  const heap: number[] = [];
  const at = (index: number) => heap[index] as number;
  const swap = (one: number, other: number) => {
    [heap[one], heap[other]] = [at(other), at(one)];
  };
  return {
    push(value: number): void {
      heap.push(value);
      for (let index = heap.length - 1; index > 0; ) {
        const parent = (index - 1) >> 1;
        if (at(parent) <= at(index)) break;
        swap(parent, index);
        index = parent;
      }
    },
    pop(): number | undefined {
      const smallest = heap[0];
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return smallest;
      heap[0] = last;
      for (let index = 0; ; ) {
        const [left, right] = [2 * index + 1, 2 * index + 2];
        let child = left;
        if (left >= heap.length) break;
        if (right < heap.length && at(right) < at(left)) child = right;
        if (at(index) <= at(child)) break;
        swap(index, child);
        index = child;
      }
      return smallest;
    },
  };
}
