/**
 * The list of the others: name, colour, path and round trip (a button that opens the details), a button to send each one
 * a file, and one to cut the direct path and watch it heal.
 *
 * A file can also be dropped on an entry. The list is updated in place, so the keyboard focus stays put.
 */
import type { Person } from "./crowd";
import { el, formatRtt, need, setText } from "./dom";
import { PATH_MEANING, SILENT } from "./words";

interface Entry {
  readonly item: HTMLLIElement;
  readonly yarn: HTMLElement;
  readonly name: HTMLElement;
  readonly path: HTMLElement;
  readonly rtt: HTMLElement;
  /** Says whose connection it is, to those who hear the button alone. */
  readonly whose: HTMLElement;
  readonly code: HTMLElement;
  readonly cut: HTMLButtonElement;
  readonly send: HTMLButtonElement;
}

export interface PeopleActions {
  /** The button was pressed: let the user pick a file for this peer. */
  pickFile(id: string): void;
  /** The path was pressed: show more of the connection. */
  showDetails(id: string): void;
  /** Breaks the direct path, to see what happens. */
  cutPath(id: string): void;
  /** A file was dropped on the entry. */
  sendFile(id: string, file: File): void;
}

export function createPeople(actions: PeopleActions): { show(people: Iterable<Person>): void } {
  const list = need("peers", HTMLUListElement);
  const empty = need("peers-empty", HTMLElement);
  const hint = need("codes-hint", HTMLElement);
  const entries = new Map<string, Entry>();

  function create(id: string): Entry {
    const yarn = el("span", { "aria-hidden": "true" });
    const name = el("span", { class: "peer-name" });
    const path = el("span", { class: "path", "data-testid": "link-path" });
    const rtt = el("span", { class: "rtt" });
    const whose = el("span", { class: "visually-hidden" });
    const link = el(
      "button",
      { type: "button", class: "peer-link", "data-testid": "open-details", "aria-haspopup": "dialog" },
      path,
      rtt,
      whose,
    );
    link.addEventListener("click", () => actions.showDetails(id));
    const code = el("span", { class: "peer-code", "data-testid": "safety-code" });
    const send = el("button", { type: "button", class: "small" }, "Send file");
    send.addEventListener("click", () => actions.pickFile(id));
    const cut = el("button", { type: "button", class: "small quiet", "data-testid": "cut-path" }, "Cut");
    cut.title = "Breaks the direct path. Watch how it heals: nothing you send meanwhile is lost.";
    cut.addEventListener("click", () => actions.cutPath(id));
    const item = el(
      "li",
      { class: "peer", "data-testid": "peer" },
      yarn,
      el("span", { class: "peer-text" }, name, link),
      cut,
      send,
      code,
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
    return { item, yarn, name, path, rtt, whose, code, cut, send };
  }

  return {
    show(people) {
      const here = new Set<string>();
      for (const { peer, name, dye, rttMs, code } of people) {
        here.add(peer.id);
        let entry = entries.get(peer.id);
        if (!entry) {
          entry = create(peer.id);
          entries.set(peer.id, entry);
        }
        entry.yarn.className = `yarn dye-${dye}`;
        setText(entry.name, name);
        const silent = peer.state === "suspended";
        setText(entry.path, silent ? "silent" : peer.path);
        entry.path.dataset.path = silent ? "connecting" : peer.path;
        entry.path.title = silent ? SILENT : PATH_MEANING[peer.path];
        entry.cut.disabled = peer.path !== "direct" && peer.path !== "turn";
        entry.cut.setAttribute("aria-label", `Cut the direct path to ${name}`);
        setText(entry.rtt, rttMs === undefined ? "" : formatRtt(rttMs));
        setText(entry.whose, `, details of the connection with ${name}`);
        setText(entry.code, code ? `${code.emoji.join(" ")}  ${code.digits}` : "");
        entry.code.title = `${name} sees the same code, unless somebody is in between.`;
        entry.send.setAttribute("aria-label", `Send file to ${name}`);
      }
      for (const [id, entry] of entries) {
        if (here.has(id)) continue;
        entry.item.remove();
        entries.delete(id);
      }
      empty.hidden = here.size > 0;
      hint.hidden = here.size === 0;
    },
  };
}
