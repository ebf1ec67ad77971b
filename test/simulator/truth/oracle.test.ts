import { describe, expect, it } from '@jest/globals';
import type { CommandState } from '@muster/protocol';
import { disagreements, Oracle, type JournaledTarget, type RunResult } from './oracle.js';

const target = (state: CommandState, code = ''): JournaledTarget => ({
  command: 'c1',
  number: 1,
  agentId: 'a1',
  state,
  code,
});

function ran(...results: RunResult[]): Oracle {
  const oracle = new Oracle();
  for (const result of results) {
    const run = oracle.started({ agentId: 'a1', command: 'c1', number: 1, action: 'dns.flush', dryRun: false });
    if (result !== 'running') oracle.ended(run, result);
  }
  return oracle;
}

describe('the oracle and the journal', () => {
  it.each<[CommandState, string, RunResult[]]>([
    ['succeeded', 'ok', ['succeeded']],
    ['failed', 'simulated_failure', ['failed']],
    ['failed', 'interrupted', ['interrupted']],
    ['refused', 'changed', ['refused']],
    ['refused', 'bad_signature', []],
    ['unsupported', 'platform', []],
    ['cancelled', '', []],
    ['cancelled', 'cancelled', ['cancelled']],
    ['timed_out', 'timed_out', ['timed_out']],
    ['timed_out', 'no_report', ['running']],
    ['timed_out', 'no_report', []],
    ['expired', '', []],
    ['expired', 'unconfirmed', ['succeeded']],
  ])('agree on %s (%s) of what was %j', (state, code, results) => {
    expect(disagreements(ran(...results).all, [target(state, code)])).toEqual([]);
  });

  it.each<[CommandState, string, RunResult[]]>([
    ['succeeded', 'ok', []],
    ['succeeded', 'ok', ['failed']],
    ['succeeded', 'ok', ['running']],
    ['succeeded', 'ok', ['succeeded', 'succeeded']],
    ['failed', 'interrupted', ['succeeded']],
    ['failed', 'simulated_failure', ['interrupted']],
    ['failed', 'simulated_failure', []],
    ['refused', 'bad_signature', ['succeeded']],
    ['expired', '', ['succeeded']],
    ['expired', 'unconfirmed', ['succeeded', 'succeeded']],
    ['cancelled', '', ['succeeded']],
    ['running', '', ['running']],
    ['queued', '', []],
  ])('disagree on %s (%s) of what was %j', (state, code, results) => {
    expect(disagreements(ran(...results).all, [target(state, code)])).toHaveLength(1);
  });

  it('disagree about a run on an endpoint that was no target', () => {
    const elsewhere = { ...target('succeeded', 'ok'), agentId: 'a2' };
    expect(disagreements(ran('succeeded').all, [elsewhere])).toHaveLength(2);
  });

  it('counts runs, also those after an earlier count', () => {
    const oracle = ran('succeeded');
    expect(oracle.runs('a1', 'c1', 1)).toBe(1);
    oracle.started({ agentId: 'a1', command: 'c1', number: 1, action: 'dns.flush', dryRun: false });
    oracle.started({ agentId: 'a1', command: 'c1', number: 2, action: 'dns.flush', dryRun: false });
    expect([oracle.runs('a1', 'c1', 1), oracle.runs('a1', 'c1', 2), oracle.runs('a2', 'c1', 1)]).toEqual([2, 1, 0]);
    expect([oracle.doubled().length, oracle.total, oracle.of('c1').length]).toEqual([1, 3, 3]);
  });
});
