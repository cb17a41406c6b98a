/**
 * The plots of a connection over the last minutes: round trip, bytes per second, and what waits in buffers.
 *
 * What is drawn stands in words beside it too, for those who do not see it: the newest values, or those under the
 * pointer.
 */
import type { PathUse, StatsSample } from "peerloom";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { el, formatBytes, formatRtt, setText } from "./dom";
import { formatClock } from "./words";

const HEIGHT = 112;
/** The least that is shown, in seconds: the first samples would be stretched over the whole width. */
const LEAST_SPAN = 60;
const FONT_SIZE = 11;

interface Line {
  readonly name: string;
  /** Of the style sheet. */
  readonly color: string;
  readonly value: (sample: StatsSample) => number | undefined;
  /** Whether the space below it is tinted: lines differ in more than their colour. */
  readonly filled: boolean;
}

interface Plan {
  readonly key: string;
  readonly title: string;
  readonly format: (value: number) => string;
  /** The same at the axis, where numbers are exact. */
  readonly mark: (value: number) => string;
  /** The least that the scale goes up to. */
  readonly least: number;
  readonly lines: readonly Line[];
}

const waiting = ({ channels, exchange }: StatsSample) =>
  [...Object.values(channels), exchange].reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);

const PLANS: readonly Plan[] = [
  {
    key: "rtt",
    title: "Round trip",
    format: formatRtt,
    mark: (value) => `${value} ms`,
    least: 4,
    lines: [{ name: "", color: "--accent", value: ({ rttMs }) => rttMs, filled: true }],
  },
  {
    key: "rate",
    title: "Bytes per second",
    format: (value) => `${formatBytes(value)}/s`,
    mark: (value) => `${formatBytes(value)}/s`,
    least: 1_000,
    lines: [
      {
        name: "in",
        color: "--dye-5",
        value: ({ bytesReceivedPerSecond }) => bytesReceivedPerSecond,
        filled: true,
      },
      { name: "out", color: "--dye-0", value: ({ bytesSentPerSecond }) => bytesSentPerSecond, filled: false },
    ],
  },
  {
    key: "buffers",
    title: "Buffers",
    format: formatBytes,
    mark: formatBytes,
    least: 1_000,
    lines: [
      { name: "waiting here", color: "--dye-4", value: waiting, filled: true },
      {
        name: "in the browser",
        color: "--dye-6",
        value: ({ bufferedBytes }) => bufferedBytes,
        filled: false,
      },
    ],
  },
];

export interface Plots {
  /** Shows these, with a mark where the path changed. */
  show(samples: readonly StatsSample[], paths: readonly PathUse[]): void;
  /** Frees everything. */
  close(): void;
}

