// A real engine and a real registry: an image for another architecture is built from scratch, pushed over TLS, and is there by its digest.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findFreePort } from "../../../../../src/system/network.ts";
import { buildImage, pushImage } from "../../../../../src/targets/aws/releases/account/container-builder.ts";
import { isOnPath } from "../../../../programs.ts";
import { requires } from "../../../../skips.ts";

const canRun = process.getuid?.() === 0 && ["buildah", "docker-registry", "openssl"].every(isOnPath);

requires("root, buildah, docker-registry and openssl", canRun)("a registry", () => {
  const before = { ...process.env };
  let folder: string;
  let host: string;
  let registry: ChildProcess;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-registry-"));
    const at = (name: string) => join(folder, name);
    host = `127.0.0.1:${await findFreePort()}`;
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=registry"];
    execFileSync("openssl", [...request, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", at("key.pem"), "-out", at("cert.pem")], {
      stdio: "ignore",
    });
    const tls = { certificate: at("cert.pem"), key: at("key.pem") };
    const settings = { version: 0.1, storage: { filesystem: { rootdirectory: at("blobs") } }, http: { addr: host, tls } };
    // Any JSON is YAML.
    writeFileSync(at("registry.yml"), JSON.stringify(settings));
    writeFileSync(at("storage.conf"), `[storage]\ndriver = "vfs"\ngraphroot = "${at("graph")}"\nrunroot = "${at("run")}"\n`);
    Object.assign(process.env, { SSL_CERT_FILE: at("cert.pem"), CONTAINERS_STORAGE_CONF: at("storage.conf"), BUILDAH_ISOLATION: "chroot" });
    registry = spawn("docker-registry", ["serve", at("registry.yml")], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: registry.stderr as NodeJS.ReadableStream })) if (line.includes("listening on")) break;
    registry.stderr?.resume();
  });
  afterEach(async () => {
    if (registry.exitCode === null) {
      registry.kill("SIGKILL");
      await once(registry, "exit");
    }
    for (const name of ["SSL_CERT_FILE", "CONTAINERS_STORAGE_CONF", "BUILDAH_ISOLATION"])
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    rmSync(folder, { recursive: true, force: true });
  });

  /** What it says of a tag: the digest, and what the image is for. */
  const ask = (path: string): Promise<{ digest: string; body: string }> =>
    new Promise((resolve, reject) => {
      const Accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
      get(`https://${host}/v2/name/${path}`, { ca: readFileSync(join(folder, "cert.pem")), headers: { Accept } }, async (answer) => {
        let body = "";
        for await (const chunk of answer) body += chunk;
        resolve({ digest: String(answer.headers["docker-content-digest"]), body });
      }).on("error", reject);
    });

  test("takes what buildah has built", async () => {
    const context = join(folder, "context");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY hello /hello\nUSER 10001\nSTOPSIGNAL SIGINT\n");
    writeFileSync(join(context, "hello"), "hello\n");
    const engine = { program: "buildah", version: "" } as const;
    const image = `${host}/name:4be019`;
    const lines: string[] = [];
    const emit = (line: string) => void lines.push(line);
    await buildImage(engine, { folder: context, dockerfile: "Dockerfile", image, architecture: "arm64", emit });
    await pushImage(engine, image, { host, user: "AWS", password: "the-token" }, emit);
    const { digest, body } = await ask("manifests/4be019");
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const config = JSON.parse((await ask(`blobs/${JSON.parse(body).config.digest}`)).body);
    expect(config).toMatchObject({ architecture: "arm64", os: "linux", config: { User: "10001", StopSignal: "SIGINT" } });
    expect(lines.join("\n")).not.toContain("the-token");
  });

  test("that has no such step built says which one failed", async () => {
    writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY nothing /nothing\n");
    const build = { folder, dockerfile: "Dockerfile", image: `${host}/name:1`, architecture: "amd64" as const, emit: () => {} };
    await expect(buildImage({ program: "buildah", version: "" }, build)).rejects.toMatchObject({
      code: "CONTAINER_BUILD_FAILED",
      parts: { evidence: expect.arrayContaining([[expect.anything(), expect.stringContaining("nothing")]]) },
    });
  });
});
