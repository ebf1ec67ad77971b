import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { settled } from '../../testing/command-endpoint.js';
import { clock, endpoint, folder, issuer, keyOf, one, recorded } from '../../testing/command-fixture.js';

const ok = () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' } as const);

describe('an agent that lost records of what it ran', () => {
  test('runs nothing that was signed before, and everything that is signed after', async () => {
    const first = endpoint({ act: ok });
    const [ran, kept] = [one(), one()];
    await first.deliver(ran, kept);
    clock.advance(2_000);
    rmSync(join(folder, 'commands.log'));
    const second = endpoint();
    await second.deliver(ran);
    second.runner.onCancel(keyOf(kept));
    expect(second.newReports()).toEqual(['failed/interrupted', 'failed/interrupted']);
    clock.advance(1_000);
    await second.deliver(one());
    expect([second.calls.length, second.newReports().at(-1)]).toEqual([1, 'running']);
    // What it said is on disk.
    const third = endpoint();
    expect(third.newReports()).toEqual(['failed/interrupted', 'failed/interrupted', 'failed/interrupted']);
  });

  test('says so also of what has expired meanwhile: that it did not start in time is not known', async () => {
    const first = endpoint({ act: ok });
    const body = one();
    await first.deliver(body);
    clock.advance(2 * 3_600_000);
    rmSync(join(folder, 'commands.log'));
    const second = endpoint();
    await second.deliver(body);
    expect(second.newReports()).toEqual(['failed/interrupted']);
  });
});

describe('while nothing can be recorded', () => {
  /** No file can be made in what is no folder. */
  function takeRoom(): () => void {
    const away = `${folder}.away`;
    renameSync(folder, away);
    writeFileSync(folder, '');
    return () => {
      rmSync(folder);
      renameSync(away, folder);
    };
  }

  test('a command waits, says why, and runs once when there is room', async () => {
    const agent = endpoint({ act: ok });
    agent.trust.acceptKeys(issuer.keyList());
    const giveRoom = takeRoom();
    const [body, next] = [one(), one()];
    await agent.deliver(body, body, next);
    expect(agent.newReports()).toEqual(['accepted/ledger_unavailable', 'accepted/ledger_unavailable', 'accepted']);
    await clock.advanceAsync(60_000);
    expect([agent.newReports(), agent.runner.active]).toEqual([[], 2]);
    giveRoom();
    await clock.advanceAsync(5_000);
    await settled();
    expect(new Set(agent.newReports())).toEqual(new Set(['succeeded/ok']));
    expect(recorded()).toEqual(['started', 'outcome succeeded', 'started', 'outcome succeeded']);
  });

  test('nothing is told as an end that a crash would change: the agent dies, there is room, and the command is delivered again', async () => {
    const first = endpoint({ policy: { actions: ['host.*'] } });
    first.trust.acceptKeys(issuer.keyList());
    const giveRoom = takeRoom();
    const [denied, waiting] = [one(), one({ claims: { action: 'host.release' } })];
    await first.deliver(denied, waiting, denied);
    expect(first.newReports()).toEqual(Array.from({ length: 3 }, () => 'accepted/ledger_unavailable'));
    giveRoom();
    const second = endpoint({ act: ok });
    await second.deliver(denied, waiting);
    expect(second.newReports().sort()).toEqual(['succeeded/ok', 'succeeded/ok']);
  });

  test('a refusal is told when it is recorded', async () => {
    const agent = endpoint({ policy: { actions: ['none'] } });
    const giveRoom = takeRoom();
    await agent.deliver(one());
    await clock.advanceAsync(10_000);
    expect(agent.newReports()).toEqual(['accepted/ledger_unavailable']);
    giveRoom();
    await clock.advanceAsync(5_000);
    expect(agent.newReports()).toEqual(['refused/action_not_allowed']);
    expect(recorded()).toEqual(['outcome refused']);
  });

  test('a command is cancelled at once, waiting or unseen; one that waits too long has expired', async () => {
    const agent = endpoint();
    agent.trust.acceptKeys(issuer.keyList());
    const giveRoom = takeRoom();
    const [waiting, unseen, late] = [one(), one(), one({ claims: { exp: clock.now() / 1_000 + 60 } })];
    await agent.deliver(waiting);
    agent.runner.onCancel(keyOf(waiting));
    agent.runner.onCancel(keyOf(unseen));
    await settled();
    expect(agent.newReports()).toEqual(['accepted/ledger_unavailable', 'cancelled/cancelled', 'cancelled/cancelled']);
    for (const one of [waiting, unseen]) agent.runner.onReportKept(keyOf(one));
    await agent.deliver(late, unseen);
    await clock.advanceAsync(60_000);
    expect(new Set(agent.newReports())).toEqual(
      new Set(['accepted/ledger_unavailable', 'cancelled/cancelled', 'expired/expired']),
    );
    giveRoom();
  });
});
