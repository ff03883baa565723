// Progress events as text on stderr: plain lines when nobody watches, one live line at the bottom on a terminal.
import { stripVTControlCharacters } from "node:util";
import type { Progress } from "../../index.ts";
import { describeElapsed } from "../../text/units.ts";
import { isLive, liveColumns, paintErr, printErr, printLive } from "./terminal.ts";
import { visible } from "./visible.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const CLEAR_LINE = "\r\u001b[2K";

export interface ProgressOptions {
  /** `show` prints what the steps print, `hide` keeps it to the live line. */
  output: "hide" | "show";
  live?: boolean;
}

export interface ProgressPrinter {
  emit(progress: Progress): void;
  /** Removes the live line; a step that never finished is named as such. */
  end(): void;
}

export function printProgress({ output, live = isLive() }: ProgressOptions): ProgressPrinter {
  const paint = paintErr();
  const open = new Map<string, { text: string; line?: string; from: number }>();
  const spinner = live ? spin(() => describeOpen(open)) : undefined;
  const line = (text: string) => {
    spinner?.clear();
    printErr(text);
  };
  return {
    emit(progress) {
      const step = "step" in progress ? open.get(progress.step) : undefined;
      if (progress.type === "started") open.set(progress.step, { text: progress.text, from: Date.now() });
      else if (progress.type === "note") line(`    ${progress.text}`);
      else if (progress.type === "warning") line(`  ${paint("yellow", "!")} ${progress.text}`);
      else if (progress.type === "output") {
        if (step) step.line = onOneLine(progress.line);
        if (output === "show") line(paint("dim", `      ${progress.line}`));
      } else {
        open.delete(progress.step);
        line(describeDone(progress, paint));
      }
    },
    end() {
      spinner?.end();
      for (const { text, from } of open.values()) printErr(`  ${paint("red", "✗")} ${text}  ${paint("dim", describeElapsed(Date.now() - from))}`);
      open.clear();
    },
  };
}

/** What a build prints may move the cursor, which would tear the live line apart. */
const onOneLine = (text: string) => visible(stripVTControlCharacters(text).replace(/\s+/g, " "));

function describeDone(progress: Extract<Progress, { type: "finished" | "failed" | "unchanged" }>, paint: ReturnType<typeof paintErr>): string {
  if (progress.type === "unchanged") return paint("dim", `  = ${progress.text}`);
  const mark = progress.type === "failed" ? paint("red", "✗") : paint("green", "✓");
  return `  ${mark} ${progress.text}  ${paint("dim", describeElapsed(progress.durationMs))}`;
}

/** The step that began last says most about what is going on now. */
function describeOpen(open: Map<string, { text: string; line?: string; from: number }>): string | undefined {
  const step = [...open.values()].at(-1);
  if (!step) return undefined;
  return `${onOneLine(step.text)}  ${describeElapsed(Date.now() - step.from)}${step.line ? `  ${step.line}` : ""}`;
}

function spin(describe: () => string | undefined): { clear(): void; end(): void } {
  let frame = 0;
  const draw = () => {
    const text = describe();
    if (text === undefined) return;
    frame = (frame + 1) % FRAMES.length;
    printLive(`${CLEAR_LINE}  ${FRAMES[frame]} ${text}`.slice(0, CLEAR_LINE.length + liveColumns() - 1));
  };
  const timer = setInterval(draw, FRAME_MS).unref();
  return {
    clear: () => printLive(CLEAR_LINE),
    end: () => {
      clearInterval(timer);
      printLive(CLEAR_LINE);
    },
  };
}
