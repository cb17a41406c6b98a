/** The state of the link to the server, and a calm word when it is down: what is already woven holds. */
import { need } from "./dom";

const WORDS: Record<string, string> = {
  connecting: "connecting",
  connected: "connected",
  reconnecting: "reconnecting",
  closed: "disconnected",
};

export interface ServerView {
  state(state: string): void;
  /** A sentence across the page; an empty one takes it away. */
  notice(text: string): void;
}

export function createServerView(): ServerView {
  const badge = need("server", HTMLElement);
  const word = need("server-state", HTMLElement);
  const notice = need("notice", HTMLElement);

  function say(text: string): void {
    notice.textContent = text;
    notice.hidden = text === "";
  }

  return {
    notice: say,
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
