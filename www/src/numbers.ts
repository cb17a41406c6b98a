/** What is known of a connection, in numbers and words: the facts, the channels, and the paths there were. */
import type { ChannelStats, PathUse, PeerStats } from "peerloom";
import { el, formatBytes, formatRtt, setText } from "./dom";
import { endWords, formatClock, formatShare, formatSpan } from "./words";

type Fact = readonly [key: string, name: string, of: (stats: PeerStats) => string];

const measure = (format: (value: number) => string, value: number | undefined) =>
  value === undefined ? "not known" : format(value);

const FACTS: readonly Fact[] = [
  ["rtt", "Round trip", ({ rttMs }) => measure(formatRtt, rttMs)],
  ["jitter", "Varies by (jitter)", ({ jitterMs }) => measure(formatRtt, jitterMs)],
  ["loss", "Checks lost (loss)", ({ lossRatio }) => measure(formatShare, lossRatio)],
  ["received", "Came in", ({ bytesReceived, messagesReceived }) => amount(bytesReceived, messagesReceived)],
  ["sent", "Went out", ({ bytesSent, messagesSent }) => amount(bytesSent, messagesSent)],
];
const ENDS: readonly Fact[] = [
  ["local", "This end", (stats) => endWords(stats)[0]],
  ["remote", "The other end", (stats) => endWords(stats)[1]],
];

function amount(bytes: number, messages: number): string {
  return `${formatBytes(bytes)} in ${messages} ${messages === 1 ? "message" : "messages"}`;
}

/** A part of the panel that is updated in place. */
export interface Part {
  readonly element: HTMLElement;
  show(stats: PeerStats): void;
}

/** Measures, amounts, and where packets begin and end. */
export function createFacts(): Part {
  const values = new Map<Fact, HTMLElement>();
  const list = (facts: readonly Fact[], name: string) => {
    const items = facts.map((fact) => {
      const value = el("dd", { "data-testid": `fact-${fact[0]}` });
      values.set(fact, value);
      return el("div", {}, el("dt", {}, fact[1]), value);
    });
    return el("dl", { class: name }, ...items);
  };
  return {
    element: el("div", { class: "facts" }, list(FACTS, "measures"), list(ENDS, "ends")),
    show(stats) {
      for (const [[, , of], value] of values) setText(value, of(stats));
    },
  };
}

interface Row {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLElement[];
}

/** A row for each channel, and one for streams and calls. */
export function createChannelTable(): Part {
  const rows = new Map<string, Row>();
  const body = el("tbody");
  // The second words are below the first on a phone, as the numbers are.
  const heads = [
    ["Channel"],
    ["Messages", " out / in"],
    ["Bytes", " out / in"],
    ["Sent", " again"],
    ["Waiting"],
  ];
  const table = el(
    "table",
    { class: "channels" },
    el("caption", { class: "visually-hidden" }, "Channels"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ...heads.map((words) => el("th", { scope: "col" }, ...words.map((word) => el("span", {}, word)))),
      ),
    ),
    body,
  );

  function row(label: string): Row {
    const known = rows.get(label);
    if (known) return known;
    const cells = Array.from({ length: 6 }, () => el("span"));
    const [out, into, bytesOut, bytesIn, again, waiting] = cells;
    // On a phone one is below the other.
    const both = (a: HTMLElement | undefined, b: HTMLElement | undefined) =>
      el("td", {}, a ?? "", el("span", { class: "slash" }, " / "), b ?? "");
    const element = el(
      "tr",
      { "data-testid": "channel", "data-label": label },
      el("th", { scope: "row" }, label),
      both(out, into),
      both(bytesOut, bytesIn),
      el("td", {}, again ?? ""),
      el("td", {}, waiting ?? ""),
    );
    const made = { element, cells };
    rows.set(label, made);
    body.append(element);
    return made;
  }

  function fill(label: string, counts: ChannelStats): void {
    const texts = [
      String(counts.messagesSent),
      String(counts.messagesReceived),
      formatBytes(counts.bytesSent),
      formatBytes(counts.bytesReceived),
      String(counts.messagesResent),
      formatBytes(counts.queuedBytes),
    ];
    row(label).cells.forEach((cell, index) => {
      setText(cell, texts[index] ?? "");
    });
  }

  return {
    element: table,
    show({ channels, exchange }) {
      for (const [label, counts] of Object.entries(channels)) fill(label, counts);
      fill("streams and calls", exchange);
    },
  };
}

/** The paths there were, the one in use first. */
export function createHistory(): Part {
  const list = el("ol", { class: "history", reversed: "" });
  return {
    element: list,
    show({ paths }) {
      const lines = paths.map((use, index) => describe(use, paths[index + 1]));
      const text = lines.map(([path, rest]) => `${path}${rest}`).join("\n");
      if (list.dataset.shown === text) return;
      list.dataset.shown = text;
      const items = lines.map(([path, rest]) =>
        el("li", {}, el("span", { class: "path", "data-path": path }, path), rest),
      );
      list.replaceChildren(...items.reverse());
    },
  };
}

function describe(
  { path, since, bytesSent, bytesReceived }: PathUse,
  next: PathUse | undefined,
): [string, string] {
  const time = next === undefined ? ` since ${formatClock(since)}` : ` for ${formatSpan(next.since - since)}`;
  const bytes = bytesSent + bytesReceived;
  return [path, bytes === 0 ? time : `${time}, ${formatBytes(bytes)}`];
}
