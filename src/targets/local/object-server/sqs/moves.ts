// Dead letters, sent back. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../../../error.ts";
import { ServiceError } from "../protocol/service-error.ts";
import { parseRedrivePolicy } from "./attributes.ts";
import type { Queue } from "./queue.ts";
import { arnOf, nameOfArn, type Queues } from "./queues.ts";
import type { MoveRecord } from "./records.ts";

const PER_SECOND_MAX = 500;
const FINISHED_MAX = 10;

export class Moves {
  readonly #queues: Queues;
  /** By their handles, the newest last. */
  readonly #moves = new Map<string, MoveRecord>();
  #isClosed = false;

  constructor(queues: Queues) {
    this.#queues = queues;
    const records = [...queues.store.entries()].flatMap(([key, item]): [string, MoveRecord][] => ("move" in item ? [[key.slice(2), item.move]] : []));
    for (const [handle, move] of records.sort(([, a], [, b]) => a.startedAt - b.startedAt)) this.#moves.set(handle, move);
    // What a restart interrupted goes on.
    for (const [handle, move] of this.#moves) if (isActive(move)) void this.#run(handle, move);
  }

  async start(source: string, { destination, perSecond }: { destination?: string; perSecond?: number }): Promise<string> {
    const queue = this.#source(source);
    if (destination !== undefined && !this.#queues.find(nameOfArn(destination)))
      throw notFound("The resource that you specified for the DestinationArn parameter doesn't exist.");
    if (this.of(source).some(([, move]) => isActive(move)))
      throw new ServiceError(
        "UnsupportedOperation",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
      );
    const handle = randomUUID();
    const move: MoveRecord = { source, destination, perSecond, startedAt: Date.now(), status: "RUNNING", moved: 0, toMove: queue.counts.waiting };
    this.#moves.set(handle, move);
    await this.#keep(handle, move);
    void this.#run(handle, move);
    return handle;
  }

  /** The newest first. */
  of(source: string): [handle: string, move: MoveRecord][] {
    return [...this.#moves].filter(([, move]) => move.source === source).reverse();
  }

  list(source: string): [handle: string, move: MoveRecord][] {
    this.#source(source);
    return this.of(source);
  }

  async cancel(handle: string): Promise<number> {
    const move = this.#moves.get(handle);
    if (!move) throw notFound("The specified task does not exist.");
    if (move.status !== "RUNNING") throw new ServiceError("UnsupportedOperation", "Only active tasks can be cancelled.");
    move.status = "CANCELLING";
    await this.#keep(handle, move);
    return move.moved;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #run(handle: string, move: MoveRecord): Promise<void> {
    try {
      while (move.status === "RUNNING" && !this.#isClosed && (await this.#moveOne(move))) {
        move.moved += 1;
        await sleep(1000 / (move.perSecond ?? PER_SECOND_MAX));
      }
      if (this.#isClosed) return;
      move.status = move.status === "CANCELLING" ? "CANCELLED" : "COMPLETED";
    } catch (error) {
      move.status = "FAILED";
      move.failure = messageOf(error);
    }
    await this.#keep(handle, move).catch((error) => console.error("the end of a move could not be kept:", error));
    await this.#forgetOld(move.source);
  }

  /** False when there is none left. */
  async #moveOne({ source, destination }: MoveRecord): Promise<boolean> {
    const from = this.#source(source);
    const message = from.takeForMove();
    if (!message) return false;
    try {
      const to = this.#queues.get(destination === undefined ? (message.record.source ?? "") : nameOfArn(destination));
      await this.#queues.move(message, from, to);
      return true;
    } catch (error) {
      from.offerAgain(message);
      throw error;
    }
  }

  /** Throws unless it is a queue that others have as their dead letters. */
  #source(arn: string): Queue {
    const queue = this.#queues.find(nameOfArn(arn));
    if (!queue) throw notFound("The resource that you specified for the SourceArn parameter doesn't exist.");
    if (sourcesOf(this.#queues, queue).length === 0)
      throw new ServiceError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.");
    return queue;
  }

  #keep(handle: string, move: MoveRecord): Promise<void> {
    return this.#queues.store.put(`t/${handle}`, { move: { ...move } });
  }

  async #forgetOld(source: string): Promise<void> {
    for (const [handle] of this.of(source).slice(FINISHED_MAX)) {
      this.#moves.delete(handle);
      await this.#queues.store.delete(`t/${handle}`, { flush: false });
    }
  }
}

/** The queues whose dead letters these are. */
export const sourcesOf = (queues: Queues, { name }: Queue): Queue[] =>
  queues.list().filter(({ record: { attributes } }) => {
    const { RedrivePolicy } = attributes;
    return RedrivePolicy && parseRedrivePolicy(RedrivePolicy).deadLetterTargetArn === arnOf(name);
  });

const isActive = ({ status }: MoveRecord): boolean => status === "RUNNING" || status === "CANCELLING";
const notFound = (message: string): ServiceError => new ServiceError("ResourceNotFoundException", message, 404);
