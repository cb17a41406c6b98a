/**
 * Paints the mesh: the server's beam, the threads, the people and the labels; and the beads that run over them.
 *
 * Everything it needs comes in as a {@link Scene}; where people stand is decided in mesh.ts.
 */
import type { Link } from "./crowd";
import { formatRtt } from "./dom";
import {
  type Curve,
  drawDashed,
  drawTwist,
  drawYarn,
  type Point,
  pointOn,
  straight,
  through,
} from "./thread";

export interface MeshPerson {
  id: string;
  name: string;
  dye: number;
}

export interface Scene {
  width: number;
  height: number;
  /** My own id, once I am among the people. */
  selfId: string | undefined;
  people: MeshPerson[];
  /** Where each person stands, by id, in pixels. */
  places: ReadonlyMap<string, Point>;
  links: Link[];
  serverState: string;
  beam: Point & { halfLength: number };
  /** Beads on the threads: `progress` runs from 0 to 1. */
  beads: { from: string; to: string; progress: number }[];
  colors: Colors;
}

export type Colors = ReturnType<typeof readColors>;

/** With more people than this the labels on the threads would hide the threads. */
const MAX_LABELLED = 8;
const NARROW = 480;
const MAX_NAME_WIDTH = 140;
/** Where on a thread its label may stand, best first; on the way past the server's beam not in the middle. */
const LABELS = [0.5, 0.38, 0.62, 0.28, 0.72];
const RELAY_LABELS = [0.24, 0.76, 0.3, 0.7];

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** The colours of the style sheet, for use on the canvas. */
export function readColors() {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: get("stage"),
    ink: get("ink"),
    ink2: get("ink-2"),
    quiet: get("quiet"),
    line: get("line-strong"),
    accent: get("accent"),
    warn: get("warn"),
    font: getComputedStyle(document.body).fontFamily,
    dyes: Array.from({ length: 8 }, (_, index) => get(`dye-${index}`)),
  };
}

/** The line a link is drawn along, if both of its ends are in the picture. */
function curveOf(link: Link, { places, beam }: Scene): Curve | undefined {
  const a = places.get(link.a);
  const b = places.get(link.b);
  if (!a || !b) return undefined;
  return link.path === "relay" ? through(a, b, { x: beam.x, y: beam.y + 12 }) : straight(a, b);
}

/** Paints the beads alone. They move on every frame, and this is all that a frame then costs. */
export function paintBeads(context: CanvasRenderingContext2D, scene: Scene): void {
  const { people, links, beads, colors } = scene;
  for (const { from, to, progress } of beads) {
    const link = links.find(({ a, b }) => (a === from && b === to) || (a === to && b === from));
    const curve = link && curveOf(link, scene);
    if (!curve) continue;
    const eased = progress * progress * (3 - 2 * progress);
    const point = pointOn(curve, link.a === from ? eased : 1 - eased);
    const dye = people.find(({ id }) => id === from)?.dye ?? 0;
    disc(context, point, 5.5, colors.ground);
    disc(context, point, 4, colors.dyes[dye] ?? colors.ink);
  }
}

