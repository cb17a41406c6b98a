// Puts the functions of a module in an order that compresses well: like beside like.
import { readFileSync, writeFileSync } from "node:fs";
import { Failure } from "./run.mjs";

/** Pieces of code are alike by the runs of this many bytes that they share. */
const RUN = 4;
const CODE = 10;

/** The bodies of a module's functions (WebAssembly core specification, 5.5.13). */
function bodies(wasm) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = wasm[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < wasm.length) {
    const section = wasm[at++];
    const end = number() + at;
    if (section === CODE) {
      return Array.from({ length: number() }, () => {
        const length = number();
        at += length;
        return wasm.subarray(at - length, at);
      });
    }
    at = end;
  }
  return [];
}

/** How much two sets have in common, of all they have. */
function likeness(a, b) {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let both = 0;
  for (const one of small) if (large.has(one)) both++;
  return both / (a.size + b.size - both || 1);
}

/** Begins with the first, and goes on with whichever of the others is most like the one before. */
function likeBesideLike(functions) {
  const runs = functions.map((body) => {
    const starts = Array.from({ length: Math.max(body.length - RUN + 1, 0) }, (_, start) => start);
    return new Set(starts.map((start) => body.toString("latin1", start, start + RUN)));
  });
  const left = new Set(functions.keys());
  const order = [];
  for (let last = 0; left.size > 0; ) {
    order.push(last);
    left.delete(last);
    const before = runs[last];
    let most = -1;
    for (const other of left) {
      const alike = likeness(before, runs[other]);
      if (alike > most) [most, last] = [alike, other];
    }
  }
  return order;
}

/**
 * Rewrites a module's text, as `wasm-dis` made it from `wasm`, with its functions in another order. In the text they
 * are called by name, so that nothing else changes.
 */
export function orderFunctions(wasm, text) {
  const order = likeBesideLike(bodies(readFileSync(wasm)));
  const [head, ...functions] = readFileSync(text, "utf8").split(/^(?= \(func )/m);
  if (functions.length !== order.length) {
    throw new Failure(`${text} has ${functions.length} functions, and ${wasm} ${order.length}`);
  }
  // Behind the last function the module ends.
  const last = functions.length - 1;
  const [body] = functions[last].split("\n )\n");
  functions[last] = `${body}\n )\n`;
  writeFileSync(text, `${head}${order.map((index) => functions[index]).join("")})\n`);
}
