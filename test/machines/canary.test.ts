// A canary on machines: its share of real requests, judged by what the balancer counts of it and of its baseline.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rehearse } from "../../src/app.ts";
import type { Progress } from "../../src/progress.ts";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { listTraces, makeHome } from "./traces.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
const EXAMPLE = fileURLToPath(new URL("../../examples/guestbook", import.meta.url));
/** Each answer a moment later, which no health check minds. */
const SLOWER = `import { Server } from "node:http";
const emit = Server.prototype.emit;
Server.prototype.emit = function (name, ...args) {
  if (name !== "request") return emit.call(this, name, ...args);
  setTimeout(() => emit.call(this, name, ...args), 200);
  return true;
};
`;

requires(why ?? "machines", why === undefined)("a rehearsed canary", () => {
  let home: string;
  let folder: string;
  beforeAll(async () => {
    home = await makeHome();
    process.env.LANDFALL_HOME = home;
    folder = mkdtempSync(join(tmpdir(), "landfall-canary-"));
    cpSync(EXAMPLE, folder, { recursive: true, filter: (path) => !path.includes("node_modules") });
    const config = join(folder, "landfall.config.ts");
    writeFileSync(config, readFileSync(config, "utf8").replace("  routes:", '  rollout: { canary: { weights: ["25%"] } },\n  routes:'));
    const git = (...args: string[]) => execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: folder });
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "first");
  }, 15 * MINUTES);
  afterAll(() => {
    for (const path of [home, folder]) rmSync(path, { recursive: true, force: true });
  });

  async function rehearseCanary() {
    const progress: Progress[] = [];
    const emit = (event: Progress) => progress.push(event);
    const rehearsing = rehearse("web", { folder, dirty: true, from: "HEAD", strategies: ["canary"], max: 1, rate: 60, emit });
    const texts = () => progress.flatMap((event) => (event.type === "finished" ? [event.text] : []));
    return { rehearsing, texts };
  }

  it("goes on when it is as good as its baseline, and loses no request", { timeout: 20 * MINUTES }, async () => {
    const { rehearsing, texts } = await rehearseCanary();
    const report = await rehearsing;
    expect(report.phases.map(({ name }) => name)).toEqual(["steady", "canary", "switching back"]);
    expect(report.phases.map(({ losses }) => losses)).toEqual([{}, {}, {}]);
    expect(texts()).toEqual(expect.arrayContaining([expect.stringContaining("it does not fail"), "start the rest of the new fleet"]));
    // What serves, canary and baseline, and the fleet that comes back.
    expect(report.machines).toBe(4);
  });

  it("is taken away again when it is slower", { timeout: 20 * MINUTES }, async () => {
    const web = join(folder, "web.js");
    writeFileSync(web, SLOWER + readFileSync(web, "utf8"));
    const { rehearsing, texts } = await rehearseCanary();
    await expect(rehearsing).rejects.toMatchObject({
      code: "CANARY_WORSE",
      parts: {
        why: expect.stringContaining("it is slower than its baseline"),
        standing: expect.stringContaining("Nothing of the rehearsal is left"),
      },
    });
    expect(texts()).toContain("all requests to what stands");
    expect(listTraces(home, "guestbook-local")).toEqual([]);
  });
});
