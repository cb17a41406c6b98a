/**
 * Helpers for the pages: find an element that their HTML promises, make a new one, write into one.
 *
 * Text always becomes a text node, never markup: much of it was written by strangers.
 */

/** The element with this id. The page and its script are shipped together, so a missing one is our mistake. */
export function need<T extends Element>(id: string, type: abstract new (...args: never[]) => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} with id "${id}"`);
  return found;
}

/** Makes an element with attributes and children; a string child becomes a text node. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Writes only what changed: rewriting the same text would disturb a selection and wake screen readers. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Between a number and its unit, so that no line ends there. */
const NO_BREAK = "\u00a0";
const UNITS = ["B", "kB", "MB", "GB"];

/** `12345` as "12.3 kB": decimal units, at most three digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)}${NO_BREAK}${UNITS[unit]}`;
}

/** A round-trip time for people: "2 ms", and "<1 ms" where the clock is too coarse to say. */
export function formatRtt(rttMs: number): string {
  return rttMs < 1 ? `<1${NO_BREAK}ms` : `${Math.round(rttMs)}${NO_BREAK}ms`;
}
