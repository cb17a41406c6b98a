// Who this page is from one visit to the next, and whom it has met before. Loaded only where a join asks for either.
import type { PeerloomError } from "./errors.js";
import { type NoStorage, resultOf, Storage, type Stores } from "./storage.js";

/** Gives the name that a peer goes by, of its id and its metadata as JSON text. The application may give anything. */
export type NameOf = (id: string, metadata: string) => unknown;

const MAX_APP_LENGTH = 64;
const MAX_NAME_LENGTH = 128;
/** Of one application. Those that are remembered stay: whoever makes up names cannot have others forgotten. */
const MAX_NAMES = 10_000;
const NAME = "Ed25519";

/** How an id compares with the one that is remembered under its name. */
export interface Meeting {
  readonly name: string;
  /** Undefined when it could not be compared. */
  known?: "new" | "known" | "changed";
  /** The one that is remembered, where that is another. */
  readonly before?: { readonly id: string; readonly since: Date };
  /** What is not remembered, and why. */
  readonly error?: PeerloomError;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** As it is stored. Without keys, where the browser had no Ed25519, the core makes one of the secret. */
interface Identity {
  readonly secret: Bytes;
  readonly keys?: CryptoKeyPair;
}

/**
 * The identity that this origin has under the application's name, made if there is none, where one is wanted; and the names of
 * peers, if the application tells them.
 *
 * @throws PeerloomError `no-storage`
 */
export async function remember(
  app: string,
  persistent: boolean,
  nameOf: NameOf | undefined,
  noStorage: NoStorage,
): Promise<Memory> {
  checkApp(app);
  const storage = new Storage(noStorage);
  const identity = persistent ? await findIdentity(storage, app) : undefined;
  // Better now than when the first peer comes.
  if (nameOf !== undefined) await storage.use(["names"], "readonly", async () => {});
  return new Memory(storage, app, identity, nameOf);
}

/**
 * Deletes the application's identity and all names that it knows.
 *
 * @throws PeerloomError `no-storage`
 */
export async function forget(app: string, noStorage: NoStorage): Promise<void> {
  checkApp(app);
  await new Storage(noStorage).use(["identities", "names"], "readwrite", async (stores) => {
    stores("names").delete(namesOf(app));
    await resultOf(stores("identities").delete(app));
  });
}

function checkApp(app: unknown): void {
  if (typeof app === "string" && app.length <= MAX_APP_LENGTH) return;
  throw new TypeError(`app is a text of at most ${MAX_APP_LENGTH} characters`);
}

/** A list is greater than whatever text stands in its place. */
const namesOf = (app: string) => IDBKeyRange.bound([app], [app, []]);

async function findIdentity(storage: Storage, app: string): Promise<Identity> {
  const find = async (stores: Stores) => {
    const found = await resultOf<unknown>(stores("identities").get(app));
    if (found === undefined) return undefined;
    const identity = readIdentity(found);
    if (identity !== undefined) return identity;
    // It is not replaced: others may know its id.
    throw storage.noStorage("the identity that this browser keeps cannot be read");
  };
  const found = await storage.use(["identities"], "readonly", find);
  if (found !== undefined) return found;
  // Before the transaction, which would not wait for it.
  const made = await makeIdentity();
  return storage.use(["identities"], "readwrite", async (stores) => {
    // Another tab may have been faster.
    const theirs = await find(stores);
    if (theirs !== undefined) return theirs;
    await resultOf(stores("identities").add(made, app));
    return made;
  });
}

async function makeIdentity(): Promise<Identity> {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  try {
    const keys = await crypto.subtle.generateKey(NAME, false, ["sign", "verify"]);
    return { secret, keys: keys as CryptoKeyPair };
  } catch {
    return { secret };
  }
}

/** Other scripts of the origin, and versions to come, may have written it. */
function readIdentity(found: unknown): Identity | undefined {
  const { secret, keys } = (found ?? {}) as Partial<Identity>;
  if (secret instanceof Uint8Array && secret.length === 32) {
    if (keys === undefined) return { secret };
    if (isKey(keys?.privateKey, "private", "sign") && isKey(keys.publicKey, "public", "verify")) {
      return { secret, keys };
    }
  }
  return undefined;
}

function isKey(key: unknown, type: KeyType, usage: KeyUsage): boolean {
  return (
    key instanceof CryptoKey &&
    key.type === type &&
    key.algorithm.name === NAME &&
    key.usages.includes(usage) &&
    // A public key may be shown to anybody.
    key.extractable === (type === "public")
  );
}

/** A name's record. */
interface Remembered {
  readonly id: string;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/** As the core's texts are read, to the last character. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * What one room remembers.
 * @internal
 */
export class Memory {
  readonly #storage: Storage;
  readonly #app: string;
  readonly #identity: Identity | undefined;
  readonly #nameOf: NameOf | undefined;
  /** Peers whose signatures are checked and that are not here yet, by id, with the metadata that they were asked for with. */
  readonly #met = new Map<string, { readonly text: string; readonly meeting: Meeting }>();

