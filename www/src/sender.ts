/** The form that sends a file: choose a person, then a file. Choosing the file sends it. */
import type { Person } from "./crowd";
import { el, need } from "./dom";

export interface Sender {
  /** Keeps the list of possible receivers up to date, and the chosen one chosen. */
  show(people: Iterable<Person>): void;
  /** Opens the browser's file dialog for this peer. */
  pickFor(id: string): void;
}

export function createSender(onFile: (id: string, file: File) => void): Sender {
  const select = need("file-to", HTMLSelectElement);
  const input = need("file-input", HTMLInputElement);
  need("file-form", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());

  input.addEventListener("change", () => {
    for (const file of input.files ?? []) onFile(select.value, file);
    input.value = ""; // so that the same file can be chosen again
  });

  return {
    show(people) {
      const here = new Map([...people].map(({ peer, name }) => [peer.id, name]));
      for (const option of [...select.options]) if (!here.has(option.value)) option.remove();
      for (const [id, name] of here) {
        const option = [...select.options].find(({ value }) => value === id);
        if (!option) select.append(el("option", { value: id }, name));
        else if (option.textContent !== name) option.textContent = name;
      }
      if (here.size === 0) select.append(el("option", { value: "" }, "nobody"));
      select.disabled = input.disabled = here.size === 0;
    },
    pickFor(id) {
      select.value = id;
      input.click();
    },
  };
}
