/** The panel of a connection: what it is like now and was over the last minutes, and why. Loaded when it is first opened. */
import "./style/panel.css";
import type { PeerStats } from "peerloom";
import type { Person } from "./crowd";
import { el, setText } from "./dom";
import { createChannelTable, createFacts, createHistory } from "./numbers";
import { createPlots, type Plots } from "./plots";
import { checksOf } from "./report";
import type { DemoRoom } from "./room";
import { checkList, copyButton, verdict } from "./verdict";
import { PATH_MEANING, SILENT } from "./words";

const REFRESH_MS = 1000;

export interface Panel {
  open(person: Person): void;
}

export function createPanel(room: DemoRoom): Panel {
  const yarn = el("span", { "aria-hidden": "true" });
  const title = el("h2", { id: "panel-title" });
  const close = el("button", { type: "button", class: "quiet", "data-testid": "panel-close" }, "Close");
  const path = el("span", { class: "path", "data-testid": "panel-path" });
  const meaning = el("span", { "data-testid": "panel-meaning" });
  const parts = [createFacts(), createChannelTable(), createHistory()] as const;
  const [facts, channels, history] = parts;
  const plotting = el("div", { class: "plots", "data-testid": "plots" });
  const ask = el(
    "button",
    { type: "button", class: "primary", "data-testid": "why" },
    "Why is it like this?",
  );
  const answer = el("div", { role: "status" });
  const evidence = el("div");
  const dialog = el(
    "dialog",
    { class: "panel", "aria-labelledby": "panel-title" },
    el("header", { class: "panel-head" }, yarn, title, close),
    el(
      "div",
      // Scrolls, so it can have the focus.
      { class: "panel-body", tabindex: "0", role: "group", "aria-labelledby": "panel-title" },
      el("p", { class: "panel-lead" }, path, meaning),
      facts.element,
      el("div", { class: "why", "data-testid": "answer" }, ask, answer, evidence),
      el("section", {}, el("h3", {}, "The last minutes"), plotting),
      el("section", {}, el("h3", {}, "Channels"), channels.element),
      el("section", {}, el("h3", {}, "Paths, the latest first"), history.element),
    ),
  );
  document.body.append(dialog);

  let shown: Person | undefined;
  let plots: Plots | undefined;
  let asking = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  close.addEventListener("click", () => dialog.close());
  // A press beside the panel closes it, as it does elsewhere.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearInterval(timer);
    plots?.close();
    plots = undefined;
    shown = undefined;
  });
  ask.addEventListener("click", () => void explain());
  room.on("path", ({ peer }) => {
    if (peer === shown?.peer) void refresh();
  });

  async function refresh(): Promise<void> {
    const person = shown;
    if (!person) return;
    const { peer, name, dye, record } = person;
    const stats = await peer.stats().catch(() => undefined);
    // It may be about somebody else by now.
    if (shown !== person) return;
    yarn.className = `yarn dye-${dye}`;
    setText(title, `Connection with ${name}`);
    const hasLeft = peer.state === "left" || stats === undefined;
    ask.disabled = hasLeft;
    if (hasLeft) {
      // What was known last stays, to be read.
      clearInterval(timer);
      path.hidden = true;
      setText(meaning, `${name} has left. This is how it was.`);
      return;
    }
    showPath(stats, peer.state === "suspended");
    // The newest sample, so that the words say what the plots show.
    const measured = { ...stats, ...record.samples.at(-1), path: stats.path };
    for (const part of parts) part.show(measured);
    plots?.show(record.samples, stats.paths);
  }

  function showPath(stats: PeerStats, silent: boolean): void {
    path.hidden = false;
    setText(path, silent ? "silent" : stats.path);
    path.dataset.path = silent ? "connecting" : stats.path;
    setText(meaning, silent ? SILENT : PATH_MEANING[stats.path]);
  }

  async function explain(): Promise<void> {
    const person = shown;
    // Not disabled meanwhile: the button would lose the focus.
    if (!person || asking) return;
    asking = true;
    evidence.replaceChildren();
    answer.replaceChildren(
      el("p", { class: "fine looking" }, "Asking the servers. That takes up to five seconds …"),
    );
    try {
      const report = await room.diagnose(person.peer);
      if (shown !== person) return;
      answer.replaceChildren(verdict(report));
      evidence.replaceChildren(
        el("details", {}, el("summary", {}, "What was looked at"), checkList(checksOf(report))),
        copyButton(report),
      );
    } catch (error) {
      if (shown !== person) return;
      const why = error instanceof Error ? error.message : String(error);
      answer.replaceChildren(el("p", { class: "problem" }, `That could not be found out: ${why}.`));
    } finally {
      asking = false;
    }
  }

  return {
    open(person) {
      if (dialog.open) return;
      shown = person;
      answer.replaceChildren();
      evidence.replaceChildren();
      setText(title, `Connection with ${person.name}`);
      dialog.showModal();
      plots = createPlots(plotting);
      clearInterval(timer);
      timer = setInterval(() => void refresh(), REFRESH_MS);
      void refresh();
    },
  };
}
