import { describe, expect, it } from "vitest";
import { answerQuery } from "../../src/rehearse/dns.ts";

/** A query for one name, as resolvers send it. */
function query(name: string, type: number): Buffer {
  const labels = name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

const addressOf = (name: string) => (name === "database.example.com" ? "10.213.0.2" : "10.213.0.1");

describe("answerQuery", () => {
  it("gives a name its address, and any other name the gateway's", () => {
    expect([...(answerQuery(query("Database.example.com", 1), addressOf) ?? [])].slice(-4)).toEqual([10, 213, 0, 2]);
    const answer = answerQuery(query("s3.eu-central-1.amazonaws.com", 1), addressOf) as Buffer;
    expect(answer.readUInt16BE(0)).toBe(0x1234);
    expect([answer.readUInt16BE(4), answer.readUInt16BE(6)]).toEqual([1, 1]);
    expect([...answer].slice(-4)).toEqual([10, 213, 0, 1]);
  });

  it("has no address of another kind, and says so at once", () => {
    const answer = answerQuery(query("s3.eu-central-1.amazonaws.com", 28), addressOf) as Buffer;
    expect(answer.readUInt16BE(6)).toBe(0);
    expect(answer.readUInt16BE(2) & 0x000f).toBe(0);
  });

  it("does not answer what is no query", () => {
    expect(answerQuery(Buffer.from("hello"), addressOf)).toBeUndefined();
    expect(answerQuery(query("a.b", 1).subarray(0, 14), addressOf)).toBeUndefined();
  });
});
