// Disks: as large as the configuration says in whole GiB, and never smaller than the image on them.
import { expect, test } from "vitest";
import { estimate } from "../../../../../src/targets/aws/prices/estimate.ts";
import { awsNotes } from "../../../../../src/targets/aws/queries/check-notes.ts";
import { IMAGE_GIB } from "../../../../../src/targets/aws/templates/compute/disks.ts";
import type { Running } from "../../../../../src/targets/aws/templates/index.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import { wholeGib } from "../../../../../src/text/units.ts";
import { production, SMALL } from "../apps.ts";

const withDisk = (disk: "5GB" | "10GB" | "10GiB" | "20GB" | "20.5GB") =>
  production({ ...SMALL, services: { web: { command: "node server.js", port: 3000, machine: { disk } } } });
const runningOn = (imageGib?: number): Running => ({
  web: { blue: { release: "a", image: "ami-1", script: "", ...(imageGib === undefined ? {} : { imageGib }) } },
});
const stackOf = (disk: Parameters<typeof withDisk>[0], imageGib?: number) =>
  makeStacks(withDisk(disk), runningOn(imageGib)).filter(({ role }) => role === "service");
const volumes = (disk: Parameters<typeof withDisk>[0], imageGib?: number) =>
  stackOf(disk, imageGib).flatMap(({ body }) => [...body.matchAll(/"VolumeSize":\s*(\d+)/g)].map(([, size]) => Number(size)));
const isDisk = (note: string) => note.startsWith("the disk");

test("GB and GiB of a disk are the same number, and a part of one is a whole", () => {
  expect([10e9, 10 * 2 ** 30, 40e9, 20 * 2 ** 30, 20.5e9, 500e6].map(wholeGib)).toEqual([10, 10, 40, 20, 20, 1]);
});

test("an instance's disk is what is asked for, or as large as its image", () => {
  expect(volumes("20GB")).toEqual([20]);
  expect(volumes("5GB")).toEqual([IMAGE_GIB]);
  expect(volumes("10GiB", 16)).toEqual([16]);
  expect(volumes("20GB", 16)).toEqual([20]);
});

test("a database grows only where it may grow by a whole GB", () => {
  const most = (disk: "20GB" | "20GiB", diskMax: "20GiB" | "30GB") => {
    const deployment = production({ ...SMALL, resources: { database: { type: "postgres", disk, diskMax } } });
    const text = makeStacks(deployment).find(({ role }) => role === "data")?.body ?? "";
    return [/"AllocatedStorage":"(\d+)"/, /"MaxAllocatedStorage":(\d+)/].map((size) => size.exec(text)?.[1]);
  };
  expect([most("20GiB", "30GB"), most("20GB", "20GiB")]).toEqual([
    ["20", "30"],
    ["20", undefined],
  ]);
});

test("whoever gets more than asked for is told so", () => {
  expect(awsNotes(withDisk("10GB")).filter(isDisk)).toEqual([]);
  expect(awsNotes(withDisk("5GB")).filter(isDisk)).toEqual([
    'the disk of service "web" in environment "production" is 10GB and not 5GB: no disk is smaller than its image',
  ]);
  expect(awsNotes(withDisk("10GB"), runningOn(16)).filter(isDisk)).toEqual([
    'the disk of service "web" in environment "production" is 16GB and not 10GB: no disk is smaller than its image',
  ]);
});

test("the estimate counts the disk that there will be", () => {
  const { lines } = estimate(
    stackOf("5GB", 16),
    { source: "none", find: () => undefined },
    { app: "hello", environment: "production", resources: [] },
  );
  expect(lines.filter(({ what }) => what.includes("volumes")).map(({ assumption }) => assumption)).toEqual(["16 GB each"]);
});
