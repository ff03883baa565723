// A local certificate authority, so that an environment can speak HTTPS without anyone's account.
import { webcrypto } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
// The library of certificates wants it, and before itself.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { writeWhole } from "../../../system/files.ts";
import { loadPem } from "./pem.ts";

const DAY_MS = 86_400_000;
/** The most that browsers accept of a server's certificate (398 days), less one. */
const SERVER_DAYS = 397;
const AUTHORITY_DAYS = 3_650;
const RENEW_WITHIN_DAYS = 30;
const KEY = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;
const crypto = webcrypto;
type CryptoKey = webcrypto.CryptoKey;
type CryptoKeyPair = webcrypto.CryptoKeyPair;

export interface LocalCertificate {
  certificateFile: string;
  keyFile: string;
  /** What a browser or `curl --cacert` has to trust. */
  authorityFile: string;
}

/**
 * Makes a certificate for localhost, 127.0.0.1 and `names`, signed by the folder's own authority, unless one that covers them
 * is there for at least 30 days more. It does not make any program trust the authority. Keys are readable by their owner only.
 */
export async function ensureLocalCertificate(folder: string, names: string[], now = Date.now()): Promise<LocalCertificate> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = { certificateFile: join(folder, "server.pem"), keyFile: join(folder, "server.key"), authorityFile: join(folder, "ca.pem") };
  const hosts = [...new Set(["localhost", "127.0.0.1", ...names])];
  const authority = await ensureAuthority(folder, now);
  if (isPair(files.certificateFile, files.keyFile) && (await stillServes(files.certificateFile, { hosts, authority: authority.certificate, now })))
    return files;

  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...validity(now, SERVER_DAYS),
      subject: "CN=localhost",
      issuer: authority.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: authority.key,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(hosts.map((name) => ({ type: isIP(name) ? "ip" : "dns", value: name }))),
        await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  writeWhole(files.keyFile, await keyToPem(keys.privateKey));
  writeWhole(files.certificateFile, `${certificate.toString("pem")}\n`, { mode: 0o644 });
  return files;
}

interface Authority {
  certificate: x509.X509Certificate;
  key: CryptoKey;
}

async function ensureAuthority(folder: string, now: number): Promise<Authority> {
  const certificateFile = join(folder, "ca.pem");
  const keyFile = join(folder, "ca.key");
  const kept = await loadAuthority(certificateFile, keyFile);
  // It must outlive whatever it signs now.
  if (kept && kept.certificate.notAfter.getTime() > now + SERVER_DAYS * DAY_MS) return kept;
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity(now, AUTHORITY_DAYS),
      name: "CN=Landfall local authority",
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  writeWhole(keyFile, await keyToPem(keys.privateKey));
  writeWhole(certificateFile, `${certificate.toString("pem")}\n`, { mode: 0o644 });
  return { certificate, key: keys.privateKey };
}

/** Undefined when it is not there as it was made. */
async function loadAuthority(certificateFile: string, keyFile: string): Promise<Authority | undefined> {
  if (!isPair(certificateFile, keyFile)) return undefined;
  return { certificate: new x509.X509Certificate(readFileSync(certificateFile, "utf8")), key: await keyFromPem(readFileSync(keyFile, "utf8")) };
}

function isPair(certificateFile: string, keyFile: string): boolean {
  try {
    loadPem({ certificateFile, keyFile });
    return true;
  } catch {
    return false;
  }
}

interface Serving {
  hosts: string[];
  authority: x509.X509Certificate;
  now: number;
}

async function stillServes(file: string, { hosts, authority, now }: Serving): Promise<boolean> {
  const certificate = new x509.X509Certificate(readFileSync(file, "utf8"));
  if (certificate.notAfter.getTime() < now + RENEW_WITHIN_DAYS * DAY_MS) return false;
  const covered = new Set(certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items.map((item) => item.value));
  if (!hosts.every((name) => covered.has(name))) return false;
  return certificate.verify({ publicKey: authority, signatureOnly: true }, crypto);
}

function validity(now: number, days: number) {
  const serial = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
  // A serial number is a positive integer, so its first bit stays clear.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return { serialNumber: serial.toString("hex"), notBefore: new Date(now), notAfter: new Date(now + days * DAY_MS) };
}

const makeKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(KEY, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;

async function keyToPem(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function keyFromPem(pem: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), KEY, true, ["sign"]);
}
