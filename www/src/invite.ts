/** The invitation: the room's link as text and as a QR code, a button to copy it, another for a private room. */
import { generate } from "lean-qr";
import { need } from "./dom";
import { invitation, type Place, passphraseRoom, privateRoom } from "./room";

const LOCAL_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);

export interface Invite {
  /** While nobody else is here, the invitation is the page's main matter, and its heading says so; strangers are not counted. */
  alone(alone: boolean, strangers: number): void;
}

export function createInvite(place: Place): Invite {
  const link = need("room-link", HTMLAnchorElement);
  const copy = need("copy-link", HTMLButtonElement);
  const status = need("invite-status", HTMLElement);
  const note = need("invite-note", HTMLElement);
  if (place.secret !== undefined) {
    need("invite-lead", HTMLElement).textContent =
      "Only who has this link can enter. Give it to those you mean: the part behind the # is the key.";
  }

  if (place.ask !== undefined) {
    need("invite-lead", HTMLElement).textContent =
      "Whoever opens this link is asked for the passphrase. It is not in the link: tell it to those you mean.";
  }

  const address = invitation(location, place);
  link.href = address;
  link.textContent = address;
  // Always dark on light, whatever the page's colours: many readers do not see the inverse.
  generate(address).toCanvas(need("qr", HTMLCanvasElement), {
    on: [20, 24, 36],
    off: [255, 255, 255],
    pad: 3,
  });

  if (LOCAL_HOSTS.has(location.hostname)) {
    note.hidden = false;
    note.textContent =
      "This address works on this device only. For a phone, open the page by its network address.";
  }

  // Following the link would only load the same page again; selecting it is what one wants here.
  link.addEventListener("click", (event) => {
    event.preventDefault();
    getSelection()?.selectAllChildren(link);
  });
  let reset: ReturnType<typeof setTimeout> | undefined;
  copy.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      // Not allowed, or the page came over plain http: leave it selected, ready for the keyboard.
      getSelection()?.selectAllChildren(link);
      said = "Selected";
    }
    copy.textContent = said;
    status.textContent = said === "Copied" ? "Link copied." : "Link selected: copy it with your keyboard.";
    clearTimeout(reset);
    reset = setTimeout(() => {
      copy.textContent = "Copy link";
      status.textContent = "";
    }, 2000);
  });
  need("private-room", HTMLButtonElement).addEventListener("click", () => {
    location.href = invitation(location, privateRoom());
  });
  need("passphrase-room", HTMLButtonElement).addEventListener("click", () => {
    location.href = invitation(location, passphraseRoom());
  });
  // Another room is another page: leaving the old one and starting afresh is what a reload does best.
  addEventListener("hashchange", () => location.reload());

  const title = need("invite-title", HTMLElement);
  return {
    alone(alone, strangers) {
      const heading = strangers === 0 ? "You are the first one here" : "Nobody here has your passphrase yet";
      title.textContent = alone ? heading : "Invite";
    },
  };
}
