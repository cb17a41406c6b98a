/**
 * What may arrive from another browser, checked by hand.
 *
 * Each validator follows Standard Schema (https://standardschema.dev), so zod, valibot or arktype would do as
 * well; the checks are few, and written out they cost nothing. The SDK runs them on every message before a
 * handler sees it. What fails goes to `room.on("invalid")`.
 */

/** Limits both ends know. A message beyond them is refused on arrival. */
export const LIMITS = {
  nameChars: 40,
  chatChars: 2000,
  dyes: 8,
  links: 64,
  fileBytes: 200 * 1024 * 1024,
  fileNameChars: 200,
};

export interface Profile {
  /** What the person wants to be called. */
  name: string;
  /** Index of the colour, 0..7. A number cannot smuggle in CSS. */
  dye: number;
}
export interface ChatLine {
  text: string;
}
/** Where someone points, as a fraction of the stage; `null` when the pointer has left it. */
export type Cursor = { x: number; y: number } | null;
export type LinkPath = "connecting" | "direct" | "turn" | "relay";
/** One of the sender's own links, told to everyone so that each can draw the whole mesh. */
export interface LinkReport {
  to: string;
  path: LinkPath;
  rttMs?: number;
}
/** The talk around a file. Its bytes travel on a channel of their own, after `accept`. */
export type FileMessage =
  | { kind: "begin"; id: number; name: string; type: string; size: number }
  | { kind: "accept" | "done"; id: number }
  | { kind: "cancel"; id: number; reason: string };

interface Schema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => { value: T } | { issues: readonly { message: string }[] };
    readonly types?: { readonly input: unknown; readonly output: T };
  };
}

/** Turns a parser, which throws on bad input, into a Standard Schema. */
function schema<T>(parse: (value: unknown) => T): Schema<T> {
  return {
    "~standard": {
      version: 1,
      vendor: "peerloom-demo",
      validate(value) {
        try {
          return { value: parse(value) };
        } catch (error) {
          return { issues: [{ message: error instanceof Error ? error.message : String(error) }] };
        }
      },
    },
  };
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("expected an object");
  return value as Record<string, unknown>;
}
function text(value: unknown, what: string, min: number, max: number): string {
  if (typeof value !== "string") throw new Error(`${what}: expected text`);
  if (value.length < min || value.length > max)
    throw new Error(`${what}: expected ${min} to ${max} characters`);
  return value;
}
function number(value: unknown, what: string, min: number, max: number): number {
  if (typeof value !== "number" || !(value >= min && value <= max)) {
    throw new Error(`${what}: expected a number from ${min} to ${max}`);
  }
  return value;
}
function integer(value: unknown, what: string, min: number, max: number): number {
  const whole = number(value, what, min, max);
  if (!Number.isInteger(whole)) throw new Error(`${what}: expected a whole number`);
  return whole;
}
function path(value: unknown): LinkPath {
  if (value === "connecting" || value === "direct" || value === "turn" || value === "relay") return value;
  throw new Error("path: unknown");
}

/** Throws unless the value is a profile. Used for `peer.metadata` too, which nobody has checked yet. */
export function parseProfile(value: unknown): Profile {
  const { name, dye } = record(value);
  return {
    name: text(name, "name", 1, LIMITS.nameChars),
    dye: integer(dye, "dye", 0, LIMITS.dyes - 1),
  };
}

export const profileSchema = schema<Profile>(parseProfile);

export const chatSchema = schema<ChatLine>((value) => ({
  text: text(record(value).text, "text", 1, LIMITS.chatChars),
}));

export const cursorSchema = schema<Cursor>((value) => {
  if (value === null) return null;
  const { x, y } = record(value);
  return { x: number(x, "x", 0, 1), y: number(y, "y", 0, 1) };
});

export const linksSchema = schema<LinkReport[]>((value) => {
  if (!Array.isArray(value) || value.length > LIMITS.links) throw new Error("expected a short list");
  return value.map((item: unknown) => {
    const { to, path: way, rttMs } = record(item);
    const report: LinkReport = { to: text(to, "to", 1, 128), path: path(way) };
    if (rttMs !== undefined) report.rttMs = number(rttMs, "rttMs", 0, 600_000);
    return report;
  });
});

export const fileSchema = schema<FileMessage>((value) => {
  const { kind, id: rawId, name, type, size, reason } = record(value);
  const id = integer(rawId, "id", 0, 0xffff_ffff);
  switch (kind) {
    case "begin":
      return {
        kind,
        id,
        name: text(name, "name", 1, LIMITS.fileNameChars),
        type: text(type, "type", 0, 100),
        size: integer(size, "size", 0, LIMITS.fileBytes),
      };
    case "accept":
    case "done":
      return { kind, id };
    case "cancel":
      return { kind, id, reason: text(reason, "reason", 0, 200) };
    default:
      throw new Error("kind: unknown");
  }
});
