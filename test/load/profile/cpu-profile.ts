/** What V8 writes with `--cpu-prof`, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** The node that ran at each sample, and the microseconds since the sample before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface FunctionTime {
  readonly name: string;
  /** File and line; empty of what V8 does itself. */
  readonly place: string;
  readonly ms: number;
  /** Of the time in which the process did something. */
  readonly share: number;
}

/** V8's names for a process that does nothing. */
const IDLE = new Set(['(idle)', '(root)']);

/** The functions in which a process itself spent most time, without what they called. */
export function dearestFunctions({ nodes, samples, timeDeltas }: CpuProfile, count: number): FunctionTime[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, { name: string; place: string; ms: number }>();
  let busyMs = 0;
  samples.forEach((id, i) => {
    const frame = frames.get(id);
    if (frame === undefined || IDLE.has(frame.functionName)) return;
    const ms = Math.max(0, timeDeltas[i] ?? 0) / 1_000;
    busyMs += ms;
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const place = frame.url === '' ? '' : `${shortPath(frame.url)}:${frame.lineNumber + 1}`;
    const time = times.get(`${name} ${place}`) ?? { name, place, ms: 0 };
    times.set(`${name} ${place}`, time);
    time.ms += ms;
  });
  const sorted = [...times.values()].toSorted((a, b) => b.ms - a.ms).slice(0, count);
  return sorted.map((time) => ({ ...time, share: time.ms / busyMs }));
}

/** Which program of Muster a profile is of, by the main file that it ran: `query`, or `fleet` for the simulator. */
export function programOf({ nodes }: CpuProfile): string {
  for (const { callFrame } of nodes) {
    const match = /\/(?:services|load)\/([^/]+)\/(?:dist\/)?main\.js$/.exec(callFrame.url);
    // These only measure, within the program.
    if (match?.[1] !== undefined && match[1] !== 'gc-on-signal' && match[1] !== 'turn-meter') return match[1];
  }
  return 'other';
}

/** `query/dist/results/result-writer.js` of a path in the tree, `ws/lib/sender.js` of one in a package, `node:net` as it is. */
function shortPath(url: string): string {
  return url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\//, '')
    .replace(/^.*\/(?:services|shared)\//, '');
}
