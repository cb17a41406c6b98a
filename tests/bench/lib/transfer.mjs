// What one page sends and another reads, and how long that takes.

const MEBIBYTE = 1024 * 1024;

/** Sends so many bytes, in messages of this size or what the contender wants; gives MiB a second. */
export async function sendBytes([sender, receiver], bytes, messageBytes) {
  const receiving = receiver.run((bytes) => bench.receiveBytes(bytes), bytes);
  const what = messageBytes === undefined ? [bytes] : [bytes, messageBytes];
  const sending = sender.run((...what) => bench.sendBytes(...what), ...what);
  const [ended, began] = await Promise.all([receiving, sending]);
  return bytes / MEBIBYTE / ((ended - began) / 1_000);
}
