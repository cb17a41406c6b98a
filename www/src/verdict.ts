/** Shows a report: the cause, what to do, how sure that is, the checks, and a button that copies all of it. */
import type { Report } from "peerloom";
import { el, formatRtt } from "./dom";
import { type Check, confidenceWords, type Joining, reportText } from "./report";

/** A check, or one that is under way. */
type Shown = Omit<Check, "state"> & { readonly state: Check["state"] | "waiting" };

const STATES: Record<Shown["state"], string> = {
  ok: "ok",
  failed: "failed",
  unknown: "not known",
  waiting: "…",
};

/** What is said of a report. */
export type Words = Pick<Report, "cause" | "remedy" | "confidence" | "finding"> & {
  /** What others can do: whoever runs the server, or looks after the network. */
  readonly others?: string;
};

/** One sentence that says it all, what to do, and how sure that is. */
export function verdict(said: Words): HTMLElement {
  return el(
    "div",
    { class: "verdict-words" },
    el("p", { class: "cause", "data-testid": "cause" }, said.cause),
    el("p", { class: "remedy", "data-testid": "remedy" }, said.remedy),
    ...(said.others === undefined ? [] : [el("p", { class: "remedy others" }, said.others)]),
    el(
      "p",
      { class: "fine" },
      `${confidenceWords(said)} Finding: `,
      el("code", { "data-testid": "finding" }, said.finding),
    ),
  );
}

/** The checks as a list. */
export function checkList(checks: readonly Shown[]): HTMLElement {
  return el("ul", { class: "checks" }, ...checks.map(checkItem));
}

function checkItem({ key, name, state, says, ms }: Shown): HTMLElement {
  return el(
    "li",
    { class: "check", "data-testid": "check", "data-check": key, "data-state": state },
    el("span", { class: "check-name" }, name),
    el(
      "span",
      { class: "check-state" },
      STATES[state],
      ...(ms === undefined ? [] : [el("span", { class: "check-ms" }, `, ${formatRtt(ms)}`)]),
    ),
    el("span", { class: "check-says" }, says),
  );
}

/** A button that copies the report as text. Where a page may not write to the clipboard, the text is shown, ready to be copied. */
export function copyButton(report: Report, joining?: Joining): HTMLElement {
  const button = el("button", { type: "button", "data-testid": "copy-report" }, "Copy report");
  const status = el("p", { class: "visually-hidden", role: "status" });
  const shown = el("textarea", {
    class: "report-text",
    rows: "8",
    readonly: "",
    "aria-label": "The report",
    hidden: "",
  });
  let reset: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", async () => {
    const text = reportText(report, joining);
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not allowed, or the page came over plain http.
      shown.value = text;
      shown.hidden = false;
      shown.focus();
      shown.select();
      said = "Selected";
    }
    button.textContent = said;
    status.textContent =
      said === "Copied" ? "Report copied." : "The report is selected: copy it with your keyboard.";
    clearTimeout(reset);
    reset = setTimeout(() => {
      button.textContent = "Copy report";
      status.textContent = "";
    }, 2000);
  });
  return el("div", { class: "copy" }, button, status, shown);
}
