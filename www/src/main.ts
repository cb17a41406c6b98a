/**
 * The demo page: joins a room and connects the panels to it. Each panel is a file of its own and knows nothing
 * of the others; everything about Peerloom itself is in room.ts, crowd.ts and files.ts.
 */
import { createChat } from "./chat";
import { Crowd, type Person } from "./crowd";
import { createCursors } from "./cursors";
import { el, need } from "./dom";
import { createDoor } from "./door";
import { createFiles, type Files } from "./files";
import { createIdentity } from "./identity";
import { createInvite } from "./invite";
import { createMesh } from "./mesh";
import type { Panel } from "./panel";
import { createPeople } from "./people";
import { type DemoRoom, hasCode, joinRoom, placeOf } from "./room";
import { createSender } from "./sender";
import { createServerView } from "./server";
import { watchStrangers } from "./strangers";
import { createTraffic } from "./traffic";

const place = placeOf(location);
const app = need("app", HTMLElement);
let room: DemoRoom | undefined;
let crowd: Crowd | undefined;
let files: Files | undefined;
let panel: Panel | undefined;
let strangers = 0;

need("room-name", HTMLElement).textContent = place.room;
document.title = `${place.room.slice(0, 20)} – Peerloom`;

const identity = createIdentity(() => {
  crowd?.announce();
  redraw();
});
const server = createServerView();
const mesh = createMesh();
const sender = createSender(sendFile);
const people = createPeople({ pickFile: sender.pickFor, sendFile, cutPath, showDetails });
const chat = createChat((text) => {
  if (!room) return;
  const { name: myName, dye } = identity.me;
  chat.message(myName, dye, text, true);
  if (everyone().length === 0) chat.note("Nobody else is here yet, so nobody read that.");
  room.chat.send({ text }).catch((error) => chat.note(`Not everyone got that: ${reasonOf(error)}`));
  for (const { peer } of everyone()) mesh.bead(room.self.id, peer.id);
});
const cursors = createCursors(
  () => identity.me.dye,
  (position) => {
    room?.cursor.send(position).catch(() => undefined); // lost positions do not matter
  },
);
const invite = createInvite(place);
const door = createDoor();
const retype = el("button", { type: "button", class: "quiet small", id: "retype" }, "Type mine again");
// Another passphrase, like another room, is another page.
retype.addEventListener("click", () => location.reload());
// The same server, if the address names another.
need("trouble", HTMLAnchorElement).search = location.search;
redraw();

room = await enter();
wire(room);

/** Joins, once it is known by which passphrase if there is one. */
async function enter(problem = ""): Promise<DemoRoom> {
  server.state("waiting");
  const passphrase = place.ask && (await door.ask(problem));
  server.state("connecting");
  const waiting = setTimeout(() => server.notice("No answer from the server yet. Trying on…"), 3000);
  try {
    return await joinRoom(
      place,
      passphrase,
      () => identity.me,
      (seconds, error) => {
        clearTimeout(waiting);
        server.state("closed");
        mesh.server("closed");
        server.notice(`Cannot join: ${reasonOf(error)}. Trying again in ${seconds} s.`);
      },
    );
  } catch (error) {
    if (hasCode(error, "bad-passphrase"))
      return enter("A passphrase has at least six letters or digits, and at most 128.");
    server.state("closed");
    server.notice("This link has lost a part: ask for it once more.");
    throw error;
  } finally {
    clearTimeout(waiting);
  }
}

