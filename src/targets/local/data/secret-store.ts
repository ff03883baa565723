// The secrets of one environment, encrypted in one file. Who can read the key file can read them all: it keeps copies, backups
// and glances at the store from telling anything, not a person who is this user.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { codeOf, type ErrorParts, LandfallError } from "../../../error.ts";
import { underFileLock } from "../../../system/file-lock.ts";
import { explainUnwritableSync, writeWhole } from "../../../system/files.ts";
import { loadState, writeState } from "../../../system/state-file.ts";
import { type Hide, hidePasswords, makeHide } from "../../../text/mask.ts";
import type { Paths } from "../paths.ts";

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
  /** Sets several in one write. With `revoke` also what releases were given under those names; gives these. */
  setAll(values: Record<string, string>, options?: { revoke?: boolean }): string[];
  /** Keeps the values of now for a release, but for those that it has been given before. Throws SECRET_MISSING. */
  seal(release: string, names: Iterable<string>): void;
  /** The name under which a release has a secret: its own value where it was given one, else that of today. */
  nameFor(release: string, name: string): string;
  /** The names of what a release was given and `other` was not, or with another value; where `other` was given none, today's counts. */
  listDiffering(release: string, other: string): string[];
  /** Forgets what was given to releases that are not among these. */
  unseal(options: { except: Iterable<string> }): void;
  /** Does nothing when there is no such secret. */
  remove(name: string): void;
  /** The users' secrets by name; never their values. `setAt` in milliseconds since 1970. */
  list(): { name: string; setAt: number }[];
  has(name: string): boolean;
  /** The value. Throws SECRET_MISSING or SECRETS_KEY_UNSAFE. */
  reveal(name: string): string;
  /** All values that open, Landfall's own too. Throws SECRETS_KEY_UNSAFE when none can. */
  revealAll(): string[];
  /** Changes whenever a user's secret is set or removed: instances started before that hold old values. */
  revision(): string;
}

type SecretPlaces = Pick<Paths, "environment" | "secrets" | "secretsKey">;

/**
 * Opens an environment's secrets. Reads the disk at every call, so that several processes may hold it open at once; writers
 * wait for each other. Every method that needs the key throws SECRETS_KEY_UNSAFE when it is missing though secrets exist,
 * damaged, another one, or readable by other users.
 */
export const openSecrets = (paths: SecretPlaces): Secrets => ({ ...openOwn(paths), ...openReleases(paths) });

type ReleaseMethods = "setAll" | "seal" | "nameFor" | "listDiffering" | "unseal";

