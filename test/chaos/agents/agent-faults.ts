import { setTimeout as delay } from 'node:timers/promises';
import type { Harness } from '../../kit/harness.js';
import { seeded, seededPick } from '../../simulator/machine/seeded.js';
import { damage, DAMAGES } from './damage.js';
import type { Endpoint } from './endpoint.js';
import type { Commands } from './commands.js';

/** What befalls an endpoint, or the services while it is away. */
export const AGENT_FAULTS = [
  'kill',
  'freeze',
  'full disk',
  'full disk and kill',
  'damaged history',
  'older history',
  'clock ahead',
  'clock behind',
  'clone',
  'command services and kill',
  'gateway',
] as const;
export type AgentFault = (typeof AGENT_FAULTS)[number];

export interface Struck {
  readonly harness: Harness;
  readonly endpoint: Endpoint;
  readonly commands: Commands;
  readonly seed: number;
  /** Counts the faults of a round. */
  readonly index: number;
}

const HOUR_MS = 3_600_000;
const AHEAD_MS = [10 * 60_000, 26 * HOUR_MS, 9 * 24 * HOUR_MS, 400 * 24 * HOUR_MS] as const;
const BEHIND_MS = [-60_000, -HOUR_MS, -30 * 24 * HOUR_MS] as const;
/** Commands under a fault: some run, some wait, some are on their way when it strikes. */
const ORDERS = 3;

/** The faults of a round, without end: each in turn, in an order that the seed decides. */
export function* agentFaults(seed: number): Generator<AgentFault, never> {
  for (let round = 0; ; round += 1) {
    const ranked = AGENT_FAULTS.map((fault, i) => ({ fault, rank: seeded(seed, round * 100 + i, 'agent fault') }));
    for (const { fault } of ranked.toSorted((a, b) => a.rank - b.rank)) yield fault;
  }
}

/** Carries out a fault with commands before, during and after it. Resolves to what did not hold meanwhile. */
export async function strike(fault: AgentFault, struck: Struck): Promise<string[]> {
  const { endpoint, commands, seed, index } = struck;
  const give = async (count = ORDERS): Promise<void> => {
    const given = await Promise.all(Array.from({ length: count }, () => commands.give(endpoint, fault)));
    if (seeded(seed, index, 'cancel') % 4 === 0 && given[0] !== undefined) await commands.cancel(given[0]);
  };
  /** Long enough for some of the commands to be delivered, run or reported, and for none. */
  const moment = (): Promise<void> => delay(seeded(seed, index, 'moment') % 400);
  const again = async (): Promise<void> => {
    endpoint.start();
    await endpoint.ready();
  };
  switch (fault) {
    case 'kill':
      await give();
      await moment();
      await endpoint.kill();
      await give(1);
      await again();
      return [];
    case 'freeze':
      endpoint.freeze();
      await give();
      await delay(seededPick(seed, index, 'freeze', [1_000, 6_000, 20_000]));
      endpoint.resume();
      return [];
    case 'full disk':
    case 'full disk and kill':
      return fullDisk(struck, { give, moment, isKilled: fault === 'full disk and kill' });
    case 'damaged history':
      await give();
      await moment();
      await endpoint.kill();
      damage(endpoint.dataDir, seededPick(seed, index, 'damage', DAMAGES));
      await again();
      return [];
    case 'older history': {
      const copy = endpoint.copy();
      await give();
      await moment();
      await endpoint.kill();
      endpoint.restore(copy);
      await again();
      return [];
    }
    case 'clock ahead':
    case 'clock behind':
      return clockJumps(struck, fault, { give, again });
    case 'clone':
      await give();
      endpoint.startClone();
      for (let i = 0; i < 3; i += 1) {
        await delay(500);
        await give(1);
      }
      await endpoint.killClone();
      await endpoint.kill();
      await again();
      return [];
    case 'command services and kill':
      await give();
      for (const program of struck.harness.stack.commands) program.signal('SIGKILL');
      await moment();
      await endpoint.kill();
      await again();
      return [];
    case 'gateway':
      await give();
      await moment();
      struck.harness.stack.gateways[index % struck.harness.stack.gateways.length]?.signal('SIGKILL');
      await give(1);
      return [];
  }
}

/** What ran before a jump is not forgotten by it, and does not shut the endpoint when the clock is right again. */
async function clockJumps(
  { endpoint, commands, seed, index }: Struck,
  fault: AgentFault,
  how: { readonly give: (count?: number) => Promise<void>; readonly again: () => Promise<void> },
): Promise<string[]> {
  const early = await commands.give(endpoint, fault, '6d');
  await commands.ran(early, 10_000);
  const jumps = fault === 'clock ahead' ? AHEAD_MS : BEHIND_MS;
  endpoint.setClock(seededPick(seed, index, 'clock', jumps));
  await how.give(2);
  await endpoint.kill();
  await how.again();
  await how.give(1);
  endpoint.setClock(0);
  if (seeded(seed, index, 'restart') % 2 === 0) {
    await endpoint.kill();
    await how.again();
  }
  return [];
}

/** It starts, answers and takes commands while its disk is full; what it did not run it runs when there is room. */
async function fullDisk(
  { endpoint, seed, index }: Struck,
  how: { readonly give: (count?: number) => Promise<void>; readonly moment: () => Promise<void>; isKilled: boolean },
): Promise<string[]> {
  if (endpoint.disk === undefined) return [];
  const faults: string[] = [];
  await how.give(1);
  endpoint.disk.fill();
  await how.give();
  await how.moment();
  if (how.isKilled) {
    await endpoint.kill();
    // The order in which room and agent come back decides what a forgotten refusal does.
    if (seeded(seed, index, 'room first') % 2 === 0) endpoint.disk.free();
    endpoint.start();
    await endpoint.ready();
  }
  if (!(await endpoint.answers())) faults.push(`${endpoint.name} does not answer with a full disk`);
  endpoint.disk.free();
  return faults;
}
