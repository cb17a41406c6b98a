/**
 * Shared pointers on the stage. Positions are fractions of the stage, so they mean the same on every screen.
 *
 * They travel with delivery "latest": a position that is late is worthless, so nothing is ever sent again. The
 * stage can be focused, and then the arrow keys move the pointer too.
 */
import { el, need } from "./dom";
import type { Cursor } from "./schemas";

/** At most this often; more would not look smoother. */
const SEND_EVERY_MS = 33;
/** A pointer that has been still for this long fades away. */
const FADE_AFTER_MS = 8000;
const KEY_STEP = 0.02;

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export interface Cursors {
  show(id: string, name: string, dye: number, position: Cursor): void;
  remove(id: string): void;
}

export function createCursors(myDye: () => number, onMove: (position: Cursor) => void): Cursors {
  const stage = need("cursors", HTMLElement);
  const pointers = new Map<
    string,
    { arrow: HTMLElement; tag: HTMLElement; timer?: ReturnType<typeof setTimeout> }
  >();

  // What is to be sent next, if anything; only the newest counts.
  let next: Cursor | undefined;
  let waiting = false;
  function move(position: Cursor): void {
    next = position;
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      if (next !== undefined) onMove(next);
      next = undefined;
    }, SEND_EVERY_MS);
  }

  stage.tabIndex = 0;
  for (const moving of ["pointerdown", "pointermove"] as const) {
    stage.addEventListener(moving, (event) => {
      const box = stage.getBoundingClientRect();
      move({
        x: clamp((event.clientX - box.left) / box.width),
        y: clamp((event.clientY - box.top) / box.height),
      });
    });
  }
  for (const leaving of ["pointerleave", "pointercancel", "blur"])
    stage.addEventListener(leaving, () => move(null));

  let keyed = { x: 0.5, y: 0.5 };
  stage.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    keyed = { x: clamp(keyed.x + arrow[0] * KEY_STEP), y: clamp(keyed.y + arrow[1] * KEY_STEP) };
    move(keyed);
    show("self", "You", myDye(), keyed);
  });
  stage.addEventListener("blur", () => remove("self"));

  function show(id: string, name: string, dye: number, position: Cursor): void {
    if (!position) {
      remove(id);
      return;
    }
    let pointer = pointers.get(id);
    if (!pointer) {
      const tag = el("span", { class: "cursor-name" });
      pointer = { arrow: el("span", { "aria-hidden": "true" }, tag), tag };
      pointers.set(id, pointer);
      stage.append(pointer.arrow);
    }
    pointer.arrow.className = `cursor dye-${dye}`;
    pointer.tag.textContent = name;
    // Set through the CSSOM, which a strict Content-Security-Policy allows; a style attribute it would not.
    pointer.arrow.style.left = `${position.x * 100}%`;
    pointer.arrow.style.top = `${position.y * 100}%`;
    clearTimeout(pointer.timer);
    pointer.timer = setTimeout(() => pointer.arrow.classList.add("faded"), FADE_AFTER_MS);
  }

  function remove(id: string): void {
    const pointer = pointers.get(id);
    if (!pointer) return;
    clearTimeout(pointer.timer);
    pointer.arrow.remove();
    pointers.delete(id);
  }

  return { show, remove };
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
