// The secrets of one environment, encrypted in one file. Who can read the key file can read them all: it keeps copies, backups
// and glances at the store from telling anything, not a person who is this user.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { LandfallError } from "../../error.ts";
import { underFileLock } from "../../system/file-lock.ts";
import { explainUnwritableSync, loadJson, writeJson, writeWhole } from "../../system/files.ts";
import type { Places } from "./places.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** One value: AES-256-GCM with the secret's name as additional data, so that values cannot be swapped between names. */
interface Sealed {
  nonce: string;
  tag: string;
  text: string;
  /** Milliseconds since 1970. */
  setAt: number;
}

interface Store {
  /** Tells a wrong key from a damaged value, and says nothing of the key. */
  keyId: string;
  revision: string;
  secrets: Record<string, Sealed>;
}

export interface Secrets {
  /** Sets a value, replacing an earlier one; makes the key with the first. A name with "/" is Landfall's own and never listed. */
  set(name: string, value: string): void;
  /** Does nothing when there is no such secret. */
  remove(name: string): void;
  /** The users' secrets by name; never their values. `setAt` in milliseconds since 1970. */
  list(): { name: string; setAt: number }[];
  has(name: string): boolean;
  /** The value. Throws SECRET_MISSING or SECRETS_KEY_UNSAFE. */
  reveal(name: string): string;
  /** Changes whenever a user's secret is set or removed: instances started before that hold old values. */
  revision(): string;
}

type SecretPlaces = Pick<Places, "environment" | "secrets" | "secretsKey">;

/**
 * Opens an environment's secrets. Reads the disk at every call, so that several processes may hold it open at once; writers
 * wait for each other. Every method that needs the key throws SECRETS_KEY_UNSAFE when it is missing though secrets exist,
 * damaged, another one, or readable by other users.
 *
 * @example openSecrets(placesOf(home, "guestbook", "local")).reveal("SESSION_KEY")
 */
export function openSecrets(places: SecretPlaces): Secrets {
  const load = () => loadStore(places);
  return {
    set: (name, value) =>
      changing(places, () => {
        const store = load();
        const key = Object.keys(store.secrets).length > 0 ? loadKey(places, store) : loadOrMakeKey(places);
        const secrets = { ...store.secrets, [name]: seal(key, name, value) };
        writeJson(places.secrets, { keyId: identify(key), revision: revisionAfter(store, name), secrets } satisfies Store);
      }),
    remove: (name) =>
      changing(places, () => {
        const store = load();
        if (!Object.hasOwn(store.secrets, name)) return;
        const { [name]: _, ...secrets } = store.secrets;
        writeJson(places.secrets, { ...store, revision: revisionAfter(store, name), secrets } satisfies Store);
      }),
    list: () =>
      Object.entries(load().secrets)
        .filter(([name]) => !isInternal(name))
        .map(([name, { setAt }]) => ({ name, setAt }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    has: (name) => Object.hasOwn(load().secrets, name),
    reveal: (name) => {
      const store = load();
      const sealed = Object.hasOwn(store.secrets, name) ? store.secrets[name] : undefined;
      if (!sealed) throw missing(places, name);
      return open(places, loadKey(places, store), name, sealed);
    },
    revision: () => load().revision,
  };
}

const isInternal = (name: string): boolean => name.includes("/");
const revisionAfter = (store: Store, name: string): string => (isInternal(name) ? store.revision : randomBytes(8).toString("hex"));
const identify = (key: Buffer): string => createHash("sha256").update("landfall secrets key\0").update(key).digest("hex").slice(0, 16);

function loadStore(places: SecretPlaces): Store {
  try {
    return loadJson<Store>(places.secrets) ?? { keyId: "", revision: "0", secrets: {} };
  } catch (error) {
    throw unsafe(
      places,
      `the store "${places.secrets}" could not be read`,
      (error as Error).message,
      "restore that file from a backup, or remove it and set the secrets again",
    );
  }
}

function seal(key: Buffer, name: string, value: string): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return { nonce: nonce.toString("base64"), tag: cipher.getAuthTag().toString("base64"), text: text.toString("base64"), setAt: Date.now() };
}

function open(places: SecretPlaces, key: Buffer, name: string, sealed: Sealed): string {
  try {
    // The tag's length is fixed, because a shorter one would be accepted otherwise and is far easier to forge.
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(sealed.nonce, "base64"), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(name)).setAuthTag(Buffer.from(sealed.tag, "base64"));
    return Buffer.concat([decipher.update(Buffer.from(sealed.text, "base64")), decipher.final()]).toString("utf8");
  } catch {
    throw unsafe(
      places,
      `the secret "${name}" does not open with the key in "${places.secretsKey}"`,
      "The stored value was changed, or sealed under another name.",
      setAgain(places, name),
    );
  }
}

function loadOrMakeKey(places: SecretPlaces): Buffer {
  try {
    return readKey(places);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const key = randomBytes(KEY_BYTES);
  writeWhole(places.secretsKey, `${key.toString("base64")}\n`, 0o600);
  return key;
}

function loadKey(places: SecretPlaces, store: Store): Buffer {
  const key = (() => {
    try {
      return readKey(places);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw unsafe(
        places,
        `the key file "${places.secretsKey}" is missing`,
        `Values sealed with it: ${Object.keys(store.secrets).length}.`,
        restoreKey(places),
      );
    }
  })();
  if (identify(key) === store.keyId) return key;
  throw unsafe(
    places,
    `the key file "${places.secretsKey}" holds another key`,
    `The secrets were sealed with key ${store.keyId}; this is key ${identify(key)}.`,
    restoreKey(places),
  );
}

function readKey(places: SecretPlaces): Buffer {
  const mode = statSync(places.secretsKey).mode & 0o777;
  if (mode & 0o077) {
    throw unsafe(
      places,
      `the key file "${places.secretsKey}" is open to other users`,
      `Its mode is ${mode.toString(8)}; 600 is required.`,
      `chmod 600 ${places.secretsKey}`,
    );
  }
  const text = readFileSync(places.secretsKey, "utf8").trim();
  const key = Buffer.from(text, "base64");
  if (key.length === KEY_BYTES && key.toString("base64") === text) return key;
  throw unsafe(places, `the key file "${places.secretsKey}" is damaged`, `It should hold ${KEY_BYTES} bytes in base64.`, restoreKey(places));
}

/** One writer at a time, in this process and in others. */
const changing = (places: SecretPlaces, act: () => void): void =>
  explainUnwritableSync(places.secrets, () => {
    mkdirSync(dirname(places.secrets), { recursive: true, mode: 0o700 });
    underFileLock(`${places.secrets}.lock`, act);
  });

const environmentOf = (places: SecretPlaces): string => basename(places.environment);
const setAgain = (places: SecretPlaces, name: string): string => `landfall secrets set ${environmentOf(places)} ${name}`;
const restoreKey = (places: SecretPlaces): string =>
  `restore ${places.secretsKey} from a backup, or remove ${places.secrets} and set the secrets again`;

const missing = (places: SecretPlaces, name: string): LandfallError =>
  new LandfallError({
    code: "SECRET_MISSING",
    what: `the secret "${name}" is not set in the environment "${environmentOf(places)}"`,
    standing: "Nothing was changed.",
    next: setAgain(places, name),
  });

const unsafe = (places: SecretPlaces, what: string, why: string, next: string): LandfallError =>
  new LandfallError({
    code: "SECRETS_KEY_UNSAFE",
    what,
    where: places.secretsKey,
    why,
    standing: "No secret was read and nothing was changed. What runs goes on running.",
    next,
  });
