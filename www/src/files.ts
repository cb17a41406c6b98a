/**
 * Sends a file to one peer and receives theirs.
 *
 * The talk goes over a typed channel: `begin` (name, type, size), then the receiver's `accept`, and its `done`
 * at the end. The bytes go over a channel of their own, in pieces that begin with the transfer's id, so that
 * several files can be on their way at once. Sending waits for `accept`, since two channels keep no order
 * between them. Whoever receives counts: no more than the declared size, and no more than a set amount in all.
 */
import type { Peer } from "peerloom";
import { formatBytes } from "./dom";
import type { DemoRoom } from "./room";
import { type FileMessage, LIMITS } from "./schemas";
import { createTransferView, PICTURES, type TransferView } from "./transfer";

const PIECE_BYTES = 256 * 1024;
const HEADER_BYTES = 4;
/** A transfer in which nothing happens for this long has failed. */
const IDLE_MS = 30_000;
const MAX_INCOMING = 16;

export interface FilesHost {
  nameOf(id: string): string;
  dyeOf(id: string): number;
  myDye(): number;
  /** Puts the transfer into the conversation. */
  show(node: HTMLElement): void;
  /** Says something that matters aloud. */
  announce(text: string): void;
  /** A piece went from one peer to another. */
  moved(from: string, to: string): void;
}