function openOwn(paths: SecretPlaces): Omit<Secrets, ReleaseMethods> {
  const load = () => loadStore(paths);
  return {
    set: (name, value) => changing(paths, () => write(paths, load(), [[name, value]])),
    remove: (name) =>
      changing(paths, () => {
        const store = load();
        if (!Object.hasOwn(store.secrets, name)) return;
        const { [name]: _, ...secrets } = store.secrets;
        writeState(paths.secrets, { ...store, revision: revisionAfter(store, name), secrets } satisfies Store);
      }),
    list: () =>
      Object.entries(load().secrets)
        .filter(([name]) => !isInternal(name))
        .map(([name, { setAt }]) => ({ name, setAt }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    has: (name) => sealedIn(load(), name) !== undefined,
    reveal: (name) => revealIn(paths, load(), name),
    revealAll: () => {
      const store = load();
      const key = loadKey(paths, store);
      return Object.entries(store.secrets).flatMap(([name, sealed]) => {
        try {
          return [open({ paths, key }, name, sealed)];
        } catch {
          return [];
        }
      });
    },
    revision: () => load().revision,
  };
}

function openReleases(paths: SecretPlaces): Pick<Secrets, ReleaseMethods> {
  const load = () => loadStore(paths);
  return {
    setAll: (values, { revoke = false } = {}) =>
      changing(paths, () => {
        const store = load();
        const given = revoke ? namesOfReleases(store).filter((name) => Object.hasOwn(values, ownName(name))) : [];
        write(paths, store, [...Object.entries(values), ...given.map((name) => [name, values[ownName(name)] ?? ""] as const)]);
        return [...new Set(given.map(releaseOf))];
      }),
    seal: (release, names) =>
      changing(paths, () => {
        const store = load();
        const due = [...names].filter((name) => !sealedIn(store, nameIn(release, name)));
        const values = due.map((name) => [nameIn(release, name), revealIn(paths, store, name)] as const);
        if (values.length > 0) write(paths, store, values);
      }),
    nameFor: (release, name) => (sealedIn(load(), nameIn(release, name)) ? nameIn(release, name) : name),
    listDiffering: (release, other) => {
      const store = load();
      const find = (name: string) => (sealedIn(store, name) ? revealIn(paths, store, name) : undefined);
      return namesOfReleases(store)
        .filter((name) => name === nameIn(release, ownName(name)))
        .filter((name) => find(name) !== (find(nameIn(other, ownName(name))) ?? find(ownName(name))))
        .map(ownName)
        .sort();
    },
    unseal: ({ except }) => {
      const kept = new Set(except);
      const isDue = (name: string) => isOfRelease(name) && !kept.has(releaseOf(name));
      if (!Object.keys(load().secrets).some(isDue)) return;
      changing(paths, () => {
        const store = load();
        const secrets = Object.fromEntries(Object.entries(store.secrets).filter(([name]) => !isDue(name)));
        writeState(paths.secrets, { ...store, secrets } satisfies Store);
      });
    },
  };
}

/** Throws SECRET_MISSING. */
function revealIn(paths: SecretPlaces, store: Store, name: string): string {
  const sealed = sealedIn(store, name);
  if (!sealed) throw missing(paths, name);
  return open({ paths, key: loadKey(paths, store) }, name, sealed);
}

/**
 * Hides the values of all secrets of the environment, Landfall's own too, as they are at each call and as they were at those before: what
 * runs may still have those. What does not open is not known, and nobody was given it.
 */
export function hiderOf(paths: SecretPlaces): Hide {
  const secrets = openSecrets(paths);
  const values = new Set<string>();
  let loadedAt = 0;
  let hide: Hide = hidePasswords;
  return (text) => {
    const changedAt = statSync(paths.secrets, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changedAt !== loadedAt) {
      loadedAt = changedAt;
      try {
        for (const value of secrets.revealAll()) values.add(value);
      } catch {
        // Who needs a value is told why it cannot be had.
      }
      hide = makeHide(values);
    }
    return hide(text);
  };
}

const isInternal = (name: string): boolean => name.includes("/");
export const isOfUsers = (name: string): boolean => !isInternal(name);
const OF_RELEASES = "release/";
/** What a release was given of a secret is a secret of its own, so that it is sealed under that name and found by it. */
const nameIn = (release: string, name: string): string => `${OF_RELEASES}${release}/${name}`;
const isOfRelease = (name: string): boolean => name.startsWith(OF_RELEASES);
const releaseOf = (name: string): string => name.split("/")[1] ?? "";
const ownName = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
const namesOfReleases = ({ secrets }: Store): string[] => Object.keys(secrets).filter(isOfRelease);
const sealedIn = ({ secrets }: Store, name: string): Sealed | undefined => (Object.hasOwn(secrets, name) ? secrets[name] : undefined);

const revisionAfter = (store: Store, ...names: string[]): string => (names.every(isInternal) ? store.revision : randomBytes(8).toString("hex"));

function write(paths: SecretPlaces, store: Store, values: (readonly [name: string, value: string])[]): void {
  const key = Object.keys(store.secrets).length > 0 ? loadKey(paths, store) : loadOrMakeKey(paths);
  const sealed = values.map(([name, value]) => [name, seal(key, name, value)]);
  const secrets = { ...store.secrets, ...Object.fromEntries(sealed) };
  writeState(paths.secrets, { keyId: identify(key), revision: revisionAfter(store, ...values.map(([name]) => name)), secrets } satisfies Store);
}

const identify = (key: Buffer): string => createHash("sha256").update("landfall secrets key\0").update(key).digest("hex").slice(0, 16);

function loadStore(paths: SecretPlaces): Store {
  const state = { file: paths.secrets, lost: "all secrets", next: `restore it from a backup, or ${beginAgain(paths)}` };
  return loadState<Store>(state) ?? { keyId: "", revision: "0", secrets: {} };
}

function seal(key: Buffer, name: string, value: string): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return { nonce: nonce.toString("base64"), tag: cipher.getAuthTag().toString("base64"), text: text.toString("base64"), setAt: Date.now() };
}

function open({ paths, key }: { paths: SecretPlaces; key: Buffer }, name: string, sealed: Sealed): string {
  try {
    // The tag's length is fixed, because a shorter one would be accepted otherwise and is far easier to forge.
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(sealed.nonce, "base64"), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(name)).setAuthTag(Buffer.from(sealed.tag, "base64"));
    return Buffer.concat([decipher.update(Buffer.from(sealed.text, "base64")), decipher.final()]).toString("utf8");
  } catch {
    throw unsafe(paths, {
      what: `the secret "${name}" does not open with the key in "${paths.secretsKey}"`,
      why: "The stored value was changed, or sealed under another name.",
      next: setAgain(paths, name),
    });
  }
}

