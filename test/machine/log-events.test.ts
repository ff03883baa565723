// Which stream an entry of the journal goes to. What only a kernel says cannot be had of a machine that shares this one's.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";

const PROGRAMS = fileURLToPath(new URL("../../src/machine/programs", import.meta.url));

const streamOf = (entry: Record<string, string>): string | null => {
  const program = [
    "import json, sys",
    "from log_events import stream_of",
    "print(json.dumps(stream_of({k: v.encode() for k, v in json.load(sys.stdin).items()})))",
  ];
  const options = {
    input: JSON.stringify(entry),
    encoding: "utf8",
    env: { PATH: process.env.PATH, PYTHONPATH: PROGRAMS, PYTHONDONTWRITEBYTECODE: "1" },
  };
  return JSON.parse(execFileSync("python3", ["-c", program.join("\n")], options as { encoding: "utf8" })) as string | null;
};

requires("python3 on PATH", isOnPath("python3"))("an entry of the journal", () => {
  test.each<[string, Record<string, string>, string | null]>([
    ["a line of the app", { _TRANSPORT: "stdout", _SYSTEMD_UNIT: "landfall-app.service" }, "app"],
    [
      "a line of the app whose unit is damaged",
      { _SYSTEMD_UNIT: "l\u0001ndfall-app.service", _SYSTEMD_CGROUP: "/system.slice/landfall-app.service" },
      "app",
    ],
    ["systemd's word on a unit", { _TRANSPORT: "journal", _SYSTEMD_UNIT: "init.scope", UNIT: "landfall-job.timer" }, "job"],
    [
      "journald's word on a unit",
      { _TRANSPORT: "driver", _SYSTEMD_UNIT: "systemd-journald.service", OBJECT_SYSTEMD_UNIT: "landfall-app.service" },
      "app",
    ],
    ["journald's word on itself", { _TRANSPORT: "driver", _SYSTEMD_UNIT: "systemd-journald.service" }, "journal"],
    ["that the kernel has killed a process", { _TRANSPORT: "kernel", PRIORITY: "3" }, "kernel"],
    ["other words of the kernel", { _TRANSPORT: "kernel", PRIORITY: "6" }, null],
    ["what calls itself a unit of ours, with a name that no stream can have", { UNIT: "landfall-a:b*.service" }, null],
    ["a line of somebody else", { _TRANSPORT: "stdout", _SYSTEMD_UNIT: "cron.service" }, null],
    ["a line of no unit", { _TRANSPORT: "syslog" }, null],
  ])("is put where it belongs: %s", (_, entry, stream) => {
    expect(streamOf(entry)).toBe(stream);
  });
});
