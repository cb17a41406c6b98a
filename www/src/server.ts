/** The state of the link to the server, what it can see, and a calm word when it is down: what is already woven holds. */
import type { Security } from "peerloom";
import { need } from "./dom";

const WORDS: Record<string, string> = {
  connecting: "connecting",
  connected: "connected",
  reconnecting: "reconnecting",
  closed: "disconnected",
};

export interface ServerView {
  state(state: string): void;
  /** Who can get into the room, and how much the server could know. */
  security(security: Security): void;
  /** A sentence across the page; an empty one takes it away. */
  notice(text: string): void;
}

export function createServerView(): ServerView {
  const badge = need("server", HTMLElement);
  const word = need("server-state", HTMLElement);
  const notice = need("notice", HTMLElement);
  const room = need("room-security", HTMLElement);

  function say(text: string): void {
    notice.textContent = text;
    notice.hidden = text === "";
  }

  return {
    notice: say,
    security(security) {
      const secret = security.includes("secret");
      room.textContent = secret ? "only by link" : "open to all";
      room.dataset.security = secret ? "secret" : "open";
      room.title = secret
        ? "Only who has the link can enter. The server reads neither the room's name nor who is here."
        : "Whoever knows the room's name can enter.";
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