function loadOrMakeKey(paths: SecretPlaces): Buffer {
  try {
    return readKey(paths);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const key = randomBytes(KEY_BYTES);
  writeWhole(paths.secretsKey, `${key.toString("base64")}\n`);
  return key;
}

function loadKey(paths: SecretPlaces, store: Store): Buffer {
  const key = (() => {
    try {
      return readKey(paths);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      throw unsafe(paths, {
        what: `the key file "${paths.secretsKey}" is missing`,
        why: `Values sealed with it: ${Object.keys(store.secrets).length}.`,
        next: restoreKey(paths),
      });
    }
  })();
  if (identify(key) === store.keyId) return key;
  throw unsafe(paths, {
    what: `the key file "${paths.secretsKey}" holds another key`,
    why: `The secrets were sealed with key ${store.keyId}; this is key ${identify(key)}.`,
    next: restoreKey(paths),
  });
}

function readKey(paths: SecretPlaces): Buffer {
  const mode = statSync(paths.secretsKey).mode & 0o777;
  if (mode & 0o077) {
    throw unsafe(paths, {
      what: `the key file "${paths.secretsKey}" is open to other users`,
      why: `Its mode is ${mode.toString(8)}; 600 is required.`,
      next: `chmod 600 ${paths.secretsKey}`,
    });
  }
  const text = readFileSync(paths.secretsKey, "utf8").trim();
  const key = Buffer.from(text, "base64");
  if (key.length === KEY_BYTES && key.toString("base64") === text) return key;
  throw unsafe(paths, {
    what: `the key file "${paths.secretsKey}" is damaged`,
    why: `It should hold ${KEY_BYTES} bytes in base64.`,
    next: restoreKey(paths),
  });
}

/** One writer at a time, in this process and in others. */
const changing = <T>(paths: SecretPlaces, act: () => T): T =>
  explainUnwritableSync(paths.secrets, () => {
    mkdirSync(dirname(paths.secrets), { recursive: true, mode: 0o700 });
    return underFileLock(`${paths.secrets}.lock`, act);
  });

const environmentOf = (paths: SecretPlaces): string => basename(paths.environment);
const setAgain = (paths: SecretPlaces, name: string): string => `landfall secrets set ${environmentOf(paths)} ${name}`;
const restoreKey = (paths: SecretPlaces): string => `restore ${paths.secretsKey} from a backup, or ${beginAgain(paths)}`;
const beginAgain = (paths: SecretPlaces): string =>
  `remove ${paths.secrets}, run  landfall commission ${environmentOf(paths)} --empty secrets  and set the secrets again`;

const missing = (paths: SecretPlaces, name: string): LandfallError =>
  new LandfallError({
    code: "SECRET_MISSING",
    what: `the secret "${name}" is not set in the environment "${environmentOf(paths)}"`,
    standing: "Nothing was changed.",
    next: setAgain(paths, name),
  });

const unsafe = (paths: SecretPlaces, { what, why, next }: Pick<ErrorParts, "what" | "why" | "next">): LandfallError =>
  new LandfallError({
    code: "SECRETS_KEY_UNSAFE",
    what,
    where: paths.secretsKey,
    why,
    standing: "No secret was read and nothing was changed. What runs goes on running.",
    next,
  });
