/**
 * The conversation: what people wrote, and short notes on who came and went.
 *
 * The log is a live region (`role="log"`), so a screen reader says each new line. Everything from others is
 * put in as text nodes.
 */
import { el, need } from "./dom";

/** Older lines are dropped: the page may stay open for days. */
const MAX_LINES = 500;

export interface Chat {
  message(name: string, dye: number, text: string, mine: boolean): void;
  note(text: string): void;
  /** Puts something else into the conversation, such as a picture on its way. */
  append(node: HTMLElement): void;
  /** Lets the user send; before the room is joined there is nobody to send to. */
  enable(): void;
}

export function createChat(onSend: (text: string) => void): Chat {
  const log = need("chat-log", HTMLElement);
  const form = need("chat-form", HTMLFormElement);
  const input = need("chat-input", HTMLTextAreaElement);
  const send = need("chat-send", HTMLButtonElement);

  log.tabIndex = 0; // what scrolls must be reachable by keyboard

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || send.disabled) return;
    input.value = "";
    onSend(text);
  });
  input.addEventListener("keydown", (event) => {
    // While an input method is composing, Enter chooses a candidate.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  // Whoever reads at the end stays there, also when a picture loads or the window changes.
  let atEnd = true;
  const follow = (): void => {
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
  log.addEventListener("scroll", () => {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  log.addEventListener("load", follow, { capture: true }); // "load" does not bubble
  new ResizeObserver(follow).observe(log);

  let lastAuthor = "";
  function append(node: HTMLElement): void {
    log.append(node);
    while (log.childElementCount > MAX_LINES) log.firstElementChild?.remove();
    follow();
  }

  return {
    message(name, dye, text, mine) {
      const author = `${mine} ${dye} ${name}`;
      const line = el("div", { class: `line dye-${dye}${mine ? " mine" : ""}` });
      // Someone's next line in a row need not repeat the name to the eye; a screen reader still says it.
      const repeated = author === lastAuthor;
      lastAuthor = author;
      line.append(
        el("span", { class: repeated ? "visually-hidden" : "author" }, mine ? `${name} (you)` : name, " "),
        el("span", { class: "said" }, text),
      );
      if (mine) atEnd = true;
      append(line);
    },
    note(text) {
      lastAuthor = "";
      append(el("p", { class: "note" }, text));
    },
    append(node) {
      lastAuthor = "";
      append(node);
    },
    enable() {
      send.disabled = false;
    },
  };
}
