/**
 * The picture of the mesh: people as balls of yarn, links as threads between them, the server as a beam above.
 *
 * d3-force places the people in a space of fixed size, each drawn towards its place on a ring ordered by id.
 * So every browser shows the same picture, and a shared pointer points at the same person on every screen.
 * It is redrawn only when something changes or moves.
 */
import {
  forceCollide,
  forceSimulation,
  forceX,
  forceY,
  type Simulation,
  type SimulationNodeDatum,
} from "d3-force";
import type { Link } from "./crowd";
import { formatRtt, need } from "./dom";
import { type MeshPerson, paintBeads, paintStill, readColors, type Scene } from "./picture";
import type { Point } from "./thread";

interface Body extends SimulationNodeDatum {
  id: string;
  homeX: number;
  homeY: number;
}

interface Bead {
  from: string;
  to: string;
  start: number;
}

/** The space in which people are placed; the canvas shows it stretched to the stage. */
const SPACE = { width: 1000, height: 640 };
const BEAM = { x: 500, y: 56, halfLength: 390 };
const RING = { x: 500, y: 342, radiusX: 330, radiusY: 172 };
/** Below this the picture has come to rest. */
const REST_ALPHA = 0.02;
const BEAD_MS = 600;
/** A stream of messages shows as a string of beads this far apart. */
const BEAD_GAP_MS = 150;

export interface Mesh {
  show(self: MeshPerson | undefined, others: MeshPerson[], links: Link[]): void;
  server(state: string): void;
  /** Lets a bead run along the thread between two people: something was sent. */
  bead(from: string, to: string): void;
}

export function createMesh(): Mesh {
  const canvas = need("mesh", HTMLCanvasElement);
  // Beads have a layer of their own: while a file is on its way they move all the time, and the rest stands still.
  const beadCanvas = need("beads", HTMLCanvasElement);
  const still = brush(canvas);
  const moving = brush(beadCanvas);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  let self: MeshPerson | undefined;
  let people: MeshPerson[] = [];
  let links: Link[] = [];
  let serverState = "connecting";
  let beads: Bead[] = [];
  let bodies = new Map<string, Body>();
  let colors = readColors();
  const simulation: Simulation<Body, undefined> = forceSimulation<Body>([])
    .force("x", forceX<Body>((body) => body.homeX).strength(0.12))
    .force("y", forceY<Body>((body) => body.homeY).strength(0.12))
    .force("apart", forceCollide<Body>(70).strength(0.6))
    .velocityDecay(0.32)
    .stop();

  let frame = 0;
  let stale = true;
  const nextFrame = (): void => {
    if (!frame) frame = requestAnimationFrame(tick);
  };
  const redraw = (): void => {
    stale = true;
    nextFrame();
  };
  function tick(now: number): void {
    frame = 0;
    if (calm.matches) while (simulation.alpha() > REST_ALPHA) simulation.tick();
    else if (simulation.alpha() > REST_ALPHA) simulation.tick();
    beads = beads.filter((bead) => now - bead.start < BEAD_MS);
    const scene = sceneAt(now);
    if (stale) drawStill(scene);
    clear(moving, scene);
    paintBeads(moving, scene);
    if (simulation.alpha() > REST_ALPHA) redraw();
    else if (beads.length > 0) nextFrame();
  }

  /** Gives everybody a place; people who were here before start from where they are. */
  function place(): void {
    const ids = people.map(({ id }) => id).sort();
    const before = bodies;
    bodies = new Map();
    ids.forEach((id, index) => {
      const home = homeOf(index, ids.length);
      const old = before.get(id);
      bodies.set(id, {
        id,
        homeX: home.x,
        homeY: home.y,
        // A newcomer comes from the server's beam, which introduced them.
        x: old?.x ?? (before.size ? BEAM.x : home.x),
        y: old?.y ?? (before.size ? BEAM.y : home.y),
      });
    });
    simulation.nodes([...bodies.values()]).alpha(1);
  }

  function sceneAt(now: number): Scene {
    const { clientWidth: width, clientHeight: height } = canvas;
    const toPixels = (point: { x?: number | undefined; y?: number | undefined }): Point => ({
      x: ((point.x ?? 0) / SPACE.width) * width,
      y: ((point.y ?? 0) / SPACE.height) * height,
    });
    return {
      width,
      height,
      selfId: self?.id,
      people,
      places: new Map([...bodies.values()].map((body) => [body.id, toPixels(body)])),
      links,
      serverState,
      beam: { ...toPixels(BEAM), halfLength: toPixels({ x: BEAM.halfLength }).x },
      beads: beads.map(({ from, to, start }) => ({ from, to, progress: (now - start) / BEAD_MS })),
      colors,
    };
  }

  function drawStill(scene: Scene): void {
    stale = false;
    clear(still, scene);
    paintStill(still, scene);
  }

  new ResizeObserver(() => {
    const scale = devicePixelRatio || 1;
    for (const layer of [canvas, beadCanvas]) {
      layer.width = Math.round(canvas.clientWidth * scale);
      layer.height = Math.round(canvas.clientHeight * scale);
    }
    // At once, not in the next frame: setting the size has cleared the canvas.
    drawStill(sceneAt(performance.now()));
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colors = readColors();
    redraw();
  });

  return {
    show(newSelf, others, newLinks) {
      const before = people.map(({ id }) => id).join(" ");
      self = newSelf;
      people = newSelf ? [...others, newSelf] : others;
      links = newLinks;
      if (before !== people.map(({ id }) => id).join(" ")) place();
      canvas.setAttribute("aria-label", describe(self, people, links));
      redraw();
    },
    server(state) {
      serverState = state;
      redraw();
    },
    bead(from, to) {
      const start = performance.now();
      const close = (bead: Bead): boolean => start - bead.start < BEAD_GAP_MS;
      if (calm.matches || document.hidden) return;
      if (beads.some((bead) => bead.from === from && bead.to === to && close(bead))) return;
      beads.push({ from, to, start });
      nextFrame();
    },
  };
}

function brush(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no 2D canvas");
  return context;
}

function clear(context: CanvasRenderingContext2D, { width, height }: Scene): void {
  const scale = devicePixelRatio || 1;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
}

/** Where the `index`th of `count` people belongs: evenly round the ring. */
function homeOf(index: number, count: number): Point {
  if (count === 1) return { x: RING.x, y: RING.y };
  // A slight turn keeps people of an even ring from standing below each other, where lines would coincide.
  const turn = count > 2 && count % 2 === 0 ? 0.16 : 0;
  const angle = -Math.PI / 2 + turn + (Math.PI * (2 * index + 1)) / count;
  return { x: RING.x + Math.cos(angle) * RING.radiusX, y: RING.y + Math.sin(angle) * RING.radiusY };
}

/** The picture in words, for whoever cannot see it. */
function describe(self: MeshPerson | undefined, people: MeshPerson[], links: Link[]): string {
  if (people.length < 2) return "Nobody else is here yet.";
  const nameOf = (id: string): string =>
    id === self?.id ? "you" : (people.find((person) => person.id === id)?.name ?? "someone");
  const lines = links.map(({ a, b, path, rttMs }) => {
    const rtt = rttMs === undefined ? "" : `, ${formatRtt(rttMs)} round trip`;
    return `${nameOf(a)} and ${nameOf(b)}: ${path}${rtt}`;
  });
  return `${people.length} people, joined by ${links.length} links. ${lines.join("; ")}.`;
}
