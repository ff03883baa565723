// Loaded into a process before its program: writes down, when it ends, what it took.
import { writeFileSync } from "node:fs";

process.on("exit", () => writeFileSync(process.env.PEAK_NOTE, JSON.stringify(process.resourceUsage())));
