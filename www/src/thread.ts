/**
 * Draws a link as a two-ply thread: one strand in each person's colour, twisted round each other.
 *
 * Pure drawing on a 2D canvas; what to draw, and where, is the business of mesh.ts.
 */

export interface Point {
  x: number;
  y: number;
}

/** A curve from `a` to `b` pulled towards `via` (a quadratic Bézier); straight when `via` is their middle. */
export interface Curve {
  a: Point;
  via: Point;
  b: Point;
}

export interface Strands {
  /** Colour of the strand that belongs to the end `a`, and to the end `b`. */
  colors: readonly [string, string];
  /** Colour of the ground, drawn round a strand where it crosses over the other. */
  ground: string;
  width: number;
  /** How far the strands swing from the middle, and the length of half a turn, in pixels. */
  swing: number;
  halfTurn: number;
}

export function pointOn({ a, via, b }: Curve, t: number): Point {
  const u = 1 - t;
  return {
    x: u * u * a.x + 2 * u * t * via.x + t * t * b.x,
    y: u * u * a.y + 2 * u * t * via.y + t * t * b.y,
  };
}

export function straight(a: Point, b: Point): Curve {
  return { a, b, via: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
}

/** A curve that passes through `through` halfway: a quadratic Bézier goes half of the way to its control point. */
export function through(a: Point, b: Point, middle: Point): Curve {
  return { a, b, via: { x: 2 * middle.x - (a.x + b.x) / 2, y: 2 * middle.y - (a.y + b.y) / 2 } };
}

/** The curve as points about `step` pixels apart, each with the direction across it. */
function sample(curve: Curve, step: number): (Point & { nx: number; ny: number })[] {
  let length = 0;
  let previous = curve.a;
  for (let i = 1; i <= 16; i += 1) {
    const point = pointOn(curve, i / 16);
    length += Math.hypot(point.x - previous.x, point.y - previous.y);
    previous = point;
  }
  const count = Math.max(8, Math.round(length / step));
  return Array.from({ length: count + 1 }, (_, i) => {
    const t = i / count;
    const before = pointOn(curve, Math.max(0, t - 0.01));
    const after = pointOn(curve, Math.min(1, t + 0.01));
    const [dx, dy] = [after.x - before.x, after.y - before.y];
    const norm = Math.hypot(dx, dy) || 1;
    return { ...pointOn(curve, t), nx: -dy / norm, ny: dx / norm };
  });
}

const STEP = 2;

/** A twisted thread along the curve. */
export function drawTwist(context: CanvasRenderingContext2D, curve: Curve, strands: Strands): void {
  const { colors, ground, width, swing, halfTurn } = strands;
  const points = sample(curve, STEP);
  const last = points.length - 1;
  const perHalf = Math.max(4, Math.round(halfTurn / STEP));

  const stroke = (side: 1 | -1, from: number, to: number, color: string, lineWidth: number): void => {
    context.beginPath();
    for (let i = from; i <= to; i += 1) {
      const point = points[i];
      if (!point) break;
      const offset = side * swing * Math.sin((Math.PI * i) / perHalf);
      context.lineTo(point.x + point.nx * offset, point.y + point.ny * offset);
    }
    context.strokeStyle = color;
    context.lineWidth = lineWidth;
    context.stroke();
  };

  context.lineJoin = "round";
  // Each piece runs from the middle of one half turn to the middle of the next, with one crossing in it, and
  // the strands take turns in lying on top. The cut ends are flat, so that no halo eats into a neighbour.
  context.lineCap = "butt";
  for (let piece = 0, from = 0; from < last; piece += 1) {
    const to = Math.min(last, Math.round((piece + 0.5) * perHalf));
    const [over, under] = piece % 2 === 0 ? ([1, -1] as const) : ([-1, 1] as const);
    const color = (side: 1 | -1): string => colors[side === 1 ? 0 : 1];
    // One step of overlap hides the seam between pieces.
    const [start, end] = [Math.max(0, from - 1), Math.min(last, to + 1)];
    stroke(under, start, end, color(under), width);
    stroke(over, from, to, ground, width + 2);
    stroke(over, start, end, color(over), width);
    from = to;
  }
}

/** A loose, dashed line: a link that is not there yet, or the line to the server. */
export function drawDashed(
  context: CanvasRenderingContext2D,
  curve: Curve,
  color: string,
  width: number,
  dash: readonly [number, number],
): void {
  context.save();
  context.beginPath();
  context.moveTo(curve.a.x, curve.a.y);
  context.quadraticCurveTo(curve.via.x, curve.via.y, curve.b.x, curve.b.y);
  context.setLineDash([...dash]);
  context.lineCap = "round";
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
  context.restore();
}

/** A ball of yarn: a person in the picture. */
export function drawYarn(context: CanvasRenderingContext2D, at: Point, radius: number, color: string): void {
  context.save();
  context.beginPath();
  context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.clip();
  context.lineWidth = Math.max(1, radius / 14);
  // Three windings, each a few parallel arcs: light ones first, then a darker one across.
  const windings = [
    { angle: 0.5, alpha: 0.34, shade: "255 255 255" },
    { angle: 2.5, alpha: 0.26, shade: "255 255 255" },
    { angle: 4.4, alpha: 0.2, shade: "0 0 0" },
  ];
  for (const { angle, alpha, shade } of windings) {
    context.strokeStyle = `rgb(${shade} / ${alpha})`;
    for (let i = 0; i < 5; i += 1) {
      const away = radius * 1.5;
      context.beginPath();
      context.arc(
        at.x + Math.cos(angle) * away,
        at.y + Math.sin(angle) * away,
        radius * (0.75 + i * 0.22),
        0,
        2 * Math.PI,
      );
      context.stroke();
    }
  }
  context.restore();
}
