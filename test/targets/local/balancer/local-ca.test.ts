import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { ensureLocalCertificate } from "../../../../src/targets/local/balancer/local-ca.ts";
import { Stage, web } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "landfall-authority-"));
const stage = new Stage();
afterEach(async () => {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

test("makes a certificate that is trusted through its authority, keeps it, and renews it", async () => {
  const files = await ensureLocalCertificate(folder, ["app.test"]);
  const first = readFileSync(files.certificateFile, "utf8");
  expect(new X509Certificate(first).subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1, DNS:app.test");
  for (const key of ["ca.key", "server.key"]) expect(statSync(join(folder, key)).mode & 0o777).toBe(0o600);

  await stage.open({ tls: files });
  const { port } = await stage.upstream((incoming, outgoing) => outgoing.end(incoming.headers["x-forwarded-proto"]));
  await stage.configure([web("a", port)]);
  const body = await new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: stage.edge.port, servername: "app.test", ca: readFileSync(files.authorityFile), agent: false }, (answer) =>
      answer.on("data", (text) => resolve(String(text))),
    )
      .on("error", reject)
      .end();
  });
  expect(body).toBe("https");

  await ensureLocalCertificate(folder, []);
  expect(readFileSync(files.certificateFile, "utf8")).toBe(first);
  await ensureLocalCertificate(folder, [], Date.now() + 368 * 86_400_000);
  expect(readFileSync(files.certificateFile, "utf8")).not.toBe(first);
});