/** Paints all but the beads. */
export function paintStill(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, selfId, people, places, links, serverState, beam, colors } = scene;
  const small = width < NARROW;
  const radius = (small ? 17 : 22) - Math.min(8, Math.max(0, people.length - 6));
  const dyes = new Map(people.map(({ id, dye }) => [id, colors.dyes[dye] ?? colors.ink]));
  const dyeOf = (id: string): string => dyes.get(id) ?? colors.ink;
  const isOwn = (link: Link): boolean => link.a === selfId || link.b === selfId;

  const me = selfId === undefined ? undefined : places.get(selfId);
  if (me) paintServerLine(me);
  paintBeam();
  for (const link of links) paintLink(link);
  for (const person of people) paintPerson(person);
  // Words last: no thread may cross them. Names have their places, labels on threads make way for each other.
  const words: Box[] = [];
  for (const person of people) paintName(person);
  if (people.length <= MAX_LABELLED) {
    for (const link of [...links].sort((a, b) => Number(isOwn(b)) - Number(isOwn(a)))) paintLinkLabel(link);
  }

  function paintServerLine(from: Point): void {
    const line = straight(from, { x: from.x, y: beam.y });
    const dots = [0.1, 6] as const;
    if (serverState === "connected") {
      drawDashed(context, line, colors.quiet, 1.5, dots);
    } else if (serverState !== "closed") {
      // Torn: both ends hang loose.
      drawDashed(context, straight(line.a, pointOn(line, 0.35)), colors.warn, 1.5, dots);
      drawDashed(context, straight(pointOn(line, 0.65), line.b), colors.warn, 1.5, dots);
    }
  }

  function paintBeam(): void {
    const color = serverState === "connected" ? colors.line : colors.warn;
    box(beam.x - beam.halfLength, beam.y - 2, 2 * beam.halfLength, 4, color);
    box(beam.x - 44, beam.y - 13, 88, 26, colors.ground);
    context.strokeStyle = color;
    context.lineWidth = 1.25;
    context.stroke();
    write("server", beam, `500 13px ${colors.font}`, colors.ink2);
  }

  function paintLink(link: Link): void {
    const curve = curveOf(link, scene);
    if (!curve) return;
    const own = isOwn(link);
    context.globalAlpha = own ? 1 : 0.6;
    if (link.path === "connecting") {
      drawDashed(context, curve, colors.quiet, 1.5, [5, 7]);
    } else {
      drawTwist(context, curve, {
        colors: [dyeOf(link.a), dyeOf(link.b)],
        ground: colors.ground,
        width: own ? 2.4 : 1.8,
        swing: own ? 3.6 : 2.8,
        halfTurn: 13,
      });
    }
    context.globalAlpha = 1;
  }

  function paintPerson({ id }: MeshPerson): void {
    const place = places.get(id);
    if (!place) return;
    disc(context, place, radius + (id === selfId ? 6 : 3), colors.ground);
    drawYarn(context, place, radius, dyeOf(id));
    if (id !== selfId) return;
    context.beginPath();
    context.arc(place.x, place.y, radius + 4, 0, 2 * Math.PI);
    context.strokeStyle = colors.accent;
    context.lineWidth = 2;
    context.stroke();
  }

  function paintLinkLabel(link: Link): void {
    const curve = curveOf(link, scene);
    const own = isOwn(link);
    if (!curve || (!own && small)) return;
    const rtt = link.rttMs === undefined ? "" : formatRtt(link.rttMs);
    const text = own && !small ? [link.path, rtt].filter(Boolean).join(" · ") : rtt || link.path;
    const font = `${own ? 500 : 400} 12px ${colors.font}`;
    context.font = font;
    const size = { width: context.measureText(text).width + 14, height: 22 };
    for (const t of link.path === "relay" ? RELAY_LABELS : LABELS) {
      const point = pointOn(curve, t);
      const place = { x: point.x - size.width / 2, y: point.y - size.height / 2, ...size };
      if (words.some((other) => overlap(place, other))) continue;
      words.push(place);
      box(place.x, place.y, place.width, place.height, colors.ground);
      write(text, point, font, own ? colors.ink : colors.ink2);
      return;
    }
  }

  function paintName({ id, name }: MeshPerson): void {
    const place = places.get(id);
    if (!place) return;
    const font = `600 14px ${colors.font}`;
    context.font = font;
    let text = id === selfId ? "You" : name;
    for (const letters = [...text]; context.measureText(text).width > MAX_NAME_WIDTH; ) {
      letters.pop();
      text = `${letters.join("")}…`;
    }
    const width = context.measureText(text).width + 8;
    // Near the edge a name moves inwards rather than being cut.
    const x = Math.min(Math.max(place.x, width / 2 + 4), scene.width - width / 2 - 4);
    const at = { x, y: place.y + radius + 20 };
    write(text, at, font, id === selfId ? colors.accent : colors.ink, colors.ground);
    words.push({ x: at.x - width / 2, y: at.y - 10, width, height: 20 });
  }

  function write(text: string, at: Point, font: string, color: string, halo?: string): void {
    context.font = font;
    context.textAlign = "center";
    context.textBaseline = "middle";
    if (halo) {
      context.lineJoin = "round";
      context.lineWidth = 5;
      context.strokeStyle = halo;
      context.strokeText(text, at.x, at.y + 0.5);
    }
    context.fillStyle = color;
    context.fillText(text, at.x, at.y + 0.5);
  }
  function box(x: number, y: number, boxWidth: number, height: number, color: string): void {
    context.beginPath();
    context.roundRect(x, y, boxWidth, height, height / 2);
    context.fillStyle = color;
    context.fill();
  }
}

function disc(context: CanvasRenderingContext2D, at: Point, radius: number, color: string): void {
  context.beginPath();
  context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
}
