// What AWS gives to everybody by HTTPS and a bake fetches, as far as a rehearsal has it: an agent that does nothing, since there is no
// Session Manager to speak to, and our authority as the one that databases are known by.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import type { LocalCertificate } from "../targets/local/balancer/local-ca.ts";
import type { Answerer } from "./endpoints.ts";

const UNIT =
  "[Unit]\nDescription=Stands in for the agent of Session Manager\n[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n[Install]\nWantedBy=multi-user.target\n";
const FIELDS = "Package: amazon-ssm-agent\nVersion: 0\nArchitecture: all\nMaintainer: Landfall\nDescription: stands in for the agent\n";

export const publicDownloads =
  ({ authorityFile }: LocalCertificate): Answerer =>
  async ({ service, method, path }) => {
    if (method !== "GET") return undefined;
    if (service === "truststore.pki.rds")
      return { status: 200, headers: { "content-type": "application/x-pem-file" }, body: readFileSync(authorityFile) };
    if (!/^\/amazon-ssm-[^/]+\/latest\/debian_\w+\/amazon-ssm-agent\.deb$/.test(path)) return undefined;
    return { status: 200, headers: { "content-type": "application/vnd.debian.binary-package" }, body: await agentPackage() };
  };

/** A Debian package is an archive of `ar` with three members (deb(5)). */
async function agentPackage(): Promise<Buffer> {
  const members: [string, Buffer][] = [
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", await tar([{ name: "./control", text: FIELDS, mode: 0o644 }])],
    [
      "data.tar.gz",
      await tar([
        { name: "./usr/bin/amazon-ssm-agent", text: "#!/bin/sh\nexec sleep infinity\n", mode: 0o755 },
        { name: "./usr/lib/systemd/system/amazon-ssm-agent.service", text: UNIT, mode: 0o644 },
      ]),
    ],
  ];
  return Buffer.concat([Buffer.from("!<arch>\n"), ...members.flatMap(([name, bytes]) => [memberHeader(name, bytes.length), bytes, padding(bytes)])]);
}

const padding = (bytes: Buffer) => Buffer.from(bytes.length % 2 ? "\n" : "");

/** Name, time, owner, group, mode, size, end mark: each of fixed width. */
const memberHeader = (name: string, size: number): Buffer =>
  Buffer.from(`${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(size).padEnd(10)}\u0060\n`, "latin1");

async function tar(files: { name: string; text: string; mode: number }[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, text, mode } of files) archive.entry({ name, mode, mtime: new Date(0), uid: 0, gid: 0 }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}
