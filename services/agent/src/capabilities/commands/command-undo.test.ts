import { describe, expect, test } from '@jest/globals';
import { settled } from '../../testing/command-endpoint.js';
import { endpoint, one, undoOf } from '../../testing/command-fixture.js';

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
