/**
 * Messages of a declared shape in few bytes, `peerloom/compact`: names and types are in the declaration and do not travel.
 * The bytes are those of [postcard](https://postcard.jamesmunns.com/wire-format), so that Rust reads them by its own types.
 *
 * @module
 */
import type { Codec } from "./codec.js";
import { PeerloomError } from "./errors.js";
import { Reader, Writer } from "./octets.js";

/** What values of a kind look like, in memory and on the wire. */
export interface Shape<T> {
  /** The shape as text, which both sides must have alike. */
  readonly text: string;
  /** @internal */
  write(writer: Writer, value: T): void;
  /** @internal */
  read(reader: Reader): T;
}

/** The type of a shape's values. */
export type ValueOf<S> = S extends Shape<infer T> ? T : never;

type Fields = { readonly [name: string]: Shape<unknown> };
type OptionalIn<F> = { [K in keyof F]: undefined extends ValueOf<F[K]> ? K : never }[keyof F];

/** The object that these fields make. An {@link option} may be left out. */
export type RecordOf<F> = {
  -readonly [K in Exclude<keyof F, OptionalIn<F>>]: ValueOf<F[K]>;
} & { -readonly [K in OptionalIn<F>]?: ValueOf<F[K]> };

/** One of several objects, told apart by the text under `tag`. */
export type VariantOf<Tag extends string, V> = {
  [K in keyof V]: { [T in Tag]: K } & RecordOf<V[K]>;
}[keyof V];

/**
 * A codec for {@link channel.of}. Its name holds a hash of the shape's text: pages whose shapes differ do not fit together,
 * and are told so (`protocol-mismatch`) before anything is misread.
 */
export function compact<T>(shape: Shape<T>): Codec<T> {
  const writer = new Writer();
  const reader = new Reader();
  return {
    name: `compact-${hash(shape.text)}`,
    encode: (message) => {
      writer.start();
      shape.write(writer, message);
      return writer.written();
    },
    decode: (bytes) => {
      reader.start(bytes);
      const message = shape.read(reader);
      reader.end();
      return message;
    },
  };
}

/** FNV-1a of 64 bits, over UTF-8. Nobody is to be kept from finding another text of the same hash. */
function hash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

function wrong(what: string): PeerloomError {
  return new PeerloomError("invalid-message", `the message does not fit its shape: ${what}`);
}

/** A shape of plain values, by what tells them from others. */
function plain<T>(
  text: string,
  is: (value: unknown) => boolean,
  write: (writer: Writer, value: T) => void,
  read: (reader: Reader) => T,
): Shape<T> {
  return {
    text,
    write: (writer, value) => {
      if (!is(value)) throw wrong(`${JSON.stringify(writer.field)} is not ${text}`);
      write(writer, value);
    },
    read,
  };
}

/** Whether something is a whole number from the one to the other. */
const isWhole = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/** Whole numbers of one byte or more; what does not lie between the two is refused at both ends. */
function whole(text: string, least: number, most: number): Shape<number> {
  const is = isWhole(least, most);
  // Zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, …, so that small ones are short.
  const signed = least < 0;
  return plain(
    text,
    is,
    (writer, value) => writer.varint(!signed ? value : value < 0 ? -2 * value - 1 : 2 * value),
    (reader) => {
      const read = reader.varint();
      const value = !signed ? read : read % 2 === 0 ? read / 2 : -(read + 1) / 2;
      if (!is(value)) throw wrong(`${value} is not ${text}`);
      return value;
    },
  );
}

const isNumber = (value: unknown) => typeof value === "number";

/** `true` or `false`. */
export const bool: Shape<boolean> = plain(
  "bool",
  (value) => typeof value === "boolean",
  (writer, value) => writer.byte(value ? 1 : 0),
  (reader) => reader.flag(),
);

/** A whole number from 0 to 255. */
export const u8: Shape<number> = plain(
  "u8",
  isWhole(0, 255),
  (writer, value) => writer.byte(value),
  (reader) => reader.byte(),
);

/** A whole number from 0 to 65,535. */
export const u16 = whole("u16", 0, 65_535);

/** A whole number from 0 to 4,294,967,295. */
export const u32 = whole("u32", 0, 4_294_967_295);

/** A whole number from 0 to 2^53 - 1, the largest that is exact here; `u64` in Rust. */
export const u53 = whole("u53", 0, Number.MAX_SAFE_INTEGER);

/** A whole number from -32,768 to 32,767. */
export const i16 = whole("i16", -32_768, 32_767);

/** A whole number from -2,147,483,648 to 2,147,483,647. */
export const i32 = whole("i32", -2_147_483_648, 2_147_483_647);

