// Looks at the services that are scaled: processor time from the kernel, requests from the balancer, messages from the queue's server.
// Two looks give a sample. What cannot be asked is left out of it, and the reason said once.

import type { Deployment } from "../../../config/deployment.ts";
import type { Scaling, Service } from "../../../config/schema.ts";
import { messageOf } from "../../../error.ts";
import { learnProcessing, type QueueSample, type Sample } from "../../../scaling/sample.ts";
import type { Clock } from "../../../system/clock.ts";
import { observeGroupTimes } from "../../../system/cpu.ts";
import type { Paths } from "../paths.ts";
import { type EnvironmentRecord, wantedCount } from "../record.ts";
import { observeQueue, type QueueCounts } from "../resources/queue.ts";
import type { ProcessRecord, SupervisorApi } from "../supervisor/api.ts";

/** A service as it was at one time. */
export interface ServiceSample {
  service: string;
  scaling: Scaling;
  instances: Service["instances"];
  /** Absent the first time, since there is nothing to compare with. */
  sample?: Sample;
}

/** What has been counted up to one time; two of these make a sample. */
interface Counts {
  at: number;
  /** By instance: milliseconds of processor time, and requests. */
  cpuMs: Map<string, number> | undefined;
  requests: Map<string, number> | undefined;
  queue: QueueCounts | undefined;
  sample?: Sample;
}

export interface SamplerInput {
  paths: Pick<Paths, "objectSocket">;
  supervisor: SupervisorApi;
  clock: Clock;
  /** Told of what could not be measured. */
  complain: (text: string) => void;
}

/** Returns what looks; it remembers the look before. */
export function makeSampler({ paths, supervisor, clock, complain }: SamplerInput) {
  const before = new Map<string, Counts>();
  const complaints = new Map<string, string>();

  /** Undefined when it cannot be known; why is told when it is another reason than the last time. */
  async function known<T>(what: string, act: () => Promise<T> | T): Promise<T | undefined> {
    try {
      const result = await act();
      complaints.delete(what);
      return result;
    } catch (error) {
      const text = `${what}: ${messageOf(error)}`;
      if (complaints.get(what) !== text) complain(text);
      complaints.set(what, text);
      return undefined;
    }
  }

  return async (deployment: Deployment, record: EnvironmentRecord): Promise<ServiceSample[]> => {
    const processes = (await known("the supervisor", () => supervisor.observe()))?.processes;
    if (!processes) return [];
    const at = clock.now();
    const scaled = Object.entries(deployment.services).flatMap(([service, settings]) =>
      settings.scaling ? [{ service, settings, scaling: settings.scaling }] : [],
    );
    const groupTimes = await known("processor time", observeGroupTimes);
    const looks = scaled.map(async ({ service, settings, scaling }): Promise<ServiceSample> => {
      const instances = processes.filter(
        ({ spec, state, warm }) => spec.kind === "instance" && spec.service === service && state === "running" && !warm,
      );
      const { queue } = scaling;
      const now: Counts = {
        at,
        cpuMs: groupTimes && cpuOf(instances, groupTimes),
        requests: scaling.requests === undefined ? undefined : await known(`requests of ${service}`, () => requestsOf(instances, supervisor)),
        queue: queue && (await known(`queue ${queue.resource}`, () => observeQueue(paths, queue.resource, addressOfQueue(queue.resource, record)))),
      };
      const last = before.get(service);
      const count = wantedCount({ deployment, record }, service, settings);
      if (last) now.sample = compare(last, now, { count, instances });
      before.set(service, now);
      return { service, scaling, instances: settings.instances, sample: now.sample };
    });
    return Promise.all(looks);
  };
}

function addressOfQueue(name: string, { resources }: EnvironmentRecord): string {
  const address = resources.find((resource) => resource.name === name)?.address;
  if (!address) throw new Error("it is not commissioned yet");
  return address;
}

/** Undefined when one of them ended just now: the others' alone would look like less load. */
function cpuOf(instances: ProcessRecord[], times: Map<number, number>): Map<string, number> | undefined {
  const cpuTimes = instances.flatMap(({ spec, group }): [string, number][] => {
    const ms = times.get(group?.pid ?? -1);
    return ms === undefined ? [] : [[spec.id, ms]];
  });
  return cpuTimes.length < instances.length ? undefined : new Map(cpuTimes);
}

async function requestsOf(instances: ProcessRecord[], supervisor: SupervisorApi): Promise<Map<string, number>> {
  const ids = instances.map(({ spec }) => spec.id);
  // Only the totals are needed: from a number that no request will reach, there is no single one to tell.
  const after = Object.fromEntries(ids.map((id) => [id, Number.MAX_SAFE_INTEGER]));
  const traffic = await supervisor.observeTraffic({ ids, after });
  return new Map(traffic.map(({ id, total }) => [id, total]));
}

function compare(last: Counts, now: Counts, { count, instances }: { count: number; instances: ProcessRecord[] }): Sample {
  const seconds = (now.at - last.at) / 1_000;
  const cpuMs = increase(last.cpuMs, now.cpuMs);
  const requests = increase(last.requests, now.requests);
  // When all of them are down there is no load to see, however much there may be.
  const isDown = instances.length === 0 && count > 0;
  const sample: Sample = {
    at: now.at,
    count,
    cpu: cpuMs === undefined || isDown ? undefined : cpuMs / seconds / 10,
    requests: requests === undefined || isDown ? undefined : requests / seconds,
    queue: last.queue && now.queue && queueSample(last.queue, now.queue, seconds),
  };
  if (sample.queue) sample.queue.processingMs = learnProcessing(last.sample, sample);
  return sample;
}

/**
 * By how much the sum of all instances grew. A new one counts from its second look on: its beginning is no load, and an instance of
 * its name may have been counted before. One that is counted anew makes the sum unknown.
 */
function increase(last: Map<string, number> | undefined, now: Map<string, number> | undefined): number | undefined {
  if (!last || !now) return undefined;
  const grown = [...now].map(([id, value]) => value - (last.get(id) ?? value));
  return grown.some((value) => value < 0) ? undefined : grown.reduce((sum, value) => sum + value, 0);
}

const queueSample = (last: QueueCounts, now: QueueCounts, seconds: number): QueueSample | undefined =>
  now.deleted < last.deleted ? undefined : { waiting: now.waiting, inHand: now.inHand, deleted: (now.deleted - last.deleted) / seconds };
