import { afterEach, expect, it, vi } from "vitest";
import { printProgress } from "../../../src/cli/print/progress.ts";
import type { Progress } from "../../../src/progress.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const EVENTS: Progress[] = [
  { type: "started", step: "image", text: "Making the image" },
  { type: "output", step: "image", line: "added 30 packages" },
  { type: "finished", step: "image", text: "Image 1f2e made", durationMs: 61_000 },
  { type: "unchanged", step: "database", text: "database runs" },
  { type: "note", text: "the cache is not used" },
  { type: "warning", text: "the disk is nearly full" },
  { type: "started", step: "web", text: "web.1 starts" },
];

function print(output: "hide" | "show"): { out: string; err: string } {
  vi.stubEnv("NO_COLOR", "1");
  const written = { out: "", err: "" };
  const keep = (stream: "out" | "err") => (text: string | Uint8Array) => {
    written[stream] += text;
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(keep("out"));
  vi.spyOn(process.stderr, "write").mockImplementation(keep("err"));
  const printer = printProgress({ output, live: false });
  for (const event of EVENTS) printer.emit(event);
  printer.end();
  vi.restoreAllMocks();
  return { ...written, err: written.err.replace(/(web.1 starts {2})\d+m?s/, "$10s") };
}

it("is one line per step, and names the step that never finished", () => {
  expect(print("hide")).toEqual({
    out: "",
    err: "  ✓ Image 1f2e made  1m1s\n  = database runs\n    the cache is not used\n  ! the disk is nearly full\n  ✗ web.1 starts  0s\n",
  });
});

it("shows what the steps print when asked to", () => {
  expect(print("show").err.split("\n")[0]).toBe("      added 30 packages");
});