  constructor(storage: Storage, app: string, identity: Identity | undefined, nameOf: NameOf | undefined) {
    this.#storage = storage;
    this.#app = app;
    this.#identity = identity;
    this.#nameOf = nameOf;
  }

  /** What the core makes the identity of, or half of it where there are keys. */
  get secret(): Bytes | undefined {
    return this.#identity?.secret;
  }

  /** Signs with the key that this browser keeps; undefined where it keeps none. */
  sign(message: Bytes): Promise<Uint8Array> | undefined {
    const keys = this.#identity?.keys;
    return keys && signWith(keys, message);
  }

  /** Looks up the name that a peer goes by, before the peer is here. */
  async meet(id: string, metadata: Bytes): Promise<void> {
    this.#met.delete(id);
    const text = decoder.decode(metadata);
    const meeting = await this.#compare(id, text);
    if (meeting !== undefined) this.#met.set(id, { text, meeting });
  }

  /** What came of that, once. */
  take(id: string, metadata: string): Meeting | undefined {
    const met = this.#met.get(id);
    this.#met.delete(id);
    return met?.text === metadata ? met.meeting : undefined;
  }

  /** The server is lost, and who was about to come does not. */
  clear(): void {
    this.#met.clear();
  }

  async #compare(id: string, text: string): Promise<Meeting | undefined> {
    let name: unknown;
    try {
      name = this.#nameOf?.(id, text);
    } catch (error) {
      reportError(error);
    }
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME_LENGTH) return undefined;
    try {
      return await this.#lookUp(id, name);
    } catch (error) {
      return { name, error: error as PeerloomError };
    }
  }

  /** One transaction, so that of two that come at once under a name one is remembered, and the other is compared with it. */
  #lookUp(id: string, name: string): Promise<Meeting> {
    return this.#storage.use(["names"], "readwrite", async (stores): Promise<Meeting> => {
      const found = await this.#find(stores, name);
      if (found?.id === id) return { name, known: "known" };
      if (found !== undefined) {
        return { name, known: "changed", before: { id: found.id, since: new Date(found.since) } };
      }
      const error = await this.#put(stores, name, id);
      return error === undefined ? { name, known: "new" } : { name, known: "new", error };
    });
  }

  /** Remembers this id under the name from now on. */
  trust(id: string, name: string): Promise<void> {
    return this.#storage.use(["names"], "readwrite", async (stores) => {
      const found = await this.#find(stores, name);
      const error = found?.id === id ? undefined : await this.#put(stores, name, id);
      if (error !== undefined) throw error;
    });
  }

  async #find(stores: Stores, name: string): Promise<Remembered | undefined> {
    const found = await resultOf<Partial<Remembered> | null | undefined>(
      stores("names").get([this.#app, name]),
    );
    if (found === undefined) return undefined;
    const { id, since } = found ?? {};
    if (typeof id === "string" && typeof since === "number") return { id, since };
    throw this.#storage.noStorage("what this browser remembers of a name cannot be read");
  }

  /** Gives the error when there are too many names. */
  async #put(stores: Stores, name: string, id: string): Promise<PeerloomError | undefined> {
    const names = stores("names");
    const key = [this.#app, name];
    const [count, same] = await Promise.all([
      resultOf(names.count(namesOf(this.#app))),
      resultOf(names.count(key)),
    ]);
    if (count - same >= MAX_NAMES)
      return this.#storage.noStorage(`${MAX_NAMES} names are remembered already`);
    const remembered: Remembered = { id, since: Date.now() };
    await resultOf(names.put(remembered, key));
    return undefined;
  }
}

/** The public key, and its signature of the message. */
async function signWith({ privateKey, publicKey }: CryptoKeyPair, message: Bytes): Promise<Uint8Array> {
  const { subtle } = crypto;
  const parts = await Promise.all([
    subtle.exportKey("raw", publicKey),
    subtle.sign(NAME, privateKey, message),
  ]);
  return Uint8Array.of(...parts.flatMap((part) => [...new Uint8Array(part)]));
}
