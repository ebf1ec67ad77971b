import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { ChannelBehaviour } from './agent/channel-selector.js';
import type { FleetOptions } from './agent/fleet-options.js';

export const USAGE = `npm run simulate -- [options]

  --agents N            how many endpoints (default 1000; up to 19,000 per process)
  --processes N         spread them over this many processes (default: as many as needed)
  --gateway URL         wss:// or ws:// URL of a gateway; may be repeated
  --ca FILE             PEM of the authority to trust
  --enroll-secret TEXT  the org's enrolment secret
  --enroll-secret-file FILE  a file with it
  --org NAME
  --rate N              connections begun per second (default 2000)
  --seed N              same seed, same machines and keys (default 1)
  --slow P              share (0 to 1) of agents that answer late, after --slow-ms N (default 3000)
  --failing P           share that answers with an error
  --silent P            share that never answers
  --disappearing P      share that drops its connection at a query
  --no-commands         agents without the capability for commands
  --metrics             agents with host metrics, which they send as often as the gateway says
  --run-ms A-B          how long a command runs, evenly between the two (default 0: it ends at once)
  --failing-runs P      share of runs that fail
  --crashing P          share of runs after which the agent crashes; it starts again after --restart-ms N (default 1000)
  --oracle FILE         write what really ran to this file, as JSON, every few seconds and at the end; with several
                        processes each writes its own file, FILE.1 and so on
  --mode live|poll|mixed
                        the first channel (default live); mixed: every second agent polls. A gateway then assigns the
                        channel: live, unless its mode policy says poll. See --no-mode
  --no-mode             agents keep the first channel: gateways cannot change it
  --poll-interval S     seconds between two polls, unless a gateway assigns an interval (default 60)
  --scattered           each poll goes to the next gateway, as behind a load balancer
  --fallback            poll when Live fails three times in a row, and keep retrying Live
  --labels K=V,K=V      labels for all agents, besides site, env and role
  --uniform             all machines of one image, so that all give equal answers
  --keys FILE           keep identities in this file: a second start does not enrol again; with several processes each
                        has a part of its own, FILE.0 and so on

Gateway, CA, org and secret default to those of .muster/local.json, which a local stack (npm start) writes.`;

/** The parsed command line. */
export interface CommandLine {
  readonly fleet: FleetOptions;
  readonly processes: number;
  readonly keysFile: string | undefined;
  readonly oracleFile: string | undefined;
}

/** File descriptors are commonly limited to 20,000 per process, and a process needs some for itself. */
const AGENTS_PER_PROCESS = 19_000;

const OPTIONS = {
  agents: { type: 'string', default: '1000' },
  processes: { type: 'string' },
  gateway: { type: 'string', multiple: true },
  ca: { type: 'string' },
  'enroll-secret': { type: 'string' },
  'enroll-secret-file': { type: 'string' },
  org: { type: 'string' },
  rate: { type: 'string', default: '2000' },
  seed: { type: 'string', default: '1' },
  slow: { type: 'string', default: '0' },
  'slow-ms': { type: 'string', default: '3000' },
  failing: { type: 'string', default: '0' },
  silent: { type: 'string', default: '0' },
  disappearing: { type: 'string', default: '0' },
  'no-commands': { type: 'boolean', default: false },
  metrics: { type: 'boolean', default: false },
  'run-ms': { type: 'string', default: '0' },
  'failing-runs': { type: 'string', default: '0' },
  crashing: { type: 'string', default: '0' },
  'restart-ms': { type: 'string', default: '1000' },
  oracle: { type: 'string' },
  mode: { type: 'string', default: 'live' },
  'no-mode': { type: 'boolean', default: false },
  'poll-interval': { type: 'string', default: '60' },
  scattered: { type: 'boolean', default: false },
  fallback: { type: 'boolean', default: false },
  labels: { type: 'string', default: '' },
  uniform: { type: 'boolean', default: false },
  keys: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Parses the arguments; `help` for `--help`. Throws an `Error` whose message is for the user. */
export function readCommandLine(args: readonly string[], folder: string): CommandLine | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true });
  if (values.help) return 'help';
  const local = findLocal(folder);
  const gateways = values.gateway ?? local?.gatewayUrls ?? [];
  const [first, ...rest] = gateways;
  const file = values['enroll-secret-file'];
  const secret = values['enroll-secret'] ?? (file ? readFileSync(file, 'utf8').trim() : local?.enrollSecret);
  const org = values.org ?? local?.org;
  if (first === undefined || secret === undefined || org === undefined) {
    throw new Error('no stack runs here: give --gateway, --enroll-secret and --org, or start one with npm start');
  }
  // The CA of the local stack does not apply to a gateway that was named by hand.
  const caPath = values.ca ?? (values.gateway === undefined ? local?.caPath : undefined);
  const agents = wholeNumber('agents', values.agents);
  return {
    processes: wholeNumber('processes', values.processes ?? String(Math.ceil(agents / AGENTS_PER_PROCESS))),
    keysFile: values.keys,
    oracleFile: values.oracle,
    fleet: {
      gateways: [first, ...rest],
      org,
      enrolSecret: secret,
      agents,
      ...(caPath !== undefined && { ca: readFileSync(caPath, 'utf8') }),
      seed: wholeNumber('seed', values.seed, 0),
      connectsPerSecond: wholeNumber('rate', values.rate),
      behaviour: {
        slow: Number(values.slow),
        failing: Number(values.failing),
        silent: Number(values.silent),
        disappearing: Number(values.disappearing),
      },
      commands: {
        capable: !values['no-commands'],
        runMs: readRange(values['run-ms']),
        failing: Number(values['failing-runs']),
        crashing: Number(values.crashing),
        restartMs: wholeNumber('restart-ms', values['restart-ms'], 0),
      },
      channel: {
        mode: readMode(values.mode),
        capable: !values['no-mode'],
        pollIntervalMs: wholeNumber('poll-interval', values['poll-interval']) * 1_000,
        scattered: values.scattered,
        fallback: values.fallback,
      },
      metrics: values.metrics,
      slowMs: wholeNumber('slow-ms', values['slow-ms'], 0),
      labels: readLabels(values.labels),
      uniform: values.uniform,
    },
  };
}

function wholeNumber(name: string, text: string, min = 1): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min)
    throw new Error(`--${name} takes a whole number from ${min}, not "${text}"`);
  return value;
}

function readMode(text: string): ChannelBehaviour['mode'] {
  if (text === 'live' || text === 'poll' || text === 'mixed') return text;
  throw new Error(`--mode takes live, poll or mixed, not "${text}"`);
}

function readRange(text: string): [least: number, most: number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) throw new Error(`--run-ms takes milliseconds, as 20 or 5-50, not "${text}"`);
  return [Number(match[1]), Number(match[2] ?? match[1])];
}

function readLabels(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key, value, ...more] = pair.split('=');
      if (!key || value === undefined || more.length > 0)
        throw new Error(`--labels takes key=value pairs, not "${pair}"`);
      return [key, value];
    }),
  );
}

interface LocalStack {
  readonly gatewayUrls?: readonly string[];
  readonly caPath?: string;
  readonly enrollSecret?: string;
  readonly org?: string;
}

/** Reads the file of a local stack that runs in this folder or above it. */
function findLocal(folder: string): LocalStack | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    try {
      return JSON.parse(readFileSync(join(at, '.muster', 'local.json'), 'utf8')) as LocalStack;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (dirname(at) === at) return undefined;
  }
}
