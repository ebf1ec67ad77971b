import { isTerminal, type CommandId, type CommandState, type OrgId } from '@muster/protocol';
import { CommandFold, encodeNumberSet, type CommandRecord, type JournalEntry } from '@muster/records';
import { search, type Searched, type Step } from './search/search.js';

const TARGETS = 3;
const OUTCOMES = ['sent', 'accepted', 'running', 'succeeded', 'failed'] as const;

/** A rollout on three endpoints that a second person must approve. */
const RECORD = {
  ...{ id: 'c1' as CommandId, org: 'acme' as OrgId, submittedAtMs: 1, expiresAtMs: 100, timeoutMs: 10 },
  operator: { id: 'a', name: 'A' },
  ...{ action: 'process.kill', params: {}, dryRun: false },
  targets: { sets: [encodeNumberSet([1, 2, 3])] },
  rollout: { canary: 1, step: 1, pauseMs: 0, abortOver: 0 },
  approval: { why: 'every action', role: 'admin' },
} as unknown as CommandRecord;

/** The code as it is, or as a test has broken it. */
export type MakeFold = (record: CommandRecord) => CommandFold;

/** Every state of one command that any order of its entries can make, repeats included. */
export function searchJournalFold(make: MakeFold = (record) => new CommandFold(record)): Searched {
  return search<CommandFold>({ begin: () => make(RECORD), steps: STEPS, key, check });
}

const targets = Array.from({ length: TARGETS }, (_, index) => index + 1);
const entry = (name: string, what: unknown): Step<CommandFold> => ({
  name,
  run: (fold) => void fold.apply({ atMs: 5, ...(what as object) } as JournalEntry),
});
const STEPS: readonly Step<CommandFold>[] = [
  entry('approved', { t: 'signed', signature: { jws: 'x', approver: { id: 'b', name: 'B' } }, released: 1 }),
  entry('released up to 2', { t: 'released', upTo: 2 }),
  entry('released up to 3', { t: 'released', upTo: 3 }),
  entry('cancelled', { t: 'cancel', by: { id: 'a', name: 'A' }, code: 'cancelled', message: '' }),
  ...targets.flatMap((target) =>
    OUTCOMES.map((state) =>
      entry(`target ${target} ${state}`, {
        t: 'states',
        changes: [{ state, targets: encodeNumberSet([target]), code: '', message: '' }],
      }),
    ),
  ),
];

const statesOf = (fold: CommandFold): CommandState[] => targets.map((target) => fold.state(target));

const key = (fold: CommandFold): string =>
  JSON.stringify({
    ...{ status: fold.status, released: fold.released, isCancelled: fold.cancel !== undefined },
    ...{ states: statesOf(fold), late: targets.map((target) => fold.late(target)?.state ?? '') },
  });

interface Seen {
  readonly status: string;
  readonly released: number;
  readonly states: readonly CommandState[];
  readonly late: readonly string[];
}

const ON_ENDPOINT: ReadonlySet<CommandState> = new Set(['sent', 'accepted', 'running']);

/** The promises of the fold, each in words. */
function check(fold: CommandFold, step: Step<CommandFold>, beforeKey: string): string | undefined {
  const before = JSON.parse(beforeKey) as Seen;
  const states = statesOf(fold);
  const { targeted, ...counts } = fold.ledger;
  if (Object.values(counts).reduce((sum, count) => sum + count, 0) !== targeted) return 'the ledger does not add up';
  if (fold.status === 'awaiting_approval' && states.some((state) => ON_ENDPOINT.has(state)))
    return 'a command that nobody approved is on an endpoint';
  if (fold.status !== 'awaiting_approval' && (fold.status === 'ended') !== states.every(isTerminal))
    return 'it has ended, and not all of its targets have, or the other way round';
  if (fold.released < before.released) return 'what was released is not any more';
  for (const [index, state] of states.entries()) {
    const was = before.states[index];
    if (state === 'sent' && was === 'queued' && index + 1 > fold.released)
      return `target ${index + 1} was sent and not released`;
    if (was !== undefined && isTerminal(was) && state !== was) return `target ${index + 1} was ${was} and is ${state}`;
    const late = fold.late(index + 1)?.state;
    if (late !== undefined && (!isTerminal(state) || late === state))
      return `target ${index + 1}: late ${late} of ${state}`;
    if (before.late[index] !== '' && before.late[index] !== late) return `target ${index + 1} has two late outcomes`;
  }
  const once = key(fold);
  step.run(fold);
  return key(fold) === once ? undefined : 'the same entry twice is not the same as once';
}
