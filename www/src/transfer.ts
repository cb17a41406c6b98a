/** How one file on its way looks in the conversation: name, progress, then a preview or a link to save it. */
import { el, formatBytes } from "./dom";

export interface TransferView {
  readonly node: HTMLElement;
  progress(bytes: number): void;
  /** The file is complete. The receiver passes its bytes, the sender the file that was picked. */
  done(file: Blob, caption: string): void;
  failed(reason: string): void;
}

/** Kinds of pictures that are shown at once. SVG is left out: it is a program as much as a picture. */
export const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

export interface TransferInfo {
  title: string;
  dye: number;
  name: string;
  size: number;
  mine: boolean;
  onCancel(): void;
}

export function createTransferView({ title, dye, name, size, mine, onCancel }: TransferInfo): TransferView {
  const bar = el("progress", {
    max: String(Math.max(1, size)),
    value: "0",
    "aria-label": `${name}: progress`,
  });
  // Out of the live region's voice: a number that changes ten times a second must not be read out.
  const state = el("span", { class: "fine", "aria-hidden": "true" }, formatBytes(size));
  const cancel = el(
    "button",
    { type: "button", class: "small quiet", "aria-label": `Cancel ${name}` },
    "Cancel",
  );
  cancel.addEventListener("click", onCancel);
  const row = el("div", { class: "transfer-row" }, bar, cancel);
  const node = el(
    "div",
    { class: `transfer dye-${dye}${mine ? " mine" : ""}`, "data-testid": "transfer", "data-state": "active" },
    el("span", { class: "author" }, title),
    el("span", { class: "file-name" }, name),
    row,
    state,
  );

  function settle(stateName: string): void {
    node.dataset.state = stateName;
    row.remove();
  }

  return {
    node,
    progress(bytes) {
      bar.value = bytes;
      const percent = size ? Math.floor((100 * bytes) / size) : 100;
      state.textContent = `${percent}% of ${formatBytes(size)}`;
    },
    done(file, caption) {
      settle("done");
      state.textContent = caption;
      const url = URL.createObjectURL(file);
      if (PICTURES.has(file.type)) {
        const image = el("img", { class: "preview", src: url, alt: `Picture: ${name}` });
        // Not a picture after all: the link to save it stays.
        image.addEventListener("error", () => image.remove());
        state.before(image);
      }
      if (!mine) {
        state.after(
          el("a", { class: "save", href: url, download: name, "aria-label": `Save ${name}` }, "Save"),
        );
      }
    },
    failed(reason) {
      settle("failed");
      state.textContent = reason;
      state.removeAttribute("aria-hidden");
    },
  };
}
