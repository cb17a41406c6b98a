/** The page that a support person has somebody open: looks at once, says what is wrong, and gives a report to send. */
import type { Report } from "peerloom";
import { el, need } from "./dom";
import { type Found, look, serverOf } from "./look";
import { checksOf, type Joining } from "./report";
import { checkList, copyButton, verdict, type Words } from "./verdict";

const page = need("found", HTMLElement);
const said = need("verdict", HTMLElement);
const copy = need("copy", HTMLElement);
const checks = need("checks", HTMLElement);
const lists = need("looked-at", HTMLElement);
const support = need("support", HTMLElement);
const again = need("again", HTMLButtonElement);
let looking = false;

again.addEventListener("click", () => void start());
// The room at the same server.
need("back", HTMLAnchorElement).search = location.search;

async function start(): Promise<void> {
  // Not disabled meanwhile: the button would lose the focus.
  if (looking) return;
  looking = true;
  page.setAttribute("aria-busy", "true");
  again.setAttribute("aria-disabled", "true");
  copy.replaceChildren();
  try {
    const server = serverOf(location);
    need("server-line", HTMLElement).hidden = false;
    need("server-address", HTMLElement).textContent = server;
    need("command", HTMLElement).textContent = `npx peerloom doctor ${server}`;
    say(el("p", { class: "cause looking" }, "Asking the server …"));
    lists.hidden = true;
    show(await look(server, show));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    say(
      el(
        "p",
        { class: "cause", "data-testid": "cause" },
        error instanceof RangeError ? why : "This page did not come whole.",
      ),
      el(
        "p",
        { class: "remedy" },
        error instanceof RangeError ? "Ask for the link once more." : `Reload it (${why}).`,
      ),
    );
    lists.hidden = true;
    support.hidden = true;
  } finally {
    looking = false;
    page.setAttribute("aria-busy", "false");
    again.setAttribute("aria-disabled", "false");
  }
}

function say(...words: HTMLElement[]): void {
  said.replaceChildren(...words);
}

function show({ report, joining, isPart }: Found): void {
  const all = checksOf(report, joining);
  lists.hidden = false;
  if (isPart) {
    say(
      el("p", { class: "cause looking" }, "The server answers. Asking the others that it names …"),
      el("p", { class: "remedy" }, "That takes up to ten seconds."),
    );
    // The rest is not known yet.
    checks.replaceChildren(
      checkList(
        all.map((check) =>
          check.state === "unknown" ? { ...check, state: "waiting", says: "Looking …" } : check,
        ),
      ),
    );
    return;
  }
  say(verdict(words(report, joining)));
  checks.replaceChildren(checkList(all));
  copy.replaceChildren(copyButton(report, joining));
}

const lower = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

/** What to do when a server does not let this page in, by the code of the error. */
const REFUSED: Record<string, string> = {
  unauthorized:
    "That is in order where an application brings one. Ask the application's people, and send them this report.",
  "server-full": "Wait a little, then look again.",
  "rate-limited": "Wait a little, then look again.",
  "going-away": "Wait a little, then look again.",
  "version-mismatch": "Reload the application's page. If that does not help, send this report to its people.",
  "load-failed":
    "Reload this page. If that does not help, look for an extension or a proxy that blocks WebAssembly.",
};

/** What whoever opened this page can do, where the report's own words are for others. */
const YOURS: Partial<Record<Report["finding"], string>> = {
  "signaling-unreachable":
    "Look whether other sites open. If they do, the trouble is at the server: send this report to whoever runs it.",
  "websocket-blocked":
    "Try another network, such as that of a phone, or without a VPN. If that helps, something in this network stands in the way.",
  "udp-blocked": "Try another network, such as that of a phone, or without a VPN.",
  "turn-auth-failed": "You can do nothing about it here: send this report to whoever runs the server.",
  "turn-unreachable": "You can do nothing about it here: send this report to whoever runs the server.",
};

/** The report's own words, and those for whoever opened this page. */
function words(report: Report, joining: Joining | undefined): Words {
  const yours = YOURS[report.finding];
  if (yours !== undefined) {
    return {
      ...report,
      remedy: yours,
      others: `For whoever runs the server or the network: ${lower(report.remedy)}`,
    };
  }
  // What else stands in the way comes first.
  if (report.finding !== "alone") return report;
  if (joining?.code === undefined) {
    return {
      ...report,
      cause: "Nothing stands in the way here.",
      remedy: "If it still does not work with somebody, have them open this page too, where they are.",
    };
  }
  const isUnauthorized = joining.code === "unauthorized";
  return {
    ...report,
    cause: isUnauthorized
      ? "The server answers, and lets in only who brings a token."
      : `The server answers, but does not let this page in: ${joining.message}.`,
    remedy: REFUSED[joining.code] ?? `Send this report to whoever runs the server (${joining.code}).`,
  };
}

await start();
