import { describe, expect, it } from '@jest/globals';
import type { AuditLinkJson, CommandJson } from '@muster/api-contract';
import { EMPTY_COMMAND_LEDGER } from '@muster/protocol';
import { auditHash, type AuditRecord } from '@muster/records';
import type { Run } from '../../simulator/index.js';
import type { KeptCommands } from '../record/kept-commands.js';
import type { CommandObservation } from '../record/observations.js';
import { journalAgreesWithAudit } from './audit.js';
import { acceptedOnesEnd, keptWereAccepted, runsAgreeWithTargets, toldEndsAreKept } from './commands.js';

const AT = '2026-01-01T00:01:00Z';
const SETTLED = { ...EMPTY_COMMAND_LEDGER, targeted: 2, succeeded: 2 };

const command = (change: Partial<CommandJson> = {}): CommandJson => ({
  ...{ id: 'c1', status: 'ended', action: 'dns.flush', params: {}, dryRun: false, target: '', released: 2 },
  ...{ operator: { id: 'o', name: 'o', role: 'admin' }, submittedAt: AT, expiresAt: AT, timeoutMs: 1, endedAt: AT },
  ...{ ledger: SETTLED, ...change },
});
const observation = (change: Partial<CommandObservation> = {}): CommandObservation => ({
  ...{ key: 'command-1', attempts: [{ fromMs: 1, toMs: 2, status: 202, id: 'c1' }], toldEnds: [], unbalanced: [] },
  ...{ id: 'c1', ...change },
});

interface Said {
  readonly action: string;
  readonly details?: object;
}
const SUBMIT = { action: 'command.submit', details: { targets: 2 } };
const OUTCOME = { action: 'command.outcome', details: { seq: 9, changes: [{ state: 'succeeded', targets: 2 }] } };

function chain(...said: readonly Said[]): AuditLinkJson[] {
  let prev = '';
  return said.map((each, i) => {
    const fields = { atMs: 1, org: 'local', actor: 'o', actorName: 'o', outcome: 'allowed', from: '', subject: 'c1' };
    const record = { ...fields, ...each, prev } as unknown as AuditRecord;
    prev = auditHash(record);
    return { seq: i + 1, hash: prev, record: record as unknown as AuditLinkJson['record'] };
  });
}

const TARGETS = [1, 2].map((number) => {
  return { command: 'c1', number, agentId: `a${number}`, state: 'succeeded', code: 'ok' } as const;
});
const RUNS = [1, 2].map((number): Run => {
  const run = { agentId: `a${number}`, command: 'c1', number, action: 'dns.flush', dryRun: false };
  return { ...run, atMs: 1, result: 'succeeded', endedAtMs: 2 };
});
const kept = (change: Partial<KeptCommands> = {}): KeptCommands => {
  return { commands: [command()], targets: TARGETS, chain: chain(SUBMIT, OUTCOME), ...change };
};

function judged(observations: readonly CommandObservation[], keptNow: KeptCommands, runs: readonly Run[] = RUNS) {
  return [
    ...acceptedOnesEnd(observations, keptNow),
    ...toldEndsAreKept(observations, keptNow),
    ...keptWereAccepted(observations, keptNow, () => false),
    ...runsAgreeWithTargets(runs, keptNow),
    ...journalAgreesWithAudit(keptNow),
  ].map(({ rule }) => rule);
}

describe('the oracle of commands', () => {
  it('has nothing to say of a command in good order, and of its repeats', () => {
    const repeat = { action: 'command.submit', details: { targets: 2, repeated: true } };
    const asked = observation({ toldEnds: [command()] });
    expect(judged([asked], kept({ chain: chain(SUBMIT, repeat, OUTCOME) }))).toEqual([]);
  });

  it('an accepted command that is not kept, or has not ended', () => {
    expect(judged([observation({ id: 'c0' }), observation()], kept())).toEqual(['accepted commands end']);
    const open = command({ status: 'running', ledger: { ...SETTLED, succeeded: 1, sent: 1 } });
    expect(judged([observation()], kept({ commands: [open] }))).toEqual(['accepted commands end']);
  });

  it('a command that nobody accepts', () => {
    const { id: _, ...never } = observation();
    expect(judged([never], kept())).toEqual(['commands are accepted']);
  });

  it('an end that was told and is not kept', () => {
    const told = command({ ledger: { ...SETTLED, succeeded: 1, failed: 1 } });
    expect(judged([observation({ toldEnds: [told] })], kept())).toEqual(['told against kept (commands)']);
  });

  it('a command that nobody was told of', () => {
    const other = { ...observation({ id: 'c2' }), attempts: [{ fromMs: 1, toMs: 2, status: 202, id: 'c2' }] };
    expect(judged([other], kept())).toEqual(['accepted commands end', 'kept commands were accepted']);
  });

  it('a target that ran twice, or never', () => {
    expect(judged([observation()], kept(), [...RUNS, RUNS[0]!])).toEqual(['runs against targets']);
    expect(judged([observation()], kept(), RUNS.slice(1))).toEqual(['runs against targets']);
  });

  it.each<[string, readonly Said[]]>([
    ['no submission', [OUTCOME]],
    ['two submissions', [SUBMIT, SUBMIT, OUTCOME]],
    ['one journal entry in two records', [SUBMIT, OUTCOME, OUTCOME]],
    [
      'the end of one target only',
      [SUBMIT, { ...OUTCOME, details: { changes: [{ state: 'succeeded', targets: 1 }] } }],
    ],
  ])('an audit chain with %s', (_, said) => {
    expect(judged([observation()], kept({ chain: chain(...said) }))).toEqual(['journal against audit']);
  });

  it('an audit chain from which a record was taken', () => {
    const broken = chain(SUBMIT, { action: 'query.start' }, OUTCOME).filter(({ seq }) => seq !== 2);
    expect(judged([observation()], kept({ chain: broken }))).toEqual(['the audit chain holds']);
  });

  it('a cancel, by whomever, that has the number of targets that had not begun', () => {
    const cancelled = { ...EMPTY_COMMAND_LEDGER, targeted: 2, cancelled: 2 };
    const targets = TARGETS.map((target) => ({ ...target, state: 'cancelled' as const, code: '' }));
    for (const cancel of [
      { action: 'command.outcome', details: { seq: 9, cancel: 'not_approved', cancelled: 2 } },
      { action: 'command.cancel', details: { cancelled: 2 } },
    ]) {
      const now = kept({ commands: [command({ ledger: cancelled })], targets, chain: chain(SUBMIT, cancel) });
      expect(judged([observation()], now, [])).toEqual([]);
    }
  });
});