interface Outgoing {
  to: Peer;
  file: File;
  view: TransferView;
  abort: AbortController;
  timer: ReturnType<typeof setTimeout> | undefined;
}
interface Incoming {
  from: Peer;
  name: string;
  type: string;
  size: number;
  received: number;
  pieces: Uint8Array<ArrayBuffer>[];
  view: TransferView;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export interface Files {
  send(to: Peer, file: File): void;
  /** The peer has left: what was on its way is lost. */
  left(id: string): void;
}

export function createFiles(room: DemoRoom, host: FilesHost): Files {
  const outgoing = new Map<number, Outgoing>();
  const incoming = new Map<string, Incoming>();
  let lastId = 0;
  /** Bytes received, or promised to be, since the page was opened: they stay in memory as long as it does. */
  let heldBytes = 0;

  const say = (to: Peer, message: FileMessage): void => {
    room.file.send(message, { to }).catch(() => undefined); // the peer has left: `left` cleans up
  };

  // --- sending ---

  function send(to: Peer, file: File): void {
    const id = ++lastId;
    const view = createTransferView({
      title: `You to ${host.nameOf(to.id)}`,
      dye: host.myDye(),
      name: file.name,
      size: file.size,
      mine: true,
      onCancel: () => {
        say(to, { kind: "cancel", id, reason: "The sender cancelled." });
        failOutgoing(id, "Cancelled.");
      },
    });
    host.show(view.node);
    if (file.size > LIMITS.fileBytes) {
      view.failed(`Too large: at most ${formatBytes(LIMITS.fileBytes)}.`);
      return;
    }
    outgoing.set(id, { to, file, view, abort: new AbortController(), timer: undefined });
    touchOutgoing(id);
    const name = file.name.slice(-LIMITS.fileNameChars) || "file";
    say(to, { kind: "begin", id, name, type: file.type.slice(0, 100), size: file.size });
  }

  async function pump(id: number, transfer: Outgoing): Promise<void> {
    const { to, file, view, abort } = transfer;
    for (let offset = 0; offset < file.size; offset += PIECE_BYTES) {
      const bytes = await file.slice(offset, offset + PIECE_BYTES).arrayBuffer();
      const piece = new Uint8Array(HEADER_BYTES + bytes.byteLength);
      new DataView(piece.buffer).setUint32(0, id);
      piece.set(new Uint8Array(bytes), HEADER_BYTES);
      // Waits while the connection has enough to do: that is all the flow control a sender needs.
      await room.piece.send(piece, { to, signal: abort.signal });
      if (!outgoing.has(id)) return;
      view.progress(offset + bytes.byteLength);
      host.moved(room.self.id, to.id);
      touchOutgoing(id);
    }
  }

  function touchOutgoing(id: number): void {
    const transfer = outgoing.get(id);
    if (!transfer) return;
    clearTimeout(transfer.timer);
    transfer.timer = setTimeout(() => failOutgoing(id, "No answer."), IDLE_MS);
  }
  function failOutgoing(id: number, reason: string): void {
    const transfer = outgoing.get(id);
    if (!transfer) return;
    outgoing.delete(id);
    clearTimeout(transfer.timer);
    transfer.abort.abort();
    transfer.view.failed(reason);
    host.announce(`${transfer.file.name}: ${reason}`);
  }

  // --- receiving ---

  /** Why a file cannot be taken, if it cannot. */
  function refuse(key: string, size: number): string | undefined {
    if (incoming.has(key)) return "That transfer has begun already.";
    if (incoming.size >= MAX_INCOMING) return "Too many files at once.";
    if (heldBytes + size > LIMITS.fileBytes) return "The receiver has no room for it.";
    return undefined;
  }

  function begin(from: Peer, id: number, name: string, type: string, size: number): void {
    const key = `${from.id} ${id}`;
    const refusal = refuse(key, size);
    if (refusal) {
      say(from, { kind: "cancel", id, reason: refusal });
      return;
    }
    const view = createTransferView({
      title: `${host.nameOf(from.id)} to you`,
      dye: host.dyeOf(from.id),
      name,
      size,
      mine: false,
      onCancel: () => {
        say(from, { kind: "cancel", id, reason: "The receiver cancelled." });
        failIncoming(key, "Cancelled.");
      },
    });
    host.show(view.node);
    heldBytes += size;
    incoming.set(key, { from, name, type, size, received: 0, pieces: [], view, timer: undefined });
    touchIncoming(key);
    say(from, { kind: "accept", id });
    if (size === 0) complete(key, id);
  }

  function receive(from: Peer, data: Uint8Array): void {
    if (data.byteLength <= HEADER_BYTES) return;
    const id = new DataView(data.buffer, data.byteOffset).getUint32(0);
    const key = `${from.id} ${id}`;
    const transfer = incoming.get(key);
    if (!transfer) return; // cancelled: what was under way still arrives
    const piece = data.slice(HEADER_BYTES);
    transfer.received += piece.byteLength;
    if (transfer.received > transfer.size) {
      say(from, { kind: "cancel", id, reason: "More bytes than declared." });
      failIncoming(key, "More bytes came than were declared.");
      return;
    }
    transfer.pieces.push(piece);
    transfer.view.progress(transfer.received);
    host.moved(from.id, room.self.id);
    touchIncoming(key);
    if (transfer.received === transfer.size) complete(key, id);
  }

  function complete(key: string, id: number): void {
    const transfer = incoming.get(key);
    if (!transfer) return;
    incoming.delete(key);
    clearTimeout(transfer.timer);
    // Only known pictures keep their type: a page made of strangers' bytes must never open as one of ours.
    const type = PICTURES.has(transfer.type) ? transfer.type : "application/octet-stream";
    const { path } = transfer.from;
    const way = path === "direct" ? "directly" : path === "turn" ? "through TURN" : "through the server";
    transfer.view.done(new Blob(transfer.pieces, { type }), `${formatBytes(transfer.size)}, came ${way}`);
    say(transfer.from, { kind: "done", id });
    host.announce(`${host.nameOf(transfer.from.id)} sent you ${transfer.name}.`);
  }

  function touchIncoming(key: string): void {
    const transfer = incoming.get(key);
    if (!transfer) return;
    clearTimeout(transfer.timer);
    transfer.timer = setTimeout(() => failIncoming(key, "Nothing more came."), IDLE_MS);
  }
  function failIncoming(key: string, reason: string): void {
    const transfer = incoming.get(key);
    if (!transfer) return;
    incoming.delete(key);
    clearTimeout(transfer.timer);
    heldBytes -= transfer.size;
    transfer.view.failed(reason);
    host.announce(`${transfer.name}: ${reason}`);
  }

  // --- wiring ---

  room.piece.on(({ from, data }) => receive(from, data));
  room.file.on(({ from, data }) => {
    if (data.kind === "begin") return begin(from, data.id, data.name, data.type, data.size);
    const transfer = outgoing.get(data.id);
    const ours = transfer?.to.id === from.id ? transfer : undefined;
    if (data.kind === "cancel") {
      failIncoming(`${from.id} ${data.id}`, data.reason);
      if (ours) failOutgoing(data.id, data.reason);
    } else if (ours && data.kind === "accept") {
      touchOutgoing(data.id);
      pump(data.id, ours).catch((error) => failOutgoing(data.id, reasonOf(error)));
    } else if (ours) {
      outgoing.delete(data.id);
      clearTimeout(ours.timer);
      ours.view.done(ours.file, `${formatBytes(ours.file.size)}, delivered`);
      host.announce(`${ours.file.name} was delivered.`);
    }
  });

  return {
    send,
    left(id) {
      for (const [key, transfer] of incoming)
        if (transfer.from.id === id) failIncoming(key, "The sender left.");
      for (const [key, transfer] of outgoing)
        if (transfer.to.id === id) failOutgoing(key, "The receiver left.");
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "Failed.";
}
