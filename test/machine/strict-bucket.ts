// One object of S3, as strict as AWS is with conditional writes, for whoever may not list the bucket: what is not there may not be read either.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Note {
  owner: string | null;
  term: number;
}

export class StrictBucket {
  /** What stands there. */
  text: string | undefined;
  /** Each write that was asked for, and what was answered. */
  readonly writes: { condition: string; status: number; owner: string | null }[] = [];
  /** `broken` answers nothing but errors; `deaf` does what it is told, and its answer does not arrive. */
  state: "well" | "broken" | "deaf" = "well";
  /** Done once, as the lease is about to be given back. */
  beforeGivenBack = () => {};
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get tag(): string | undefined {
    return this.text === undefined ? undefined : `"${createHash("md5").update(this.text).digest("hex")}"`;
  }

  get note(): Note | undefined {
    return this.text === undefined ? undefined : JSON.parse(this.text);
  }

  /** As another machine writes it. */
  put(note: Note): void {
    this.text = JSON.stringify({ ...note, mark: Math.random() });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const refuse = (status: number, code: string) => void response.writeHead(status).end(`<Error><Code>${code}</Code><Message/></Error>`);
    if (this.state === "broken") return refuse(503, "SlowDown");
    if (request.method === "GET") {
      if (this.text === undefined) return refuse(403, "AccessDenied");
      return void response.writeHead(200, { etag: this.tag }).end(this.text);
    }
    const body = textOf(Buffer.concat(chunks).toString());
    const { owner } = JSON.parse(body) as Note;
    if (owner === null) {
      this.beforeGivenBack();
      this.beforeGivenBack = () => {};
    }
    const { "if-match": match, "if-none-match": none } = request.headers;
    const status = none === "*" ? (this.text === undefined ? 200 : 412) : this.text === undefined ? 404 : match === this.tag ? 200 : 412;
    this.writes.push({ condition: none === undefined ? `match ${match}` : `none ${none}`, status, owner });
    if (status !== 200) return refuse(status, status === 412 ? "PreconditionFailed" : "NoSuchKey");
    this.text = body;
    if (this.state === "deaf") return void request.socket.destroy();
    response.writeHead(200, { etag: this.tag }).end();
  }
}

/** What was sent in pieces with a checksum behind them. */
const textOf = (body: string): string => /\{.*\}/s.exec(body)?.[0] ?? body;
