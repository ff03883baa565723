// The Pricing API, against a server on this machine that answers as it does.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeClients } from "../../../../src/targets/aws/account/clients.ts";
import { askPrices, readPrice } from "../../../../src/targets/aws/prices/api.ts";
import { tablePrices } from "../../../../src/targets/aws/prices/table.ts";

const product = (unit: string, dollars: string, sku = "A") =>
  JSON.stringify({ product: { sku }, terms: { OnDemand: { [sku]: { priceDimensions: { one: { unit, pricePerUnit: { USD: dollars } } } } } } });

describe("a price list", () => {
  it("gives the price with the right unit, whatever else is in it", () => {
    expect(readPrice([product("GB", "0.052"), product("Hrs", "0.0550000000"), product("Hrs", "0.0000000000", "free")], /^Hrs$/)).toEqual({
      dollars: 0.055,
    });
  });

  it("gives none when its products do not agree, or have none", () => {
    expect(readPrice([product("Hrs", "1"), product("Hrs", "2", "B")], /^Hrs$/)).toBeUndefined();
    expect(readPrice([product("GB", "1")], /^Hrs$/)).toBeUndefined();
    expect(readPrice([], /^Hrs$/)).toBeUndefined();
  });
});

describe("asking", () => {
  let server: Server;
  let answer: (filters: Record<string, string>) => { status: number; list: string[] };
  const asked: Record<string, string>[] = [];
  const kept = { ...process.env };

  beforeEach(async () => {
    asked.length = 0;
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const { ServiceCode, Filters } = JSON.parse(Buffer.concat(chunks).toString()) as {
          ServiceCode: string;
          Filters: { Field: string; Value: string }[];
        };
        const filters = { ServiceCode, ...Object.fromEntries(Filters.map(({ Field, Value }) => [Field, Value])) };
        asked.push(filters);
        const { status, list } = answer(filters);
        response
          .writeHead(status, { "content-type": "application/x-amz-json-1.1" })
          .end(JSON.stringify({ FormatVersion: "aws_v1", PriceList: list }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    process.env.AWS_ENDPOINT_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" });
  });
  afterEach(async () => {
    process.env = { ...kept };
    await new Promise((resolve) => server.close(resolve));
  });

  const ask = (keys: string[]) =>
    askPrices({ clients: makeClients({ region: "eu-central-1" }), region: "eu-central-1" }, keys, tablePrices("eu-central-1"));

  it("puts what AWS says before the table, and asks of its own region", async () => {
    answer = ({ ServiceCode }) => ({ status: 200, list: ServiceCode === "AmazonEC2" ? [product("Hrs", "0.0300000000")] : [] });
    const prices = await ask(["ec2:t4g.small", "rds:postgres:db.t4g.micro", "alarm:metric"]);
    expect(prices.find("ec2:t4g.small")).toEqual({ dollars: 0.03 });
    expect(prices.find("rds:postgres:db.t4g.micro")).toEqual({ dollars: 0.019 });
    expect(prices.find("alarm:metric")).toEqual({ dollars: 0.1 });
    expect(prices.source).toContain("1 of 3 prices of eu-central-1 from the Pricing API");
    expect(asked).toHaveLength(2);
    expect(asked).toContainEqual(
      expect.objectContaining({ ServiceCode: "AmazonEC2", instanceType: "t4g.small", operatingSystem: "Linux", regionCode: "eu-central-1" }),
    );
  });

  it("leaves it at the table when AWS refuses, and says so", async () => {
    answer = () => ({ status: 400, list: [] });
    const prices = await ask(["ec2:t4g.small"]);
    expect(prices.find("ec2:t4g.small")).toEqual({ dollars: 0.0192 });
    expect(prices.source).toContain("the Pricing API gave no answer");
  });
});
