#!/usr/bin/env node
// npx peerloom doctor URL
import { parseArgs } from "node:util";
import { examine, type Options, type Step } from "./doctor.js";

const USAGE = `npx peerloom doctor URL [options]

Looks at a signaling server from outside: its name, TLS, version, clock, WebSocket, origin, a join, STUN and TURN.

  --origin ORIGIN  as a page from there (the server's own origin)
  --token TOKEN    with this admission token
  --room NAME      in this room (one in which nobody else is)
  --timeout MS     what each step may take (5000)
  --json           as JSON, a step in each line

It ends with 0 when nothing failed, with 1 when something did, and with 2 when it was not called rightly.
`;

class Misuse extends Error {}

function read(args: string[]): Options & { json: boolean } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      origin: { type: "string" },
      token: { type: "string" },
      room: { type: "string" },
      timeout: { type: "string", default: "5000" },
      json: { type: "boolean", default: false },
    },
  });
  const [command, address, ...rest] = positionals;
  if (command !== "doctor" || address === undefined || rest.length > 0)
    throw new Misuse("a command and a URL are wanted");
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^(https?|wss?):$/.test(url.protocol))
    throw new Misuse(`not an http or https address: ${address}`);
  url.protocol = url.protocol.replace("ws", "http");
  const timeoutMs = Number(values.timeout);
  if (!(timeoutMs > 0 && timeoutMs <= 600_000)) throw new Misuse("--timeout wants milliseconds");
  const { room, token, json } = values;
  return {
    url,
    origin: values.origin ?? url.origin,
    ...(room !== undefined && { room }),
    ...(token !== undefined && { token }),
    timeoutMs,
    json,
  };
}

const MARKS = { ok: "ok     ", warning: "warning", failed: "FAILED " };

function tell({ name, result, found, remedy }: Step): void {
  console.log(`${MARKS[result]}  ${name.padEnd(9)}  ${found}`);
  if (remedy !== undefined) console.log(`                    ${remedy}`);
}

try {
  const { json, ...options } = read(process.argv.slice(2));
  for await (const step of examine(options)) {
    if (json) console.log(JSON.stringify(step));
    else tell(step);
    if (step.result === "failed") process.exitCode = 1;
  }
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exitCode = 2;
}
