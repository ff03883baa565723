import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { askUntilReady } from "../../../../src/targets/local/processes/drain-hooks.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function askOnce(answer: RequestListener) {
  server = createServer(answer);
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return askUntilReady({ hook: { port, path: "/may", host: undefined }, timeoutMs: 0 });
}

describe("the answer of an instance that is asked whether it may be stopped", () => {
  it.each<[string, RequestListener, Awaited<ReturnType<typeof askUntilReady>>]>([
    ["yes", (_, response) => response.end(), { ready: true }],
    ["no, with its words", (_, response) => response.writeHead(503).end("uploading"), { ready: false, answer: '503 "uploading"' }],
    ["no when it leads elsewhere", (_, response) => response.writeHead(302, { location: "/" }).end(), { ready: false, answer: '302 ""' }],
    ["that it closed", (_, response) => response.destroy(), { ready: false, answer: "ECONNRESET" }],
    ["that there was none", () => {}, { ready: false, answer: "no answer within 5s" }],
    ["that there was no whole one", (_, response) => response.write("half"), { ready: false, answer: "no answer within 5s" }],
  ])("is %s", { timeout: 20_000 }, async (_, answer, expected) => expect(await askOnce(answer)).toEqual(expected));
});
