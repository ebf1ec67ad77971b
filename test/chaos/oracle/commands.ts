import { isDeepStrictEqual } from 'node:util';
import type { CommandJson } from '@muster/api-contract';
import { commandLedgerBalances, commandLedgerSettled } from '@muster/protocol';
import { disagreements, type Run } from '../../simulator/index.js';
import type { KeptCommands } from '../record/kept-commands.js';
import type { CommandObservation } from '../record/observations.js';
import type { Violation } from './violation.js';

/** Every command that was accepted is kept and has ended, with one terminal state for each target. */
export function acceptedOnesEnd(observations: readonly CommandObservation[], { commands }: KeptCommands): Violation[] {
  const kept = new Map(commands.map((command) => [command.id, command]));
  const rule = 'accepted commands end';
  return observations.flatMap(({ key, id, attempts }) => {
    const atMs = attempts.at(-1)?.toMs ?? 0;
    const ids = [key, id ?? ''];
    if (id === undefined) {
      const truth = 'nobody accepted it within two minutes';
      return [{ rule: 'commands are accepted', atMs, ids, told: JSON.stringify(attempts.at(-1)), truth }];
    }
    const command = kept.get(id);
    if (command === undefined) return [{ rule, atMs, ids, told: 'accepted', truth: 'it is not kept' }];
    const { ledger, status } = command;
    if (status === 'ended' && commandLedgerBalances(ledger) && commandLedgerSettled(ledger)) return [];
    return [{ rule, atMs, ids, told: 'accepted', truth: `it is ${status}: ${JSON.stringify(ledger)}` }];
  });
}

/** What an answer or an event told as ended is what is kept, and each ledger on the way added up. */
export function toldEndsAreKept(observations: readonly CommandObservation[], { commands }: KeptCommands): Violation[] {
  const kept = new Map(commands.map((command) => [command.id, command]));
  return observations.flatMap(({ key, toldEnds, unbalanced, attempts }) => {
    const times = { sinceMs: attempts[0]?.fromMs ?? 0, atMs: attempts.at(-1)?.toMs ?? 0 };
    const wrong = toldEnds.flatMap((told): Violation[] => {
      const truth = kept.get(told.id);
      if (truth !== undefined && isDeepStrictEqual(endOf(told), endOf(truth))) return [];
      const texts = { told: JSON.stringify(endOf(told)), truth: truth ? JSON.stringify(endOf(truth)) : 'not kept' };
      return [{ rule: 'told against kept (commands)', ...times, ids: [key, told.id], ...texts }];
    });
    const sums = unbalanced.map((ledger) => ({
      ...{ rule: 'ledgers balance (commands)', ...times, ids: [key], told: JSON.stringify(ledger), truth: 'no sum' },
    }));
    return [...wrong, ...sums];
  });
}

function endOf({ status, ledger, endedAt }: CommandJson): object {
  return { status, ledger, endedAt };
}

/** Nothing ran twice or elsewhere, and each terminal state agrees with what the endpoint recorded. */
export function runsAgreeWithTargets(runs: readonly Run[], { targets, commands }: KeptCommands): Violation[] {
  const kept = new Map(commands.map((command) => [command.id, command]));
  return disagreements(runs, targets).map((text) => {
    const [id = ''] = text.split(' ');
    const { submittedAt = '', endedAt = '' } = kept.get(id) ?? {};
    const times = { sinceMs: Date.parse(submittedAt), atMs: Date.parse(endedAt) };
    return {
      rule: 'runs against targets',
      ...times,
      ids: [id],
      told: text,
      truth: 'the endpoint recorded it otherwise',
    };
  });
}

/** Nothing is kept that nobody was told of. `isOwn`: commands that the suite sent beside the load. */
export function keptWereAccepted(
  observations: readonly CommandObservation[],
  { commands }: KeptCommands,
  isOwn: (command: CommandJson) => boolean,
): Violation[] {
  const told = new Set(observations.flatMap(({ attempts }) => attempts.map(({ id }) => id)));
  // A command whose caller gave up, after a connection that broke.
  if (observations.some(({ id }) => id === undefined)) return [];
  return commands
    .filter((command) => !told.has(command.id) && !isOwn(command))
    .map(({ id, submittedAt }) => ({
      ...{ rule: 'kept commands were accepted', atMs: Date.parse(submittedAt), ids: [id] },
      ...{ told: 'nothing', truth: 'it is kept' },
    }));
}
