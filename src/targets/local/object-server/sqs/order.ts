// Which of the waiting messages is taken next.
import type { Message } from "./records.ts";

/** A binary heap: the least first. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #rank: (item: T) => number;

  constructor(rank: (item: T) => number) {
    this.#rank = rank;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    let at = this.#items.push(item) - 1;
    while (at > 0 && this.#isBefore(at, (at - 1) >> 1)) {
      this.#swap(at, (at - 1) >> 1);
      at = (at - 1) >> 1;
    }
  }

  take(): T | undefined {
    const first = this.#items[0];
    const last = this.#items.pop();
    if (this.#items.length === 0 || last === undefined) return first;
    this.#items[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const least = right < this.#items.length && this.#isBefore(right, left) ? right : left;
      if (least >= this.#items.length || !this.#isBefore(least, at)) return first;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    return this.#rank(this.#items[one] as T) < this.#rank(this.#items[other] as T);
  }

  #swap(one: number, other: number): void {
    const item = this.#items[one] as T;
    this.#items[one] = this.#items[other] as T;
    this.#items[other] = item;
  }
}

export interface Order {
  /** A message that waits from now on. */
  add(message: Message): void;
  /** One that waits, or none. `taken` are those that the same call has taken before. */
  take(taken: readonly Message[]): Message | undefined;
}

const oldestFirst = () => new Heap<Message>(({ record }) => record.order);

/** Messages that do not wait any more are passed over when their turn comes. */
function takeWaiting(heap: Heap<Message>): Message | undefined {
  for (;;) {
    const message = heap.take();
    if (!message || message.state === "waiting") return message;
  }
}

export class StandardOrder implements Order {
  readonly #waiting = oldestFirst();

  add(message: Message): void {
    this.#waiting.add(message);
  }

  take(): Message | undefined {
    return takeWaiting(this.#waiting);
  }
}

/** Within a group one after the other: while one is in hand, those behind it wait. */
export class FifoOrder implements Order {
  readonly #groups = new Map<string, Heap<Message>>();
  /** How many messages of a group are in hand. */
  readonly #inHand: (group: string) => number;

  constructor(inHand: (group: string) => number) {
    this.#inHand = inHand;
  }

  add(message: Message): void {
    const group = message.record.group ?? "";
    const heap = this.#groups.get(group) ?? oldestFirst();
    this.#groups.set(group, heap);
    heap.add(message);
  }

  take(taken: readonly Message[]): Message | undefined {
    for (const [group, heap] of this.#groups) {
      const isOurs = taken.some(({ record }) => record.group === group);
      if (!isOurs && this.#inHand(group) > 0) continue;
      const message = takeWaiting(heap);
      if (heap.first === undefined) this.#groups.delete(group);
      if (message) return message;
    }
    return undefined;
  }
}
