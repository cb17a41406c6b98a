/** The state of the link to the server, what it can see, and a calm word when it is down: what is already woven holds. */
import type { Security } from "peerloom";
import { need } from "./dom";

const WORDS: Record<string, string> = {
  waiting: "not asked yet",
  connecting: "connecting",
  connected: "connected",
  reconnecting: "reconnecting",
  closed: "disconnected",
};

type Kept = readonly [words: string, key: string, meaning: string];
const OPEN: Kept = ["open to all", "open", "Whoever knows the room's name can enter."];
const SECURITY: readonly Kept[] = [
  [
    "only by link",
    "secret",
    "Only who has the link can enter. The server reads neither the room's name nor who is here.",
  ],
  [
    "only by passphrase",
    "passphrase",
    "Only who was told the passphrase can enter. The server cannot find it out: it reads the room's name and yours, and nothing that you send.",
  ],
];

export interface ServerView {
  state(state: string): void;
  /** Who can get into the room, and how much the server could know. */
  security(security: Security): void;
  /** A sentence across the page; an empty one takes it away. */
  notice(text: string): void;
  /** One that stays when the others are gone, until it is taken away, with a button that does something about it. */
  standing(text: string, action: HTMLButtonElement): void;
}

export function createServerView(): ServerView {
  const badge = need("server", HTMLElement);
  const word = need("server-state", HTMLElement);
  const notice = need("notice", HTMLElement);
  const room = need("room-security", HTMLElement);

  let passing = "";
  let standing: [text: string, action: HTMLButtonElement] | undefined;
  let shown = "";
  function show(): void {
    const text = passing || (standing?.[0] ?? "");
    // Said again, the same would be read out again.
    if (text === shown) return;
    shown = text;
    notice.replaceChildren(...(passing ? [passing] : (standing ?? [])));
    notice.hidden = text === "";
  }
  function say(text: string): void {
    passing = text;
    show();
  }

  return {
    notice: say,
    standing(text, action) {
      standing = text === "" ? undefined : [text, action];
      show();
    },
    security(security) {
      const [words, key, meaning] = SECURITY.find(([, key]) => security.includes(key)) ?? OPEN;
      room.textContent = words;
      room.dataset.security = key;
      room.title = meaning;
    },
    state(state) {
      badge.dataset.state = state;
      word.textContent = WORDS[state] ?? state;
      if (state === "connected") say("");
      if (state === "reconnecting") {
        say("The server is out of reach. Direct links keep working; newcomers can join once it is back.");
      }
    },
  };
}
