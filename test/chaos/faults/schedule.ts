import { seeded, seededPick } from '../../simulator/machine/seeded.js';
import { PARTS, type Part } from '../system/parts.js';
import type { Fault, Strike } from './fault.js';

/** Freezes of 2 to 60 s: below and above every time-out and lease of the system. */
const FREEZE_MS = [2_000, 6_000, 12_000, 20_000, 35_000, 60_000] as const;
const BROKER_AWAY_MS = [500, 2_000, 6_000] as const;
/** After so many faults alone comes a pair. */
const ALONE_BEFORE_PAIR = 2;

const BROKERS: readonly Part[] = ['nats', 'redis'];

/**
 * The faults of a round, without end: each part is killed and frozen in turn, Redis emptied and filled, NATS restarted,
 * in an order that the seed decides; pairs of any two strikes come between. The same seed gives the same faults.
 */
export function* schedule(seed: number): Generator<Fault, never> {
  let count = 0;
  for (let round = 0; ; round += 1) {
    const alone = shuffled(seed, round, strikes(seed, round));
    for (const strike of alone) {
      yield [strike];
      count += 1;
      if (count % ALONE_BEFORE_PAIR === 0) yield pair(seed, count);
    }
  }
}

function strikes(seed: number, round: number): Strike[] {
  const kinds = PARTS.flatMap((part, i) => [
    strikeOf(seed, round * 100 + i, part, 'kill'),
    strikeOf(seed, round * 100 + i, part, 'freeze'),
  ]);
  return [
    ...kinds,
    { part: 'redis', kind: 'empty', ms: 0 },
    { part: 'redis', kind: 'fill', ms: seededPick(seed, round, 'fill', FREEZE_MS) },
    { part: 'nats', kind: 'restart', ms: 0 },
  ];
}

function strikeOf(seed: number, index: number, part: Part, kind: 'kill' | 'freeze'): Strike {
  if (kind === 'freeze') return { part, kind, ms: seededPick(seed, index, `freeze ${part}`, FREEZE_MS) };
  return { part, kind, ms: BROKERS.includes(part) ? seededPick(seed, index, `away ${part}`, BROKER_AWAY_MS) : 0 };
}

function pair(seed: number, index: number): Fault {
  const first = seeded(seed, index, 'pair') % PARTS.length;
  const second = (first + 1 + (seeded(seed, index, 'other') % (PARTS.length - 1))) % PARTS.length;
  const strike = (at: number): Strike => {
    const part = PARTS[at] ?? 'nats';
    return strikeOf(seed, index * 1_000 + at, part, seededPick(seed, index, `kind ${part}`, ['kill', 'freeze']));
  };
  return [strike(first), strike(second)];
}

function shuffled<T>(seed: number, round: number, items: readonly T[]): T[] {
  const ranked = items.map((item, i) => ({ item, rank: seeded(seed, round * 1_000 + i, 'order') }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ item }) => item);
}
