import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { settled } from '../../testing/command-endpoint.js';
import { clock, endpoint, folder, one, undoOf } from '../../testing/command-fixture.js';

describe('an undo', () => {
  test('uses the data that the original stored, also after a restart, once', async () => {
    const first = endpoint();
    const body = one({ claims: { action: 'service.stop', params: { name: 'cron' } } });
    await first.deliver(body);
    await first.calls[0]!.call.keepUndo({ name: 'cron', verb: 'stop' });
    first.calls[0]!.end();
    await settled();
    const agent = endpoint();
    await agent.deliver(undoOf(body.id, { dryRun: true }));
    agent.calls[0]!.end();
    await settled();
    await agent.deliver(undoOf(body.id));
    agent.calls[1]!.end({ state: 'failed', code: 'busy' });
    await settled();
    await agent.deliver(undoOf(body.id));
    expect(agent.undone).toEqual(
      Array.from({ length: 3 }, () => ({ action: 'service.stop', kept: { name: 'cron', verb: 'stop' } })),
    );
    expect(agent.calls[2]!.call.binding).toEqual({ target: 1 });
    agent.calls[2]!.end();
    await settled();
    agent.newReports();
    await agent.deliver(undoOf(body.id));
    expect(agent.newReports()).toEqual(['refused/nothing_kept']);
  });

  test('stays possible for a month by both clocks, and by the time of the signature: a clock that jumps removes nothing', async () => {
    const DAY_MS = 24 * 3_600_000;
    const nowMs = clock.now();
    const first = endpoint();
    await first.deliver(one({ claims: { action: 'service.stop', params: { name: 'cron' } } }));
    await first.calls[0]!.call.keepUndo(1);
    const left = (ownMs: number, gatewayMs: number): number => {
      endpoint({ clock: new FakeClock(ownMs), serverTimeMs: gatewayMs });
      return readdirSync(join(folder, 'undo')).length;
    };
    const [file = ''] = readdirSync(join(folder, 'undo'));
    // Written by a clock that was a year behind.
    utimesSync(join(folder, 'undo', file), (nowMs - 365 * DAY_MS) / 1_000, (nowMs - 365 * DAY_MS) / 1_000);
    expect(left(nowMs, nowMs)).toBe(1);
    expect(left(nowMs + 365 * DAY_MS, nowMs)).toBe(1);
    expect(left(nowMs, nowMs + 365 * DAY_MS)).toBe(1);
    expect(left(nowMs + 32 * DAY_MS, nowMs + 32 * DAY_MS)).toBe(0);
  });

  test('needs the permission and the approval of the action that it undoes', async () => {
    const first = endpoint();
    const body = one({ claims: { action: 'service.stop', params: { name: 'cron' } } });
    await first.deliver(body);
    await first.calls[0]!.call.keepUndo(1);
    const agent = endpoint({ policy: { actions: ['service.*'], requireApproval: ['service.stop'] } });
    agent.newReports();
    await agent.deliver(undoOf(body.id));
    await agent.deliver(undoOf(body.id, { approver: { id: 'bob', name: 'Bob' } }));
    expect(agent.newReports()).toEqual(['refused/approval_missing', 'running']);
  });
});
