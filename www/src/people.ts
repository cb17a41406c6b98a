/**
 * The list of the others: name, colour, path and round trip, and a button to send each one a file.
 *
 * A file can also be dropped on an entry. The list is updated in place, so the keyboard focus stays put.
 */
import type { Person } from "./crowd";
import { el, formatRtt, need } from "./dom";
import type { LinkPath } from "./schemas";

/** What each path means, for whoever hovers or listens. */
const PATH_MEANING: Record<LinkPath, string> = {
  connecting: "The two browsers are finding a way to each other.",
  direct: "Straight from browser to browser.",
  turn: "Through a TURN relay, which cannot read it.",
  relay: "Through the server for now, until a direct path opens.",
};

interface Entry {
  readonly item: HTMLLIElement;
  readonly yarn: HTMLElement;
  readonly name: HTMLElement;
  readonly path: HTMLElement;
  readonly rtt: HTMLElement;
  readonly send: HTMLButtonElement;
}

export interface PeopleActions {
  /** The button was pressed: let the user pick a file for this peer. */
  pickFile(id: string): void;
  /** A file was dropped on the entry. */
  sendFile(id: string, file: File): void;
}

export function createPeople(actions: PeopleActions): { show(people: Iterable<Person>): void } {
  const list = need("peers", HTMLUListElement);
  const empty = need("peers-empty", HTMLElement);
  const entries = new Map<string, Entry>();

  function create(id: string): Entry {
    const yarn = el("span", { "aria-hidden": "true" });
    const name = el("span", { class: "peer-name" });
    const path = el("span", { class: "path", "data-testid": "link-path" });
    const rtt = el("span", { class: "rtt" });
    const send = el("button", { type: "button", class: "small" }, "Send file");
    send.addEventListener("click", () => actions.pickFile(id));
    const item = el(
      "li",
      { class: "peer", "data-testid": "peer" },
      yarn,
      el("span", { class: "peer-text" }, name, el("span", { class: "peer-link" }, path, rtt)),
      send,
    );
    item.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      item.classList.add("dropping");
    });
    item.addEventListener("dragleave", () => item.classList.remove("dropping"));
    item.addEventListener("drop", (event) => {
      event.preventDefault();
      item.classList.remove("dropping");
      for (const file of event.dataTransfer?.files ?? []) actions.sendFile(id, file);
    });
    list.append(item);
    return { item, yarn, name, path, rtt, send };
  }

  return {
    show(people) {
      const here = new Set<string>();
      for (const { peer, name, dye, rttMs } of people) {
        here.add(peer.id);
        let entry = entries.get(peer.id);
        if (!entry) {
          entry = create(peer.id);
          entries.set(peer.id, entry);
        }
        entry.yarn.className = `yarn dye-${dye}`;
        setText(entry.name, name);
        setText(entry.path, peer.path);
        entry.path.dataset.path = peer.path;
        entry.path.title = PATH_MEANING[peer.path];
        setText(entry.rtt, rttMs === undefined ? "" : formatRtt(rttMs));
        entry.send.setAttribute("aria-label", `Send file to ${name}`);
      }
      for (const [id, entry] of entries) {
        if (here.has(id)) continue;
        entry.item.remove();
        entries.delete(id);
      }
      empty.hidden = here.size > 0;
    },
  };
}

/** Writes only what changed: rewriting the same text would disturb a selection and wake screen readers. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
