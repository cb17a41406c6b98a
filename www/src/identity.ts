/**
 * My name and colour. A choice made by hand is remembered on this device; until then each tab gets its own,
 * so that two tabs of one browser do not look like the same person.
 */
import { el, need } from "./dom";
import { pick, suggestName } from "./names";
import { LIMITS, type Profile } from "./schemas";

/** The colours one can choose: names of dyes that weavers used, in the order of `--dye-0` to `--dye-7`. */
export const DYES = [
  "Madder",
  "Saffron",
  "Weld",
  "Lichen",
  "Verdigris",
  "Woad",
  "Orchil",
  "Cochineal",
] as const;

const KEY = "peerloom-demo";

// Storage may be switched off or full; the page works without it.
function remember(storage: () => Storage, value: Partial<Profile>): void {
  try {
    storage().setItem(KEY, JSON.stringify({ ...recall(storage), ...value }));
  } catch {
    // Nothing to do: the choice lasts as long as the page.
  }
}
function recall(storage: () => Storage): Partial<Profile> {
  try {
    const { name, dye } = JSON.parse(storage().getItem(KEY) ?? "{}") as Record<string, unknown>;
    const found: Partial<Profile> = {};
    if (typeof name === "string" && name.length > 0 && name.length <= LIMITS.nameChars) found.name = name;
    if (typeof dye === "number" && dye in DYES) found.dye = dye;
    return found;
  } catch {
    return {};
  }
}

/** Shows the name field and the colours. `onChange` is called with each new profile. */
export interface Identity {
  readonly me: Profile;
  /** Takes a colour that nobody else has, unless the colour was chosen by hand. */
  avoid(taken: readonly number[]): void;
}

export function createIdentity(onChange: (me: Profile) => void): Identity {
  const name = need("my-name", HTMLInputElement);
  const yarn = need("my-yarn", HTMLElement);
  const form = need("me-form", HTMLFormElement);
  const dyes = need("dyes", HTMLFieldSetElement);

  const suggested = { name: suggestName(), dye: pick(DYES.length) };
  let me: Profile = { ...suggested, ...recall(() => sessionStorage), ...recall(() => localStorage) };
  remember(() => sessionStorage, me);

  name.value = me.name;
  const show = (): void => {
    yarn.className = `yarn dye-${me.dye}`;
    for (const input of dyes.querySelectorAll("input")) input.checked = input.value === String(me.dye);
  };
  const set = (change: Partial<Profile>, storage: () => Storage): void => {
    me = { ...me, ...change };
    remember(storage, change);
    show();
    onChange(me);
  };
  const choose = (change: Partial<Profile>): void => set(change, () => localStorage);

  const rename = (): void => {
    const typed = name.value.trim().slice(0, LIMITS.nameChars);
    if (typed && typed !== me.name) choose({ name: typed });
  };
  let typing: ReturnType<typeof setTimeout> | undefined;
  name.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(rename, 400);
  });
  name.addEventListener("change", () => {
    rename();
    if (!name.value.trim()) name.value = me.name;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    rename();
    name.blur();
  });

  const choices = DYES.map((label, index) => {
    const input = el("input", { type: "radio", name: "dye", value: String(index), class: "visually-hidden" });
    input.addEventListener("change", () => choose({ dye: index }));
    return el(
      "label",
      { class: `dye dye-${index}`, title: label },
      input,
      el("span", { class: "visually-hidden" }, label),
    );
  });
  dyes.append(...choices);
  show();

  return {
    get me() {
      return me;
    },
    avoid(taken) {
      if (!taken.includes(me.dye) || recall(() => localStorage).dye !== undefined) return;
      const free = DYES.map((_, index) => index).filter((index) => !taken.includes(index));
      const dye = free[pick(free.length)];
      if (dye !== undefined) set({ dye }, () => sessionStorage);
    },
  };
}