/** Puts the plots into a container that is in the page. */
export function createPlots(container: HTMLElement): Plots {
  let samples: readonly StatsSample[] = [];
  let paths: readonly PathUse[] = [];
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const plots = PLANS.map(createPlot);
  container.replaceChildren(
    ...plots.map(({ figure }) => figure),
    el(
      "p",
      { class: "fine plot-key" },
      el("span", { class: "shade", "aria-hidden": "true" }),
      "Shaded: not direct.",
    ),
  );

  // Widths differ by what else is on the line, and change with the window.
  const resized = new ResizeObserver(() => {
    for (const { plot, place } of plots) plot.setSize({ width: place.clientWidth, height: HEIGHT });
  });
  for (const { place } of plots) resized.observe(place);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const recolor = (): void => {
    for (const { plot } of plots) plot.redraw();
  };
  dark.addEventListener("change", recolor);

  function createPlot(plan: Plan) {
    const when = el("span", { class: "plot-when" });
    const caption = el("figcaption", {}, el("span", { class: "plot-title" }, plan.title));
    const texts = plan.lines.map(({ name, color }) => {
      const text = el("span", { class: "plot-value", "data-testid": `plot-${plan.key}` });
      const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
      // Set like this, a style is no inline style to the page's policy.
      swatch.style.background = `var(${color})`;
      caption.append(el("span", { class: "plot-line" }, swatch, name, " ", text));
      return text;
    });
    caption.append(when);
    const place = el("div", { class: "plot-place", "aria-hidden": "true" });
    const figure = el("figure", { class: "plot", "data-plot": plan.key }, caption, place);

    const font = () => `${FONT_SIZE}px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: () => color("--ink-2"), font: font(), ticks: { show: false }, gap: 6 };
    const grid = { stroke: () => color("--line"), width: 1 };
    const plot = new uPlot(
      {
        width: 300,
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        cursor: {
          y: false,
          drag: { x: false, y: false, setScale: false },
          sync: { key: "connection", setSeries: false },
        },
        scales: {
          x: { time: false, range: () => timeRange() },
          y: { range: (_, __, most) => [0, Math.max(plan.least, (most ?? 0) * 1.15)] },
        },
        axes: [
          {
            ...axis,
            size: 24,
            space: 84,
            grid: { show: false },
            incrs: [5, 10, 15, 30, 60, 120],
            values: (u, at) => at.map((one) => (isCut(u, one) ? "" : formatClock(one * 1000))),
          },
          { ...axis, size: 68, space: 32, grid, values: (_, at) => at.map(plan.mark) },
        ],
        series: [
          {},
          ...plan.lines.map(
            ({ color: name, filled }): uPlot.Series => ({
              stroke: () => color(name),
              width: 1.75,
              points: { show: false },
              spanGaps: false,
              // The colours of the style sheet have six digits: two more are how much shows.
              ...(filled && { fill: () => `${color(name)}24` }),
            }),
          ),
        ],
        hooks: {
          drawClear: [(u) => shadePaths(u)],
          draw: [(u) => markChanges(u, plan === PLANS[0])],
          setCursor: [() => say()],
        },
      },
      [[], ...plan.lines.map(() => [])],
      place,
    );

    /** The values under the pointer, or the newest. */
    function say(): void {
      const at = plot.cursor.idx;
      const sample = samples[at ?? samples.length - 1];
      texts.forEach((text, index) => {
        const now = sample && plan.lines[index]?.value(sample);
        setText(text, now === undefined ? "not known" : plan.format(now));
      });
      setText(when, at != null && sample ? `at ${formatClock(sample.at)}` : "");
    }
    return { plan, plot, figure, place, say };
  }

  /** Whether the time would be cut off at the right edge. */
  function isCut(u: uPlot, time: number): boolean {
    return u.valToPos(time, "x") > u.bbox.width / devicePixelRatio - 18;
  }

  function timeRange(): [number, number] {
    const last = (samples.at(-1)?.at ?? Date.now()) / 1000;
    const first = (samples[0]?.at ?? Date.now()) / 1000;
    return [Math.min(first, last - LEAST_SPAN), last];
  }

  /** Tints the times in which messages did not go directly. */
  function shadePaths(u: uPlot): void {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    paths.forEach(({ path, since }, index) => {
      if (path === "direct") return;
      const until = paths[index + 1]?.since;
      const from = Math.max(left, u.valToPos(since / 1000, "x", true));
      const to = Math.min(
        left + width,
        until === undefined ? left + width : u.valToPos(until / 1000, "x", true),
      );
      if (to <= from) return;
      ctx.fillStyle = color("--warn-soft");
      // A short time is one that should be seen too.
      ctx.fillRect(from, top, Math.max(to - from, 2 * devicePixelRatio), height);
    });
  }

  /** A dashed line where the path changed; in one plot with the name of the new one, where there is room. */
  function markChanges(u: uPlot, named: boolean): void {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    let free = left + width;
    ctx.save();
    ctx.strokeStyle = color("--quiet");
    ctx.fillStyle = color("--ink-2");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.font = `500 ${FONT_SIZE * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    // The last first: of two that are close, the later one matters more.
    for (const { path, since } of [...paths].reverse()) {
      const x = Math.round(u.valToPos(since / 1000, "x", true));
      if (x < left || x > left + width) continue;
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      const start = x + 4 * devicePixelRatio;
      if (!named || start + ctx.measureText(path).width > free) continue;
      ctx.fillText(path, start, top);
      free = x;
    }
    ctx.restore();
  }

  return {
    show(newSamples, newPaths) {
      samples = newSamples;
      paths = newPaths;
      const times = samples.map(({ at }) => at / 1000);
      for (const { plan, plot, say } of plots) {
        plot.setData([
          times,
          ...plan.lines.map(({ value }) => samples.map((sample) => value(sample) ?? null)),
        ]);
        say();
      }
    },
    close() {
      resized.disconnect();
      dark.removeEventListener("change", recolor);
      for (const { plot } of plots) {
        plot.destroy();
      }
      container.replaceChildren();
    },
  };
}
