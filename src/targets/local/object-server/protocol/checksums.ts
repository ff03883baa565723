// The checksums that S3's clients may send with what they store.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

export interface Checksum {
  update(bytes: Uint8Array): void;
  base64(): string;
}

const ALGORITHMS = { crc32: crc32Checksum, crc32c: crc32cChecksum, crc64nvme: crc64Checksum, sha1: () => hash("sha1"), sha256: () => hash("sha256") };
export type Algorithm = keyof typeof ALGORITHMS;

export const isAlgorithm = (name: string): name is Algorithm => Object.hasOwn(ALGORITHMS, name);
export const makeChecksum = (algorithm: Algorithm): Checksum => ALGORITHMS[algorithm]();

function hash(name: "sha1" | "sha256"): Checksum {
  const made = createHash(name);
  return { update: (bytes) => void made.update(bytes), base64: () => made.digest("base64") };
}

function crc32Checksum(): Checksum {
  let value = 0;
  return { update: (bytes) => (value = crc32(bytes, value)), base64: () => bigEndian([value]) };
}

/** Castagnoli's, reflected. */
const CRC32C_TABLE = tableOf(1, ([low = 0]) => [(low & 1 ? 0x82f63b78 : 0) ^ (low >>> 1)]);

function crc32cChecksum(): Checksum {
  let value = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) value = (CRC32C_TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
    },
    base64: () => bigEndian([value ^ 0xffffffff]),
  };
}

/** NVM Express' polynomial, reflected, in two halves: the lower one first. */
const CRC64_TABLE = tableOf(2, ([low = 0, high = 0]) => {
  const carry = low & 1;
  return [((low >>> 1) | (high << 31)) ^ (carry ? 0xac4bc9b5 : 0), (high >>> 1) ^ (carry ? 0x9a6c9329 : 0)];
});

function crc64Checksum(): Checksum {
  let [low, high] = [0xffffffff, 0xffffffff];
  return {
    update(bytes) {
      for (const byte of bytes) {
        const index = ((low ^ byte) & 0xff) * 2;
        low = ((low >>> 8) | (high << 24)) ^ (CRC64_TABLE[index] ?? 0);
        high = (high >>> 8) ^ (CRC64_TABLE[index + 1] ?? 0);
      }
    },
    base64: () => bigEndian([high ^ 0xffffffff, low ^ 0xffffffff]),
  };
}

type Words = number[];

/** What each byte does to a remainder of so many words. */
function tableOf(words: 1 | 2, shift: (remainder: Words) => Words): Uint32Array {
  const table = new Uint32Array(256 * words);
  for (let byte = 0; byte < 256; byte++) {
    let remainder: Words = [byte, 0];
    for (let bit = 0; bit < 8; bit++) remainder = shift(remainder);
    table.set(
      remainder.slice(0, words).map((word) => word >>> 0),
      byte * words,
    );
  }
  return table;
}

function bigEndian(words: number[]): string {
  const bytes = Buffer.alloc(4 * words.length);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, 4 * index);
  return bytes.toString("base64");
}
