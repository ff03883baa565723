// The certificate that the balancer shows, and its key: read, and held against each other.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { LandfallError, messageOf } from "../../../error.ts";
import type { Edge } from "./api.ts";

export interface Pem {
  cert: string;
  key: string;
}

/** Errors: CERTIFICATE_UNUSABLE. */
export function loadPem({ certificateFile, keyFile }: NonNullable<Edge["tls"]>): Pem {
  const cert = reading(certificateFile, (text) => void new X509Certificate(text));
  const key = reading(keyFile, (text) => void createPrivateKey(text));
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key };
  throw unusable(keyFile, `It is the key of another certificate than "${certificateFile}".`);
}

function reading(file: string, check: (text: string) => void): string {
  try {
    const text = readFileSync(file, "utf8");
    check(text);
    return text;
  } catch (error) {
    throw unusable(file, messageOf(error));
  }
}

const unusable = (file: string, why: string) =>
  new LandfallError({
    code: "CERTIFICATE_UNUSABLE",
    what: `the balancer cannot speak HTTPS with the file "${file}"`,
    where: file,
    why,
    standing: "Nothing was changed. A balancer that runs goes on with the certificate that it has.",
    next: "put the certificate and its key there, both in PEM; a balancer that waits for them takes them up within seconds",
  });
