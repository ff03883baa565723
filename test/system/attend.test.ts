// A program with streams of ours in place of a terminal. With inherited ones it is test/end-to-end/exec.test.ts that looks.
import { once } from "node:events";
import { PassThrough, Readable, Writable } from "node:stream";
import { expect, it } from "vitest";
import { attend } from "../../src/system/attend.ts";
import type { SendSignal } from "../../src/system/command-streams.ts";

function collecting() {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      chunks.push(chunk);
      // Slower than what is written, so that it has to be waited for.
      setImmediate(done);
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks), text: () => Buffer.concat(chunks).toString() };
}

const env = { PATH: process.env.PATH };

it("passes every byte on, each stream by itself", async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, place) => (place * 7919) % 256));
  const [out, err] = [collecting(), collecting()];
  const argv = ["sh", "-c", "cat; echo on stderr >&2; exit 3"];
  const end = await attend({ argv, env }, { stdin: Readable.from([bytes]), stdout: out.stream, stderr: err.stream });
  expect(end).toEqual({ code: 3 });
  expect(out.bytes().equals(bytes)).toBe(true);
  expect(err.text()).toBe("on stderr\n");
});

it("passes on what is printed while the program waits for more", async () => {
  const stdin = new PassThrough();
  const out = collecting();
  const script =
    "const said = require('readline').createInterface(process.stdin); console.log('begun'); said.on('line', (l) => console.log('heard ' + l));";
  const ending = attend({ argv: [process.execPath, "-e", script], env }, { stdin, stdout: out.stream, stderr: collecting().stream });
  await expect.poll(out.text, { timeout: 20_000 }).toBe("begun\n");
  stdin.write("one\n");
  await expect.poll(out.text, { timeout: 20_000 }).toBe("begun\nheard one\n");
  stdin.end();
  expect(await ending).toEqual({ code: 0 });
});

it("sends signals, and tells of the one that ended it", async () => {
  const out = collecting();
  const sends: SendSignal[] = [];
  const script = "process.on('SIGUSR2', () => console.log('heard')); setInterval(() => {}, 1000); console.log('ready')";
  const ending = attend(
    { argv: [process.execPath, "-e", script], env },
    { stdout: out.stream, stderr: collecting().stream, onStart: (send) => void sends.push(send) },
  );
  await expect.poll(out.text, { timeout: 20_000 }).toBe("ready\n");
  sends[0]?.("SIGUSR2");
  await expect.poll(out.text, { timeout: 20_000 }).toBe("ready\nheard\n");
  sends[0]?.("SIGTERM");
  expect(await ending).toEqual({ signal: "SIGTERM" });
});

it("ends with the program although its reader or its input went away", async () => {
  const out = new PassThrough();
  const ending = attend({ argv: ["yes"], env }, { stdin: new PassThrough(), stdout: out, stderr: collecting().stream });
  await once(out, "readable");
  out.destroy(Object.assign(new Error("nobody reads"), { code: "EPIPE" }));
  // As at a socket whose other end is gone: by status or by signal, as the program has it.
  expect(await ending).not.toEqual({ code: 0 });
});

it.each([
  ["no-such-program-here", 127, "no-such-program-here: not found"],
  ["/etc/passwd", 126, "/etc/passwd: spawn /etc/passwd EACCES"],
])("answers as a shell does to %s", async (file, code, failure) => {
  expect(await attend({ argv: [file], env }, { stdout: collecting().stream, stderr: collecting().stream })).toEqual({ code, failure });
});
