// What an origin keeps for longer than its pages live, in IndexedDB. Whatever goes wrong with that is one error.
//
// Nothing is imported here: bundlers would cut the code that every page needs in two for the sake of this, which few load.
import type { PeerloomError } from "./errors.js";

const DATABASE = "peerloom";
const STORES = ["identities", "names"] as const;

/** Identities by the application's name, and the names of peers by `[application, name]`. */
export type StoreName = (typeof STORES)[number];
/** The stores that a transaction was begun for. */
export type Stores = (name: StoreName) => IDBObjectStore;
/** Makes the error `no-storage`. */
export type NoStorage = (message: string, cause?: unknown) => PeerloomError;

/** No database that works takes so long, and rooms wait for it. */
const PATIENCE_MS = 5_000;

let opened: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      for (const name of STORES) request.result.createObjectStore(name);
    };
    request.onsuccess = () => {
      const database = request.result;
      const end = () => {
        database.close();
        opened = undefined;
      };
      // The user has deleted what sites keep, or a newer version of this code needs the database for itself.
      database.onclose = end;
      database.onversionchange = end;
      resolve(database);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** What a request gives. Transactions stay open while nothing else is waited for between two requests. */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * The database, opened when it is first used.
 * @internal
 */
export class Storage {
  readonly noStorage: NoStorage;

  constructor(noStorage: NoStorage) {
    this.noStorage = noStorage;
  }

  /**
   * Does something in one transaction. Resolves once that is complete, so that what was written is there to stay.
   *
   * @throws PeerloomError `no-storage`
   */
  async use<R>(
    names: StoreName[],
    mode: IDBTransactionMode,
    work: (stores: Stores) => Promise<R>,
  ): Promise<R> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the database does not answer")), PATIENCE_MS);
    });
    try {
      return await Promise.race([transact(names, mode, work), late]);
    } catch (cause) {
      // That of somebody who could not make sense of what was found.
      if ((cause as PeerloomError).code === "no-storage") throw cause;
      opened = undefined;
      throw this.noStorage(`the browser keeps nothing for this page (${cause})`, cause);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function transact<R>(
  names: StoreName[],
  mode: IDBTransactionMode,
  work: (stores: Stores) => Promise<R>,
): Promise<R> {
  const database = await open();
  // An identity that others know is not to be lost with the machine's power.
  const durability = names.includes("identities") ? "strict" : "relaxed";
  const transaction = database.transaction(names, mode, { durability });
  const ended = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was given up"));
  });
  const [result] = await Promise.all([work((name) => transaction.objectStore(name)), ended]);
  return result;
}
