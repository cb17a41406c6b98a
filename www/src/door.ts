/** The door of a room with a passphrase: asks for it before anything is joined. It is kept nowhere. */
import { need } from "./dom";

export interface Door {
  /** Asks for the passphrase, and says what was wrong with the one before. */
  ask(problem: string): Promise<string>;
}

export function createDoor(): Door {
  const door = need("door", HTMLDialogElement);
  const form = need("door-form", HTMLFormElement);
  const words = need("passphrase", HTMLInputElement);
  const said = need("door-problem", HTMLElement);

  // Escape leads away from the door, not through it. Some browsers close a dialog whatever a page says to its `cancel`.
  door.addEventListener("close", () => {
    // The event comes later than the closing: the door may be open again, for another try.
    if (!door.open && door.returnValue === "") location.hash = "";
  });
  return {
    ask(problem) {
      said.textContent = problem;
      door.returnValue = "";
      door.showModal();
      words.select();
      return new Promise((typed) => {
        form.addEventListener(
          "submit",
          (event) => {
            event.preventDefault();
            door.close("typed");
            typed(words.value);
          },
          { once: true },
        );
      });
    },
  };
}