/** A whole number from -2^52 to 2^52 - 1; `i64` in Rust. */
export const i53 = whole("i53", -(2 ** 52), 2 ** 52 - 1);

/** Any number, to about seven digits. */
export const f32: Shape<number> = plain(
  "f32",
  isNumber,
  (writer, value) => writer.float(4, value),
  (reader) => reader.float(4),
);

/** Any number. */
export const f64: Shape<number> = plain(
  "f64",
  isNumber,
  (writer, value) => writer.float(8, value),
  (reader) => reader.float(8),
);

/** Text. Halves of surrogate pairs become U+FFFD. */
export const text: Shape<string> = plain(
  "text",
  (value) => typeof value === "string",
  (writer, value) => writer.text(value),
  (reader) => reader.text(),
);

/** A `Uint8Array`, which is yours; `Vec<u8>` in Rust. */
export const bytes: Shape<Uint8Array> = plain(
  "bytes",
  (value) => value instanceof Uint8Array,
  (writer, value) => writer.bytes(value),
  (reader) => reader.bytes().slice(),
);

/** A value, or `undefined`. */
export function option<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    text: `option(${shape.text})`,
    write: (writer, value) => {
      writer.byte(value === undefined ? 0 : 1);
      if (value !== undefined) shape.write(writer, value);
    },
    read: (reader) => (reader.flag() ? shape.read(reader) : undefined),
  };
}

/** Any number of values of one shape. */
export function list<T>(shape: Shape<T>): Shape<T[]> {
  const { text } = shape;
  return plain(
    `list(${text})`,
    Array.isArray,
    (writer, values) => {
      writer.varint(values.length);
      for (const value of values) shape.write(writer, value);
    },
    (reader) => {
      // No shape takes less than a byte, so this bounds what a stranger can have made.
      const values: T[] = [];
      for (let left = reader.count(); left > 0; left -= 1) values.push(shape.read(reader));
      return values;
    },
  );
}

/** An object with these fields, in this order; a struct in Rust. */
export function record<const F extends Fields>(fields: F): Shape<RecordOf<F>> {
  const inner = new FieldList(fields);
  if (inner.isEmpty) throw new PeerloomError("bad-protocol", "a record has at least one field");
  return plain(
    inner.text,
    isObject,
    (writer, value) => inner.write(writer, value as Record<string, unknown>),
    (reader) => inner.read(reader, {}) as RecordOf<F>,
  );
}

/**
 * One of several objects: `variants("kind", { move: { x: f64 }, stop: {} })` is `{ kind: "move", x }` or `{ kind: "stop" }`;
 * in Rust an enum whose variants have these fields, in this order.
 */
export function variants<Tag extends string, const V extends { readonly [name: string]: Fields }>(
  tag: Tag,
  all: V,
): Shape<VariantOf<Tag, V>> {
  const list = Object.entries(all).map(([name, fields]) => ({ name, fields: new FieldList(fields) }));
  const numbers = new Map(list.map(({ name }, number) => [name, number]));
  return plain(
    `${tag}{${list.map(({ name, fields }) => `${name}${fields.text}`).join(",")}}`,
    isObject,
    (writer, value) => {
      const number = numbers.get((value as Record<string, string>)[tag] ?? "");
      const variant = list[number ?? list.length];
      if (number === undefined || variant === undefined) throw wrong(`no such ${tag}`);
      writer.varint(number);
      variant.fields.write(writer, value as Record<string, unknown>);
    },
    (reader) => {
      const variant = list[reader.varint()];
      if (variant === undefined) throw wrong(`no such ${tag}`);
      return variant.fields.read(reader, { [tag]: variant.name }) as VariantOf<Tag, V>;
    },
  );
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;

/** The fields of an object, in the order declared. */
class FieldList {
  readonly text: string;
  readonly #names: readonly string[];
  readonly #shapes: readonly Shape<unknown>[];

  constructor(fields: Fields) {
    this.#names = Object.keys(fields);
    this.#shapes = Object.values(fields);
    this.text = `{${Object.entries(fields)
      .map(([name, shape]) => `${name}:${shape.text}`)
      .join(",")}}`;
  }

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  write(writer: Writer, value: Record<string, unknown>): void {
    for (let at = 0; at < this.#names.length; at += 1) {
      const name = this.#names[at] as string;
      writer.field = name;
      this.#shapes[at]?.write(writer, value[name]);
    }
  }

  read(reader: Reader, into: Record<string, unknown>): object {
    for (let at = 0; at < this.#names.length; at += 1) {
      const value = this.#shapes[at]?.read(reader);
      if (value !== undefined) into[this.#names[at] as string] = value;
    }
    return into;
  }
}
