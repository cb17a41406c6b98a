// What a page keeps of itself and of the names of others, and how tests get at it.
import type { Peer } from "./fixtures.ts";

/** Joins as one who knows the others by their metadata. */
export const joinKnowing = (
  peer: Peer,
  room: string,
  options: { identity?: "persistent"; app?: string } = {},
) =>
  peer.joinWith(
    async ({ joinRoom }, given) => {
      await joinRoom({
        ...given,
        knownBy: ({ metadata }) => (typeof metadata === "string" ? metadata : undefined),
      });
    },
    { room, ...options },
  );

/** What a page was told of those that go by a name: how each came, and who was another before. */
export async function told(peer: Peer): Promise<string[]> {
  const all = await peer.happenings();
  return all.flatMap(({ event, peer, state, known, label, before }) => {
    if (event === "identity-changed") return [`${label}: ${before} is now ${peer}`];
    return event === "peer" && state === "joined" ? [`${peer} ${known}`] : [];
  });
}

/** Why joining for good fails. */
export const failsToJoin = (page: Peer, room: string, app = "") =>
  page.run(({ joinRoom, failure }, given) => failure(joinRoom({ ...given, identity: "persistent" })), {
    room,
    app,
  });

/** What the page's origin stores under a key; null when there is nothing. Given as what it is made of. */
export const stored = (page: Peer, app: string) =>
  page.run(async ({ failure }, app) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("peerloom");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const record = await new Promise<Record<string, unknown> | undefined>((resolve, reject) => {
      const request = database.transaction("identities").objectStore("identities").get(app);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    database.close();
    if (record === undefined) return null;
    const key = (record.keys as CryptoKeyPair | undefined)?.privateKey;
    const exported = (format: "pkcs8" | "jwk") =>
      key && failure(crypto.subtle.exportKey(format as "pkcs8", key)).then((failed) => failed?.name);
    return {
      fields: Object.keys(record).sort(),
      secretBytes: (record.secret as Uint8Array).length,
      extractable: key?.extractable,
      exports: await Promise.all([exported("pkcs8"), exported("jwk")]),
    };
  }, app);

/** Writes a record in place of what is stored. The page must have joined for good before. */
export const overwrite = (
  page: Peer,
  store: "identities" | "names",
  key: string | string[],
  value: unknown,
) =>
  page.run(
    ({ kept }, { store, key, value }) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("peerloom");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const transaction = request.result.transaction(store, "readwrite");
          transaction.objectStore(store).put(value ?? kept.value, key);
          transaction.oncomplete = () => {
            request.result.close();
            resolve();
          };
          transaction.onabort = () => reject(transaction.error);
        };
      }),
    { store, key, value },
  );
