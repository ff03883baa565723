// Basic authentication against scrypt hashes, whose 50 ms for each password are meant to hold up who guesses, and nobody else. So beside the
// hash stands a mark of 12 bits: of all guesses one in 4096 has it, and the others are told apart without scrypt. Theirs is another wait.
import { createHash, createHmac, randomBytes, scrypt, scryptSync, timingSafeEqual } from "node:crypto";

const COST = { N: 16_384, r: 8, p: 1 };
const HASH_BYTES = 32;
const MARK_HEX_DIGITS = 3;
const REMEMBERED_MAX = 512;
/** Each verification holds 16 MB and a thread, so that they wait in line, and a longer line is turned away. */
const WAITING_MAX = 32;
/** So long a wrong password waits for its answer, whatever was found out how fast. */
const REFUSE_AFTER_MS = 500;

export type Verdict = "accepted" | "refused" | "busy";

/** What somebody has to say to be let in. */
export interface Login {
  user: string;
  /** `scrypt$<salt, base64>$<hash, base64>$<mark, hex>` */
  passwordHash: string;
}

/** Takes 50 ms. */
export function hashPassword(password: string): string {
  const salt = randomBytes(16);
  const hash = scryptSync(password, salt, HASH_BYTES, COST);
  return `scrypt$${salt.toString("base64")}$${hash.toString("base64")}$${markOf(password, salt)}`;
}

export class Credentials {
  /** Of pairs that were checked, or are being checked. */
  readonly #verdicts = new Map<string, Verdict | Promise<Verdict>>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Checks an Authorization header. Answers at once (not by a promise) when the pair was accepted before. */
  check(authorization: string | undefined, expected: Login): Verdict | Promise<Verdict> {
    if (!authorization || !/^basic /i.test(authorization)) return "refused";
    const digest = createHash("sha256").update(`${expected.user}\n${expected.passwordHash}\n${authorization}`).digest("base64");
    const known = this.#verdicts.get(digest);
    if (known === "refused") return refuseLater();
    if (known !== undefined) return known;
    const password = passwordFor(authorization, expected);
    if (password === undefined) return refuseLater();
    if (this.#waiting >= WAITING_MAX) return "busy";
    const verdict = this.#verify(password, expected);
    this.#remember(digest, verdict);
    verdict.then(
      (result) => this.#remember(digest, result),
      () => this.#verdicts.delete(digest),
    );
    return verdict;
  }

  /** One after the other. */
  #verify(password: string, expected: Login): Promise<Verdict> {
    this.#waiting++;
    const verified = this.#last.then(() => verify(password, expected));
    this.#last = verified.catch(() => undefined).finally(() => this.#waiting--);
    return verified.then((isRight) => (isRight ? "accepted" : refuseLater()));
  }

  #remember(digest: string, verdict: Verdict | Promise<Verdict>): void {
    const [oldest] = this.#verdicts.keys();
    if (oldest !== undefined && this.#verdicts.size >= REMEMBERED_MAX) this.#verdicts.delete(oldest);
    this.#verdicts.set(digest, verdict);
  }
}

const refuseLater = (): Promise<Verdict> => new Promise((resolve) => setTimeout(resolve, REFUSE_AFTER_MS, "refused").unref());

/** The password that is said to be the user's; undefined when it cannot be. */
function passwordFor(authorization: string, expected: Login): string | undefined {
  const credentials = Buffer.from(authorization.slice(6).trim(), "base64").toString();
  const colon = credentials.indexOf(":");
  const [user, password] = [credentials.slice(0, Math.max(colon, 0)), credentials.slice(colon + 1)];
  const { salt, mark } = partsOf(expected);
  // Both are compared whatever the other says, so that the time taken does not tell a right user from a wrong one.
  const hasMark = markOf(password, salt) === mark;
  const isUser = timingSafeEqual(sha256(user), sha256(expected.user));
  return colon >= 0 && hasMark && isUser ? password : undefined;
}

async function verify(password: string, expected: Login): Promise<boolean> {
  const { salt, hash } = partsOf(expected);
  const derived = await derive(password, salt);
  return hash.length === derived.length && timingSafeEqual(hash, derived);
}

function partsOf({ passwordHash }: Login) {
  const [, salt = "", hash = "", mark = ""] = passwordHash.split("$");
  return { salt: Buffer.from(salt, "base64"), hash: Buffer.from(hash, "base64"), mark };
}

const markOf = (password: string, salt: Buffer): string => createHmac("sha256", salt).update(password).digest("hex").slice(0, MARK_HEX_DIGITS);

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, COST, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
