import { expect, it } from '@jest/globals';
import { parseFault } from './faults/fault.js';
import { runRound } from './run-round.js';

export interface RoundCase {
  /** As `npm run chaos` takes them, what shows most first: a busy machine comes to fewer of them. */
  readonly faults: readonly string[];
  readonly agents: number;
  /** No fault begins after so long. */
  readonly forMs: number;
  /** What a round has to come to: it proves nothing when nobody asked. */
  readonly atLeast: { readonly faults: number; readonly questions: number; readonly commands: number };
}

/** `npm run chaos` makes longer rounds of the same, with faults by a seed and bounds of time without patience. */
export function roundCase({ faults, agents, forMs, atLeast }: RoundCase): void {
  it('whatever dies or hangs: what callers are told is true, and what was accepted is done', async () => {
    const round = await runRound({
      ...{ agents, seed: 1, front: 'list', faults: faults.map(parseFault), forMs, patience: 4 },
      print: (text) => process.stderr.write(`${text}\n`),
    });
    expect(round.violations).toEqual([]);
    expect(round.faults).toBeGreaterThanOrEqual(atLeast.faults);
    expect(round.questions).toBeGreaterThan(atLeast.questions);
    expect(round.commands).toBeGreaterThan(atLeast.commands);
  }, 600_000);
}