function wire(room: DemoRoom): void {
  server.state(room.signaling);
  mesh.server(room.signaling);
  server.security(room.security);
  room.on("signaling", ({ state }) => {
    server.state(state);
    mesh.server(state);
  });
  room.on("closed", ({ error }) => {
    server.state("closed");
    mesh.server("closed");
    server.notice(
      `You have left the room${error ? ` (${error.message})` : ""}. Reload the page to come back.`,
    );
  });
  // Each trouble is told once: whoever sends nonsense must not be able to fill the conversation with it.
  const told = new Set<string>();
  const tellOnce = (key: string, text: string): void => {
    if (!told.has(key)) chat.note(text);
    told.add(key);
  };
  room.on("error", ({ error, peer }) => {
    // Alone with them we are told across the page, as it may be we who have the wrong one.
    if (error.code === "wrong-passphrase") {
      if (everyone().length > 0)
        tellOnce(error.code, "Somebody with another passphrase came. They see and hear nothing of you.");
      return;
    }
    const text = peer ? `No link to ${nameOf(peer.id)}: ${error.message}` : error.message;
    tellOnce(`${error.code} ${peer?.id}`, text);
  });
  room.on("invalid", ({ from, label }) => {
    tellOnce(
      `${label} ${from.id}`,
      `A message from ${nameOf(from.id)} on “${label}” was not understood and was dropped.`,
    );
  });

  watchStrangers(room, (count) => {
    strangers = count;
    redraw();
  });

  files = createFiles(room, {
    nameOf,
    dyeOf,
    myDye: () => identity.me.dye,
    show: chat.append,
    announce(text) {
      need("file-status", HTMLElement).textContent = text;
    },
    moved: mesh.bead,
  });
  crowd = new Crowd(room, () => identity.me, {
    changed: redraw,
    arrived: (person) => chat.note(`${person.name} is here.`),
    departed: (person) => {
      chat.note(`${person.name} has left.`);
      cursors.remove(person.peer.id);
      files?.left(person.peer.id);
    },
  });
  room.chat.on(({ from, data }) => {
    chat.message(nameOf(from.id), dyeOf(from.id), data.text, false);
    mesh.bead(from.id, room.self.id);
  });
  room.cursor.on(({ from, data }) => cursors.show(from.id, nameOf(from.id), dyeOf(from.id), data));
  createTraffic(room, everyone);
  // A name typed while joining was not in the metadata the others saw.
  crowd.announce();
  // The room tells us of those who are here already as soon as this is done.
  setTimeout(() => identity.avoid(everyone().map(({ dye }) => dye)));
  chat.enable();
  redraw();
}

function everyone(): Person[] {
  return [...(crowd?.people.values() ?? [])];
}
function nameOf(id: string): string {
  return crowd?.people.get(id)?.name ?? "Someone";
}
function dyeOf(id: string): number {
  return crowd?.people.get(id)?.dye ?? 0;
}
function sendFile(id: string, file: File): void {
  const person = crowd?.people.get(id);
  if (person) files?.send(person.peer, file);
}
/** Closes the connection behind the SDK's back, as a network that breaks would. */
function cutPath(id: string): void {
  crowd?.people.get(id)?.peer.connection?.close();
  crowd?.announce();
}
/** Few look, so what it takes comes with the first look. */
async function showDetails(id: string): Promise<void> {
  try {
    const { createPanel } = await import("./panel");
    const person = crowd?.people.get(id);
    if (room && person) {
      panel ??= createPanel(room);
      panel.open(person);
    }
  } catch {
    chat.note("The details could not be loaded, as the server is out of reach.");
  }
}
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows the present state in every panel that shows people. */
function redraw(): void {
  const others = everyone();
  // Not before the server has let us in: until then nobody knows who is here.
  const alone = crowd !== undefined && others.length === 0;
  app.toggleAttribute("data-alone", alone);
  invite.alone(alone, strangers);
  server.standing(
    alone && strangers > 0 ? "Somebody here typed another passphrase, so you do not see each other." : "",
    retype,
  );
  people.show(others);
  sender.show(others);
  mesh.show(
    { id: room?.self.id ?? "self", ...identity.me },
    others.map(({ peer, name: theirName, dye }) => ({ id: peer.id, name: theirName, dye })),
    crowd?.links() ?? [],
  );
}
