// The log of a machine, from what an app writes to what CloudWatch Logs has: a booted Debian 13 with its own journald, and a sink that is as
// strict as AWS writes that it is, and fails as it is told to.
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LogEvent } from "../../src/rehearse/log-sink.ts";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { type Booted, openStage, type Stage } from "./stage.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
const TALKER = fileURLToPath(new URL("../fixtures/apps/talker", import.meta.url));
const DAY = 24 * 3_600_000;
/** What systemd says of the unit, in the unit's stream. */
const OF_SYSTEMD = /^(Started|Starting|Stopping|Stopped) |^landfall-\w+\.service: /;

requires(why ?? "machines", why === undefined)("the log of a machine", () => {
  let stage: Stage;
  let web: Booted;

  beforeAll(async () => {
    stage = await openStage(TALKER);
    web = stage.boot("web", await stage.release("aaaaaaaaaa"));
    await web.signal();
  }, 15 * MINUTES);
  afterAll(() => stage?.stop(), 2 * MINUTES);
  /** Each begins when all that was said before has been shipped. */
  let round = 0;
  beforeEach(async () => {
    stage.account.logs.fault = undefined;
    stage.account.logs.clock = Date.now;
    const mark = `round ${++round}`;
    await web.run(`systemctl start landfall-logs.service && journalctl --sync && systemd-run -q --wait --unit=landfall-mark echo ${mark}`);
    await eventually(() => stream("mark").some(({ message }) => message === mark));
  });

  const stream = (name = "app"): LogEvent[] => stage.account.logs.streams.get(`/landfall/talker/local/web ${web.id}/${name}`) ?? [];
  const said = (from: number) =>
    stream()
      .slice(from)
      .map(({ message }) => message)
      .filter((message) => !OF_SYSTEMD.test(message));
  /** Of this machine's own sentences. */
  const sentences = (from: number) => said(from).filter((message) => message.startsWith("[landfall] "));
  const lines = (from: number) => said(from).filter((message) => !message.startsWith("[landfall] "));

  /** The app becomes one that runs these lines of shell, and then waits. */
  async function become(shell: string): Promise<void> {
    writeFileSync(join(web.root, "srv/command"), `${shell}\nexec sleep infinity\n`);
    await web.run("cp /srv/command /run/landfall/command && systemctl restart landfall-app.service");
  }

  async function say(bytes: Buffer | string): Promise<void> {
    writeFileSync(join(web.root, "srv/said"), bytes);
    await become("cat /srv/said; touch $LANDFALL_DATA/done");
    await eventually(async () => (await web.run("rm /var/lib/landfall/data/done && echo yes").catch(() => "")) === "yes\n");
    await web.run("journalctl --sync");
  }

  async function eventually(look: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
    for (let turn = 0; turn < seconds * 5; turn++) {
      if (await look()) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`it never came; the shipper said: ${await web.run("journalctl -q -n 20 -o cat -u landfall-logs.service")}`);
  }

  async function reboot(): Promise<void> {
    const starts = web.starts();
    await web.run("systemctl reboot").catch(() => {});
    await eventually(() => web.starts() > starts);
    await eventually(
      async () => (await web.run("systemctl is-active landfall-app.service landfall-logs.service").catch(() => "")) === "active\nactive\n",
    );
  }

  const shipper = (verb: "start" | "stop") => web.run(`systemctl ${verb} landfall-logs.service`);
  const journal = async () => (await web.run("journalctl -q -o json --output-fields=__CURSOR | jq -r .__CURSOR")).split("\n").filter(Boolean);
  const numbered = (count: number, name: string) => Array.from({ length: count }, (_, index) => `${name} ${index + 1}`);

  it("brings every byte of every line", async () => {
    const from = stream().length;
    const spoken = [...linesOfAllKinds(), Buffer.from("no last newline")];
    await say(Buffer.concat(spoken.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from("\n"), line]))));
    await web.run("systemctl stop landfall-app.service");
    await eventually(() => lines(from).at(-1) === "no last newline").catch(() => {});
    const arrived = decode(said(from));
    const short = (line: Buffer) =>
      `${line.length} ${createHash("sha256").update(line).digest("hex").slice(0, 8)} ${line.toString("latin1").slice(0, 20)}`;
    expect(arrived.map(short)).toEqual(spoken.map(short));
  });

  it("takes lines as journald does: a NUL ends one, an empty one is none, and white space at the end goes", async () => {
    const from = stream().length;
    await say("one\0two \t\r\n\nthree\n");
    await eventually(() => lines(from).includes("three"));
    expect(lines(from)).toEqual(["one", "two", "three"]);
  });

  it("brings bursts whole and in their order, and holds no gap against journald where there is none", async () => {
    const from = stream().length;
    /** User and system time of the shipper and of what it has called, in hundredths of a second. */
    const cpu = async () =>
      Number(await web.run(`awk '{ print $14 + $15 + $16 + $17 }' /proc/$(systemctl show --value -p MainPID landfall-logs.service)/stat`)) / 100;
    const [before, began, count] = [await cpu(), performance.now(), 150_000];
    await become(`seq -f 'a line as an app writes them, request %.0f took 12 ms and was answered with 200' ${count}`);
    await eventually(() => lines(from).length >= count, 120).catch(() => {});
    const [used, seconds] = [(await cpu()) - before, (performance.now() - began) / 1000];
    console.log(`${count} lines in ${seconds.toFixed(1)} s: ${Math.round(count / used)} lines a CPU-second`);
    expect(lines(from).length).toBe(count);
    expect(lines(from).every((line, index) => line.includes(` request ${index + 1} `))).toBe(true);
    expect(sentences(from)).toEqual([]);
  });

  it("loses nothing when the sink fails and the shipper is killed", async () => {
    const from = stream().length;
    const faults = ["lost", "unavailable", "throttled"] as const;
    let [calls, lost] = [0, 0];
    stage.account.logs.fault = (_, name) => {
      if (!name.endsWith("/app") || ++calls % 5 > 2) return undefined;
      const fault = faults[calls % 3];
      if (fault === "lost") lost += 1;
      return fault;
    };
    const count = 30_000;
    await become(`i=0; while [ $i -lt 30 ]; do seq -f "number %.0f" $((i * 1000 + 1)) $((i * 1000 + 1000)); i=$((i + 1)); sleep 0.5; done`);
    const kills = 3;
    for (let turn = 0; turn < kills; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 2500));
      await web.run("systemctl kill --kill-whom=all -s KILL landfall-logs.service");
    }
    await eventually(() => new Set(lines(from)).size >= count, 120).catch(() => {});
    const times = new Map<string, number>();
    for (const line of lines(from)) times.set(line, (times.get(line) ?? 0) + 1);
    expect(numbered(count, "number").filter((line) => !times.has(line))).toEqual([]);
    expect(Math.max(...times.values())).toBeLessThanOrEqual(1 + kills + lost);
    expect(sentences(from)).toEqual([]);
  });

  it("sets one refused line of a thousand aside, and says so", async () => {
    const from = stream().length;
    stage.account.logs.fault = (events) => (events.some(({ message }) => message === "line 500") ? { refused: "it has something" } : undefined);
    await say(`${numbered(1000, "line").join("\n")}\n`);
    await eventually(() => sentences(from).length > 0).catch(() => {});
    expect(lines(from).sort()).toEqual(
      numbered(1000, "line")
        .filter((line) => line !== "line 500")
        .sort(),
    );
    expect(sentences(from)).toEqual([expect.stringMatching(/refused and kept on this machine's disk: 1 lines\. .*it has something/)]);
    const letter = JSON.parse(await web.run("tail -n 1 /var/lib/landfall/dead-letters.jsonl")) as Record<string, string>;
    expect(letter).toMatchObject({ instance: web.id, unit: "app", reason: "refused", said: expect.stringContaining("it has something") });
    expect(Buffer.from(letter.bytes as string, "base64").toString()).toBe("line 500");
  });

  it("sets aside what is too old by the time it can be shipped, and ships the rest", async () => {
    await shipper("stop");
    const from = stream().length;
    await say("early 1\nearly 2\n");
    const between = Date.now() + 500;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await say("late 1\nlate 2\n");
    stage.account.logs.clock = () => between + 14 * DAY;
    await shipper("start");
    await eventually(() => lines(from).includes("late 2"));
    stage.account.logs.clock = Date.now;
    const dead = (await web.run("cat /var/lib/landfall/dead-letters.jsonl")).split("\n").filter(Boolean);
    const letters = dead
      .map((line) => JSON.parse(line) as Record<string, string>)
      .filter(({ reason, unit }) => reason === "too old" && unit === "app");
    const bytes = letters.map((letter) => Buffer.from(letter.bytes as string, "base64").toString());
    expect(bytes.filter((line) => !OF_SYSTEMD.test(line))).toEqual(["early 1", "early 2"]);
    expect(lines(from)).toEqual(["late 1", "late 2"]);
  });

  it("ships each line once while its disk is full", async () => {
    await shipper("stop");
    await web.run(
      "cp -a /var/lib/landfall /run/kept && mount -t tmpfs -o size=64k,mode=711 tmpfs /var/lib/landfall && cp -a /run/kept/. /var/lib/landfall",
    );
    await web.run("cat /dev/zero >/var/lib/landfall/data/full 2>/dev/null || chown app:app /var/lib/landfall/data");
    await shipper("start");
    const from = stream().length;
    stage.account.logs.fault = (events) => (events.some(({ message }) => message === "full 2") ? { refused: "that one" } : undefined);
    await become("printf 'full 1\\nfull 2\\nfull 3\\n'");
    await eventually(() => lines(from).includes("full 3"));
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    expect(lines(from).sort()).toEqual(["full 1", "full 3"]);
    await web.run("rm /var/lib/landfall/data/full");
    await eventually(() => sentences(from).length > 0, 90);
    expect(await web.run("cat /var/lib/landfall/dead-letters.jsonl")).toContain(Buffer.from("full 2").toString("base64"));
    await shipper("stop");
    await web.run("cp -a /var/lib/landfall/. /run/kept && umount /var/lib/landfall && cp -a /run/kept/. /var/lib/landfall");
    await shipper("start");
    expect(lines(from).sort()).toEqual(["full 1", "full 3"]);
  });

  describe("when journald has lost entries", () => {
    it("says how many it removed to make room, and ships what is there", async () => {
      await shipper("stop");
      const from = stream().length;
      await say(`${numbered(1000, "gone").join("\n")}\n`);
      const before = await journal();
      const { cursor } = JSON.parse(await web.run("jq -c .place /var/lib/landfall/log-state.json")) as { cursor: string };
      await web.run("journalctl -q --rotate && journalctl -q --vacuum-files=1");
      await say("kept 1\nkept 2\n");
      const after = new Set(await journal());
      await shipper("start");
      await eventually(() => lines(from).includes("kept 2"));
      const gone = before.slice(before.indexOf(cursor) + 1).filter((entry) => !after.has(entry)).length;
      expect(gone).toBeGreaterThanOrEqual(1000);
      expect(sentences(from)).toEqual([expect.stringMatching(new RegExp(`^\\[landfall\\] lost: ${gone} entries of this machine's journal, `))]);
      expect(lines(from)).toEqual(["kept 1", "kept 2"]);
    });

    /** What is said to be lost. */
    const lost = (from: number) => sentences(from).reduce((sum, words) => sum + Number(/^\[landfall\] lost: (\d+) entries/.exec(words)?.[1]), 0);

    /** Lines that are not shipped, in a file of their own, which is then changed. */
    async function damage(name: string, change: (bytes: Buffer) => void): Promise<void> {
      await say(`${numbered(3000, name).join("\n")}\n`);
      await web.run("journalctl -q --rotate");
      const folder = join(web.root, "var/log/journal", readdirSync(join(web.root, "var/log/journal"))[0] as string);
      const archived = readdirSync(folder).filter((file) => file.startsWith("system@"));
      const file = join(folder, archived.find((one) => readFileSync(join(folder, one)).includes(`MESSAGE=${name} 1500`)) as string);
      const bytes = readFileSync(file);
      change(bytes);
      // Another file in its place: whoever still has the old one open is not to be hit by this.
      writeFileSync(`${file}.new`, bytes, { mode: 0o640 });
      renameSync(`${file}.new`, file);
    }

    it.each<[string, string, (bytes: Buffer) => void]>([
      ["overwritten", "a page is overwritten", (bytes) => randomBytes(4096).copy(bytes, bytes.indexOf("MESSAGE=overwritten 1500"))],
      // journalctl ends there: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ has no such name of a field.
      ["misnamed", "a field has no name", (bytes) => void bytes.write("m", bytes.indexOf("MESSAGE=misnamed 1500"))],
      ["headless", "its file is none any more", (bytes) => void bytes.write("no journal", 0)],
    ])("says how many cannot be read and ships the rest: %s", async (name, _, change) => {
      await shipper("stop");
      const from = stream().length;
      await damage(name, change);
      await say("after 1\nafter 2\n");
      await shipper("start");
      await eventually(() => lines(from).includes("after 2"));
      console.log(`${name}: ${lines(from).length - 2} of 3000 lines could still be read, ${lost(from)} entries were said to be lost`);
      expect(lost(from)).toBeGreaterThan(0);
      expect(lines(from).length - 2 + lost(from)).toBeGreaterThanOrEqual(3000);
    });

    it("says it of the end of a boot in the next one, and holds nothing against a reboot itself", async () => {
      await shipper("stop");
      const from = stream().length;
      await damage("before the reboot", (bytes) => bytes.fill(0, bytes.indexOf("MESSAGE=before the reboot 1500")));
      await reboot();
      await eventually(() => sentences(from).length > 0);
      expect(lines(from).length + lost(from)).toBeGreaterThanOrEqual(3000);
      await say("once more\n");
      await eventually(() => lines(from).includes("once more"));
      const again = stream().length;
      await reboot();
      await say("and again\n");
      await eventually(() => lines(again).includes("and again"));
      expect(lines(again)).toEqual(["and again"]);
      expect(sentences(again)).toEqual([]);
    });

    it("passes on what journald says of lines that it did not take", async () => {
      // The count comes before the next line that is taken: so the unit goes on speaking. And journald forgets it when another unit speaks for the
      // first time after the interval and before that line: journal_ratelimit_vacuum() in journald-rate-limit.c drops what has expired.
      const speak = "seq 100; for i in $(seq 40); do sleep 0.05; echo .; done; echo after";
      let counted: string[] = [];
      for (let turn = 1; counted.length === 0 && turn <= 5; turn++) {
        const unit = `chatty${turn}`;
        await web.run(`systemd-run -q --wait --unit=landfall-${unit} -p LogRateLimitIntervalSec=1s -p LogRateLimitBurst=10 sh -c '${speak}'`);
        await eventually(() => stream(unit).some(({ message }) => message === "after"));
        const words = stream(unit).map(({ message }) => message);
        const taken = words.filter((message) => /^\d+$/.test(message));
        const dots = words.filter((message) => message === ".").length;
        expect(taken.length).toBeLessThan(100);
        counted = (await web.run("journalctl -q -o cat _TRANSPORT=driver"))
          .split("\n")
          .filter((line) => line.endsWith(`from landfall-${unit}.service`));
        expect(words.filter((message) => message !== "." && !OF_SYSTEMD.test(message))).toEqual([...taken, ...counted, "after"]);
        if (counted.length > 0) expect(counted).toEqual([`Suppressed ${100 + 40 - taken.length - dots} messages from landfall-${unit}.service`]);
      }
      expect(counted).toHaveLength(1);
    });
  });

  describe("at the end of the machine", () => {
    const completed = () =>
      stage.host.calls.filter(
        ({ action, input, status }) => action === "CompleteLifecycleAction" && input.LifecycleHookName === "drain" && status === 200,
      ).length;

    it("has all of it before the group may end it", async () => {
      const from = stream().length;
      await become(`trap 'echo the last words; exit 0' TERM\nseq -f 'end %.0f' 20000; sleep infinity & wait`);
      void web.terminate();
      await eventually(() => completed() === 1);
      expect(lines(from)).toEqual([...numbered(20_000, "end"), "the last words"]);
    });

    it("says what could not be shipped, lets the group go on, and ships it should that still be possible", async () => {
      stage.account.logs.fault = () => "unavailable";
      const from = stream().length;
      await say(`${numbered(100, "left").join("\n")}\n`);
      void web.terminate();
      await web.run("systemctl restart landfall-drain.service");
      await eventually(() => completed() === 2, 90);
      expect(lines(from)).toEqual([]);
      expect(await web.run("journalctl -q -o cat -u landfall-drain.service")).toContain("the last log lines could not be shipped");
      expect(await web.run("journalctl -q -o cat -u landfall-logs.service")).toMatch(/\d{3} lines could not be shipped and are left/);
      stage.account.logs.fault = undefined;
      await eventually(() => lines(from).length >= 100);
      expect(lines(from)).toEqual(numbered(100, "left"));
    });

    it("has the last words of what is switched off", async () => {
      const from = stream().length;
      await become("trap 'echo switched off; exit 0' TERM; sleep infinity & wait");
      await web.powerOff();
      expect(lines(from)).toEqual(["switched off"]);
    });
  });
});

function linesOfAllKinds(): Buffer[] {
  const sizes = [1, 2, 100, 4087, 4088, 5000, 48 * 1024 - 1, 48 * 1024, 48 * 1024 + 1, 100_000, 262_144, 500_000, 900_000];
  const isPlain = (byte: number, index: number, bytes: Uint8Array) => byte !== 0 && byte !== 10 && index < bytes.length - 1;
  // Any but a NUL, an end, and white space at the end, which journald takes away.
  const binary = (size: number) => Buffer.from(randomBytes(size).map((byte, index, bytes) => (isPlain(byte, index, bytes) ? byte : 65)));
  return [
    ...sizes.map((size) => Buffer.from(`${size},`.repeat(Math.ceil(size / 2)).slice(0, size))),
    Buffer.from("grüße, 世界, 😀".repeat(30_000)),
    ...[
      "  \t before",

      "<3>no priority",
      "\u001b[31mred\u001b[0m",
      "[landfall] nobody of ours said this",
      "a \\ and \\xff",
    ].map((text) => Buffer.from(text)),
    Buffer.from("caf\xe9 \\ \xff", "latin1"),
    Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 10)),
    binary(5000),
    binary(900_000),
    Buffer.from("long €".repeat(300_000)),
  ];
}

/** The lines that events are of, by the marks of `log_events.py`. */
function decode(messages: string[]): Buffer[] {
  const found: Buffer[] = [];
  let open: Buffer | undefined;
  for (const message of messages) {
    const words = /^\[landfall: ([a-z, ]+)\] /.exec(message);
    const text = words ? message.slice(words[0].length) : message;
    const bytes = words?.[1]?.includes("escaped") ? withoutEscapes(text) : Buffer.from(text);
    const whole: Buffer = open ? Buffer.concat([open, bytes]) : bytes;
    open = words?.[1]?.includes("goes on") ? whole : undefined;
    if (!open) found.push(whole);
  }
  return open ? [...found, open] : found;
}

const withoutEscapes = (text: string): Buffer =>
  Buffer.concat(
    text
      .split(/(\\\\|\\x[0-9a-f]{2})/)
      .map((part) => (part === "\\\\" ? Buffer.from("\\") : part.startsWith("\\x") ? Buffer.from(part.slice(2), "hex") : Buffer.from(part))),
  );
