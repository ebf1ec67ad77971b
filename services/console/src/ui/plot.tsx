import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/**
 * A chart as wide as its place. It is made anew when `make` changes, and has the columns of the newest rendering. It is hidden from screen
 * readers: who shows one says in words what is in it.
 */
export function Plot({
  make,
  columns,
  height,
}: {
  make: (width: number) => uPlot.Options;
  columns: readonly (readonly (number | null)[])[];
  height: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  useEffect(() => {
    const { current } = box;
    if (current === null) return undefined;
    const made = new uPlot(make(current.clientWidth), [[]], current);
    plot.current = made;
    const resizes = new ResizeObserver(() => made.setSize({ width: current.clientWidth, height }));
    resizes.observe(current);
    return () => {
      resizes.disconnect();
      made.destroy();
    };
  }, [make, height]);
  useEffect(() => plot.current?.setData(columns as uPlot.AlignedData));
  return <div ref={box} aria-hidden="true" />;
}

/** What all charts have in common, in the colours of the theme as it is now. */
export function plotLook(zone: string) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const grid = { stroke: colour('edge'), width: 1 };
  const axis = { stroke: colour('ink-soft'), font: `11px ${colour('font')}`, grid, ticks: { show: false } };
  const options = {
    tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
  } satisfies Partial<uPlot.Options>;
  return { axis, colour, options };
}
