// Records by key, kept in a log. What is known of each (`Item`) is in memory; its content, if it has one, is read from the disk when it is asked for.
import { Log, type LogOptions, type Place } from "./log.ts";

interface Entry<Item> {
  item: Item;
  place: Place;
}

export interface PutOptions {
  content?: Uint8Array;
  /** False: it outlives this process, but perhaps not a power cut. */
  flush?: boolean;
}

/** Segments are cleaned when no more than a half of the log is of use. */
const USELESS_SHARE_MAX = 0.5;

export class Records<Item> {
  readonly #entries = new Map<string, Entry<Item>>();
  /** Writes under way, by key. */
  readonly #pending = new Map<string, number>();
  readonly #usedBytes = new Map<number, number>();
  #log!: Log;
  #cleaning: Promise<void> | undefined;

  private constructor() {}

  static async open<Item>(options: LogOptions): Promise<Records<Item>> {
    const records = new Records<Item>();
    records.#log = await Log.open(options, ({ text, place }) => {
      const [key, item]: [string, Item?] = JSON.parse(text);
      records.#set(key, item === undefined ? undefined : { item, place });
    });
    return records;
  }

  get(key: string): Item | undefined {
    return this.#entries.get(key)?.item;
  }

  *entries(): Iterable<[string, Item]> {
    for (const [key, { item }] of this.#entries) yield [key, item];
  }

  /** Undefined when there is no such record. */
  async content(key: string): Promise<Buffer | undefined> {
    const entry = this.#entries.get(key);
    return entry && this.#log.read(entry.place);
  }

  /** Resolves when the record is stored; until then the one before stands. What is awaited for one key must be asked for one after the other. */
  async put(key: string, item: Item, { content, flush }: PutOptions = {}): Promise<void> {
    await this.#write(key, async () => {
      const place = await this.#log.append(JSON.stringify([key, item]), content, { flush });
      this.#set(key, { item, place });
    });
  }

  /** Resolves when it is certain that the record does not come back. */
  async delete(key: string, { flush }: Pick<PutOptions, "flush"> = {}): Promise<void> {
    if (!this.#entries.has(key) && !this.#pending.has(key)) return;
    await this.#write(key, async () => {
      await this.#log.append(JSON.stringify([key]), undefined, { flush });
      this.#set(key, undefined);
    });
  }

  async close(): Promise<void> {
    await this.#cleaning;
    await this.#log.close();
  }

  async #write(key: string, act: () => Promise<void>): Promise<void> {
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + 1);
    try {
      await act();
    } finally {
      const left = (this.#pending.get(key) ?? 1) - 1;
      if (left > 0) this.#pending.set(key, left);
      else this.#pending.delete(key);
    }
    if (this.#isDueForCleaning()) this.#startCleaning();
  }

  #set(key: string, entry: Entry<Item> | undefined): void {
    const before = this.#entries.get(key);
    if (before) this.#count(before.place, -1);
    if (entry) {
      this.#entries.set(key, entry);
      this.#count(entry.place, 1);
    } else this.#entries.delete(key);
  }

  #count({ segment, size }: Place, sign: 1 | -1): void {
    this.#usedBytes.set(segment, (this.#usedBytes.get(segment) ?? 0) + sign * size);
  }

  #isDueForCleaning(): boolean {
    const { segments } = this.#log;
    // The newest is being written.
    if (segments.length < 2) return false;
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const used = [...this.#usedBytes.values()].reduce((sum, value) => sum + value, 0);
    return bytes - used > USELESS_SHARE_MAX * bytes;
  }

  #startCleaning(): void {
    this.#cleaning ??= this.#clean()
      .catch((error) => console.error("old records could not be cleared away:", error))
      .finally(() => (this.#cleaning = undefined));
  }

  /** Writes what is of use in the oldest segment anew, and removes it. Its deletions are of segments that are gone. */
  async #clean(): Promise<void> {
    while (this.#isDueForCleaning()) {
      const oldest = this.#log.segments[0]?.number ?? 0;
      const keys = [...this.#entries].filter(([, { place }]) => place.segment === oldest).map(([key]) => key);
      for (const key of keys) await this.#move(key, oldest);
      this.#usedBytes.delete(oldest);
      await this.#log.remove(oldest);
    }
  }

  async #move(key: string, from: number): Promise<void> {
    for (;;) {
      const entry = this.#entries.get(key);
      if (entry?.place.segment !== from) return;
      const content = await this.#log.read(entry.place);
      // A newer record that is on its way must stay behind this one in the log, so it goes first.
      if (this.#pending.has(key)) await new Promise(setImmediate);
      else if (this.#entries.get(key) === entry) await this.#write(key, () => this.#append(key, entry, content));
    }
  }

  async #append(key: string, entry: Entry<Item>, content: Buffer): Promise<void> {
    const place = await this.#log.append(JSON.stringify([key, entry.item]), content);
    if (this.#entries.get(key) === entry) this.#set(key, { item: entry.item, place });
  }
}
