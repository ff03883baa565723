// Basic authentication against scrypt hashes. A verified pair is remembered by its digest, since scrypt takes 50 ms on purpose.
import { createHash, scrypt, timingSafeEqual } from "node:crypto";

const REMEMBERED_MAX = 256;
/** Each verification holds 16 MB and a thread, so a flood of guesses waits in line, and a longer line is turned away. */
const WAITING_MAX = 32;

export type Verdict = "accepted" | "refused" | "busy";

export class Credentials {
  readonly #verified = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Checks an Authorization header. Answers at once (not by a promise) when the pair was verified before. */
  check(authorization: string | undefined, expected: { user: string; passwordHash: string }): Verdict | Promise<Verdict> {
    if (!authorization || !/^basic /i.test(authorization)) return "refused";
    const digest = createHash("sha256").update(`${expected.user}\n${expected.passwordHash}\n${authorization}`).digest("base64");
    if (this.#verified.has(digest)) return "accepted";
    if (this.#waiting >= WAITING_MAX) return "busy";
    this.#waiting++;
    const result = this.#last
      .then(() => verify(authorization, expected))
      .then((accepted): Verdict => {
        if (accepted) this.#remember(digest);
        return accepted ? "accepted" : "refused";
      });
    this.#last = result.catch(() => undefined).finally(() => this.#waiting--);
    return result;
  }

  #remember(digest: string): void {
    if (this.#verified.size >= REMEMBERED_MAX) this.#verified.clear();
    this.#verified.add(digest);
  }
}

async function verify(authorization: string, expected: { user: string; passwordHash: string }): Promise<boolean> {
  const given = Buffer.from(authorization.slice(6).trim(), "base64").toString();
  const colon = given.indexOf(":");
  const user = given.slice(0, Math.max(colon, 0));
  const [, salt = "", hash = ""] = expected.passwordHash.split("$");
  const derived = await derive(given.slice(colon + 1), Buffer.from(salt, "base64"));
  const wanted = Buffer.from(hash, "base64");
  // Both are compared whatever the other says, so that the time taken does not tell a right user from a wrong one.
  const samePassword = wanted.length === derived.length && timingSafeEqual(wanted, derived);
  const sameUser = timingSafeEqual(sha256(user), sha256(expected.user));
  return colon >= 0 && samePassword && sameUser;
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 32, { N: 16_384, r: 8, p: 1 }, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
