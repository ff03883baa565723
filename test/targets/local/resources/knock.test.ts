import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { answersKnock } from "../../../../src/targets/local/resources/knock.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer(onConnection).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a resource", () => {
  it("answers with whatever it says, or by refusing", async () => {
    const heard: string[] = [];
    const address = await serve((socket) =>
      socket.once("data", (words) => {
        heard.push(String(words));
        socket.end("-ERR");
      }),
    );
    expect(await answersKnock("cache", address)).toBe(true);
    expect(heard).toEqual(["PING\r\n"]);
    expect(await answersKnock("bucket", `http://${address}/uploads`)).toBe(true);
    servers.splice(0)[0]?.close();
    expect(await answersKnock("postgres", `${address}/shop`)).toBe(true);
  });

  it("is silent when it takes the connection and says nothing", async () => {
    const address = await serve((socket) => socket.on("data", () => {}));
    expect(await answersKnock("postgres", `${address}/shop`)).toBe(false);
  });
});
