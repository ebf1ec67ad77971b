import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandBody } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { AGENT, CommandEndpoint, type EndpointOptions, OTHER_AGENT, settled } from '../../testing/command-endpoint.js';
import { CommandIssuer } from '../../testing/command-issuer.js';

let folder: string;
let clock: FakeClock;
let issuer: CommandIssuer;
const open: CommandEndpoint[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-commands-'));
  clock = new FakeClock();
  issuer = await CommandIssuer.create(() => clock.now());
});
afterEach(async () => {
  for (const { runner } of open.splice(0)) await runner.stop(AbortSignal.abort());
  rmSync(folder, { recursive: true, force: true });
});

function endpoint(options: Partial<EndpointOptions> = {}): CommandEndpoint {
  const made = new CommandEndpoint({ folder, clock, roots: issuer.roots, ...options });
  open.push(made);
  return made;
}

const one = (options: Partial<Parameters<CommandIssuer['issue']>[0]> = {}): CommandBody =>
  issuer.issue({ targets: [AGENT, OTHER_AGENT], ...options })[0]!;
const keyOf = ({ id, number }: CommandBody): { id: never; number: number } => ({ id: id as never, number });
const notes = (): string[] =>
  readFileSync(join(folder, 'commands.log'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const { t, state } = JSON.parse(line) as { t: string; state?: string };
      return state === undefined ? t : `${t} ${state}`;
    });

describe('a command', () => {
  test('is on disk before it runs, its outcome before it is reported, and then until it is confirmed', async () => {
    let seenByAction: string[] = [];
    const agent = endpoint({
      act: () => {
        seenByAction = notes();
        return Promise.resolve({ state: 'succeeded', code: 'ok', message: 'flushed', effects: ['flushed 3'] });
      },
    });
    const body = one();
    await agent.deliver(body);
    expect(seenByAction).toEqual(['started']);
    expect(notes()).toEqual(['started', 'outcome succeeded']);
    expect(agent.reports.at(-1)).toEqual({
      ...keyOf(body),
      state: 'succeeded',
      code: 'ok',
      message: 'flushed',
      effects: ['flushed 3'],
      authentic: true,
    });
    expect(agent.heard()).toEqual(['succeeded/ok']);
    clock.advance(1_000);
    clock.advance(2_000);
    clock.advance(4_000);
    expect(agent.heard()).toEqual(['succeeded/ok', 'succeeded/ok', 'succeeded/ok']);
    for (let i = 0; i < 10; i += 1) clock.advance(30_000);
    expect(agent.heard().length).toBeGreaterThanOrEqual(10);
    agent.runner.onReportKept(keyOf(body));
    clock.advance(120_000);
    expect(agent.heard()).toEqual([]);
    expect(notes().at(-1)).toBe('kept');
    expect(clock.pendingTimers).toBe(0);
  });

  test('runs once however often it is delivered, and each repeat is answered with what is known', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body, body);
    await agent.deliver(body);
    expect(agent.calls).toHaveLength(1);
    expect(agent.heard()).toEqual(['running', 'running', 'running']);
    agent.calls[0]!.end({ state: 'failed', code: 'no_tool', message: 'there is no ip' });
    await settled();
    agent.runner.onReportKept(keyOf(body));
    await agent.deliver(body);
    expect(agent.calls).toHaveLength(1);
    expect(agent.heard()).toEqual(['failed/no_tool', 'failed/no_tool']);
  });

  test('is answered with its outcome after a restart, past its expiry, and when its key is retired since', async () => {
    const first = endpoint({ act: () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' }) });
    const early = { ...one({ retired: true }), keys: issuer.keyList(1) };
    const body = one();
    await first.deliver(early, body);
    first.runner.onReportKept(keyOf(body));
    expect(first.heard()).toEqual(['accepted', 'succeeded/ok', 'succeeded/ok']);
    await first.runner.stop();
    const second = endpoint();
    expect(second.heard()).toEqual(['succeeded/ok']);
    clock.advance(2 * 3_600_000);
    await second.deliver(body, { ...early, keys: issuer.keyList(2) });
    expect(second.calls).toEqual([]);
    expect(new Set(second.heard())).toEqual(new Set(['succeeded/ok']));
  });

  test('that the agent died over has failed, code interrupted, and never runs again', async () => {
    const first = endpoint();
    const body = one();
    await first.deliver(body);
    expect(first.calls).toHaveLength(1);
    // No stop: the process is gone.
    const second = endpoint();
    expect(second.heard()).toEqual(['failed/interrupted']);
    expect(notes()).toEqual(['started', 'outcome failed']);
    await second.deliver(body);
    expect(second.calls).toEqual([]);
    expect(second.heard()).toEqual(['failed/interrupted']);
  });

  test('that only waited is forgotten by a crash, and runs when it is delivered again', async () => {
    const first = endpoint();
    const [running, waiting] = [one(), one()];
    await first.deliver(running, waiting);
    expect(first.heard()).toEqual(['accepted', 'running']);
    const second = endpoint();
    await second.deliver(waiting);
    expect(second.calls).toHaveLength(1);
    expect(second.calls[0]!.call.id).toBe(waiting.id);
  });

  test('is not reported before its outcome could be written down, and then it is', async () => {
    let isFull = false;
    const agent = endpoint();
    const ended = agent.history.ended.bind(agent.history);
    agent.history.ended = (...args): void => {
      if (isFull) throw new Error('ENOSPC');
      ended(...args);
    };
    const body = one();
    await agent.deliver(body);
    isFull = true;
    agent.calls[0]!.end();
    await settled();
    await agent.deliver(body);
    await clock.advanceAsync(20_000);
    expect(agent.heard()).toEqual(['running']);
    isFull = false;
    await clock.advanceAsync(5_000);
    expect(agent.heard()[0]).toBe('succeeded/ok');
    expect(notes()).toEqual(['started', 'outcome succeeded']);
    expect(agent.calls).toHaveLength(1);
  });

  test('does not run again when the clock was ahead, so that it was forgotten, and is set back', async () => {
    const first = endpoint({ act: () => Promise.resolve({ state: 'succeeded', code: 'ok', message: '' }) });
    const body = one();
    await first.deliver(body);
    first.runner.onReportKept(keyOf(body));
    await first.runner.stop();
    const ahead = new FakeClock(clock.now() + 30 * 24 * 3_600_000);
    expect(endpoint({ clock: ahead }).history.size).toBe(0);
    const back = endpoint();
    await back.deliver(body);
    expect(back.calls).toEqual([]);
    expect(back.heard()).toEqual(['expired/expired']);
  });

  test('is reported over the next session when this one ends', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body);
    agent.runner.detach();
    agent.calls[0]!.end();
    await settled();
    clock.advance(60_000);
    expect(agent.heard()).toEqual(['running']);
    agent.runner.attach(agent.send);
    expect(agent.heard()).toEqual(['succeeded/ok']);
  });

  test('two targets of one command are two commands', async () => {
    const agent = endpoint();
    await agent.deliver(...issuer.issue({ targets: [AGENT, AGENT] }));
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls.map(({ call }) => call.number)).toEqual([1, 2]);
  });
});

describe('what does not run', () => {
  const refusals: readonly (readonly [string, string, () => CommandBody])[] = [
    [
      'a changed parameter',
      'unbelieved refused/bad_signature',
      () => changed(one(), { params: { interface: 'eth0' } }),
    ],
    ['a signature over another command', 'unbelieved refused/malformed', () => ({ ...one(), id: one().id })],
    [
      'one for another agent',
      'unbelieved refused/not_a_target',
      () => ({ ...issuer.issue({ targets: [AGENT, OTHER_AGENT] })[1]! }),
    ],
    ['one with another row', 'unbelieved refused/not_a_target', () => ({ ...one(), binding: { pid: 1 } })],
    ['one of another org', 'unbelieved refused/wrong_org', () => one({ claims: { org: 'evil' } })],
    ['one signed by a retired key', 'unbelieved refused/retired_key', () => one({ retired: true })],
    ['no signed text at all', 'unbelieved refused/malformed', () => ({ ...one(), jws: 'x.y.z' })],
    ['one from the future', 'refused/not_yet_valid', () => one({ claims: { iat: clock.now() / 1_000 + 301 } })],
    ['one past its expiry', 'expired/expired', () => one({ claims: { exp: clock.now() / 1_000 } })],
    ['an action nobody knows', 'unsupported/unknown_action', () => one({ claims: { action: 'disk.erase' } })],
    ['parameters that do not fit', 'refused/bad_params', () => one({ claims: { params: { nonsense: 1 } } })],
    ['an undo of what never ran', 'refused/nothing_kept', () => undoOf('c1')],
  ];

  test.each(refusals)('%s: %s', async (_what, expected, make) => {
    const agent = endpoint();
    const body = make();
    await agent.deliver(body);
    expect(agent.heard()).toEqual([expected]);
    expect(agent.calls).toEqual([]);
    // Only what was signed is worth a line on disk.
    expect(agent.history.size).toBe(expected.startsWith('unbelieved') ? 0 : 1);
  });

  test('what another deployment signed, even with its own list', async () => {
    const stranger = await CommandIssuer.create(() => clock.now());
    const agent = endpoint();
    await agent.deliver(stranger.issue({ targets: [AGENT] })[0]!);
    expect(agent.heard()).toEqual(['unbelieved refused/unknown_key']);
  });

  test('anything, while no root is pinned; and what is pinned once stays', async () => {
    const agent = endpoint({ roots: undefined });
    await agent.deliver(one());
    expect(agent.heard()).toEqual(['unbelieved refused/no_trust']);
    expect(agent.trust.pin(issuer.roots)).toBe(true);
    const stranger = await CommandIssuer.create(() => clock.now());
    expect(agent.trust.pin(stranger.roots)).toBe(false);
    await agent.deliver(stranger.issue({ targets: [AGENT] })[0]!, one());
    expect(agent.heard()).toEqual(['unbelieved refused/unknown_key', 'running']);
    const later = endpoint({ roots: undefined });
    await later.deliver(stranger.issue({ targets: [AGENT] })[0]!);
    expect(later.heard()).toContain('unbelieved refused/unknown_key');
  });

  test('a key list from before the newest one that was seen, also after a restart', async () => {
    const first = endpoint();
    first.trust.acceptKeys(issuer.keyList(2));
    const second = endpoint();
    const body = { ...one({ retired: true }), keys: issuer.keyList(1) };
    await second.deliver(body);
    expect(second.heard()).toEqual(['unbelieved refused/retired_key']);
  });

  test('what this endpoint does not allow, or only with a second person’s approval', async () => {
    const policy = { actions: ['arp.*', 'service.stop', 'undo'], requireApproval: ['destructive', 'arp.flush'] };
    const agent = endpoint({ policy });
    await agent.deliver(one({ claims: { action: 'dns.flush' } }));
    await agent.deliver(one());
    await agent.deliver(one({ claims: { approver: { id: 'alice', name: 'Alice' } } }));
    expect(agent.heard()).toEqual([
      'refused/action_not_allowed',
      'refused/approval_missing',
      'refused/approval_missing',
    ]);
    await agent.deliver(one({ claims: { approver: { id: 'bob', name: 'Bob' } } }));
    expect(agent.heard()).toEqual(['running']);
    await agent.deliver(one({ claims: { dryRun: true } }));
    expect(agent.heard()).toEqual(['accepted']);
  });

  test('anything that cannot be written down, and it stays refused', async () => {
    const agent = endpoint();
    agent.trust.acceptKeys(issuer.keyList());
    // No file can be made in what is no folder.
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    const body = one();
    await agent.deliver(body);
    // A disk that has room again must not bring to life what was refused.
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    await agent.deliver(body);
    expect(agent.heard()).toEqual(['refused/ledger_unavailable', 'refused/ledger_unavailable']);
    expect(agent.calls).toEqual([]);
  });

  test('more than a lane holds', async () => {
    const agent = endpoint();
    await agent.deliver(...Array.from({ length: 34 }, () => one()));
    expect(agent.heard()).toEqual([...Array.from({ length: 32 }, () => 'accepted'), 'refused/busy', 'running']);
  });
});

describe('a cancel', () => {
  test('of what waits: it never runs', async () => {
    const agent = endpoint();
    const [running, waiting] = [one(), one()];
    await agent.deliver(running, waiting);
    agent.runner.onCancel(keyOf(waiting));
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls).toHaveLength(1);
    expect(agent.heard()).toEqual(['accepted', 'running', 'cancelled/cancelled', 'succeeded/ok']);
  });

  test('of what never came: it is noted, and does not run when it comes, also after a restart', async () => {
    const agent = endpoint();
    const body = one();
    agent.runner.onCancel(keyOf(body));
    expect(notes()).toEqual(['outcome cancelled']);
    await agent.deliver(body);
    const later = endpoint();
    await later.deliver(body);
    expect([...agent.heard(), ...later.heard()]).toEqual(Array.from({ length: 4 }, () => 'cancelled/cancelled'));
    expect([...agent.calls, ...later.calls]).toEqual([]);
  });

  test.each([
    ['it stops', { state: 'cancelled', code: 'cancelled' }, 'cancelled/cancelled'],
    ['it was done already', { state: 'succeeded', code: 'ok' }, 'succeeded/ok'],
  ] as const)(
    'of what runs: it is told to stop, and the report says what happened (%s)',
    async (_what, result, heard) => {
      const agent = endpoint();
      const body = one();
      await agent.deliver(body);
      agent.runner.onCancel(keyOf(body));
      const { call, end } = agent.calls[0]!;
      expect(call.signal.aborted).toBe(true);
      expect((call.signal.reason as Error).name).toBe('AbortError');
      end(result);
      await settled();
      expect(agent.heard()).toEqual(['running', heard]);
    },
  );

  test('of what has ended changes nothing', async () => {
    const agent = endpoint();
    const body = one();
    await agent.deliver(body);
    agent.calls[0]!.end();
    await settled();
    agent.runner.onCancel(keyOf(body));
    expect(agent.heard()).toEqual(['running', 'succeeded/ok', 'succeeded/ok']);
    expect(notes()).toEqual(['started', 'outcome succeeded']);
  });
});

describe('lanes and deadlines', () => {
  test('an action that hangs holds up its own lane, until its time and a little more are over', async () => {
    const agent = endpoint();
    const flush = { timeoutMs: 10_000 };
    const [stuck, next, other] = [
      one({ claims: flush }),
      one({ claims: flush }),
      one({ claims: { action: 'host.release', params: {} } }),
    ];
    await agent.deliver(stuck, next, other);
    expect(agent.calls.map(({ call }) => call.id)).toEqual([stuck.id, other.id]);
    await clock.advanceAsync(10_000);
    expect((agent.calls[0]!.call.signal.reason as Error).name).toBe('TimeoutError');
    await clock.advanceAsync(5_000);
    expect(agent.reports.find(({ id, state }) => id === stuck.id && state !== 'running')).toMatchObject({
      state: 'timed_out',
      code: 'stuck',
    });
    expect(agent.calls.map(({ call }) => call.id)).toEqual([stuck.id, other.id, next.id]);
    // What it does after it was given up is nobody's outcome.
    agent.calls[0]!.end();
    await settled();
    expect(agent.history.get(keyOf(stuck))?.outcome?.state).toBe('timed_out');
  });

  test('one that ends in time after its deadline says itself what happened', async () => {
    const agent = endpoint();
    await agent.deliver(one({ claims: { timeoutMs: 1_000 } }));
    await clock.advanceAsync(1_000);
    agent.calls[0]!.end({ state: 'timed_out', code: 'timed_out', effects: ['removed half of it'] });
    await settled();
    expect(agent.reports.at(-1)).toMatchObject({ state: 'timed_out', effects: ['removed half of it'] });
  });

  test('one that expires while it waits does not run', async () => {
    const agent = endpoint();
    const waiting = one({ claims: { exp: clock.now() / 1_000 + 5 } });
    await agent.deliver(one({ claims: { timeoutMs: 30_000 } }), waiting);
    await clock.advanceAsync(6_000);
    agent.calls[0]!.end();
    await settled();
    expect(agent.calls).toHaveLength(1);
    expect(agent.history.get(keyOf(waiting))?.outcome).toMatchObject({ state: 'expired', code: 'expired' });
  });

  test('an exception is an outcome, and the lane goes on', async () => {
    const agent = endpoint({ act: () => Promise.reject(new Error('boom')) });
    await agent.deliver(one());
    await agent.deliver(one());
    expect(agent.heard()).toEqual(['failed/internal', 'failed/internal']);
  });

  test('a stop tells what runs to end, begins nothing new, and records what it hears', async () => {
    const agent = endpoint();
    const [running, waiting] = [one(), one()];
    await agent.deliver(running, waiting);
    const stopped = agent.runner.stop();
    agent.calls[0]!.end({ state: 'cancelled', code: 'cancelled' });
    await stopped;
    expect(agent.calls).toHaveLength(1);
    expect(notes()).toEqual(['started', 'outcome cancelled']);
    expect(agent.history.get(keyOf(running))?.outcome?.code).toBe('agent_stopped');
  });
});

describe('an undo', () => {
  test('finds what the original kept, also after a restart, once', async () => {
    const first = endpoint();
    const body = one({ claims: { action: 'service.stop', params: { name: 'cron' } } });
    await first.deliver(body);
    first.calls[0]!.call.keepUndo({ name: 'cron', verb: 'stop' });
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
    agent.heard();
    await agent.deliver(undoOf(body.id));
    expect(agent.heard()).toEqual(['refused/nothing_kept']);
  });

  test('is allowed and approved as what it undoes is', async () => {
    const first = endpoint();
    const body = one({ claims: { action: 'service.stop', params: { name: 'cron' } } });
    await first.deliver(body);
    first.calls[0]!.call.keepUndo(1);
    const agent = endpoint({ policy: { actions: ['service.*'], requireApproval: ['service.stop'] } });
    agent.heard();
    await agent.deliver(undoOf(body.id));
    await agent.deliver(undoOf(body.id, { approver: { id: 'bob', name: 'Bob' } }));
    expect(agent.heard()).toEqual(['refused/approval_missing', 'running']);
  });
});

test('who asked hears when nothing waits to be confirmed any more', async () => {
  let times = 0;
  const agent = endpoint({ onAllKept: () => (times += 1) });
  const [a, b] = [one(), one({ claims: { action: 'host.release' } })];
  await agent.deliver(a, b);
  for (const { end } of agent.calls) end();
  await settled();
  agent.runner.onReportKept(keyOf(a));
  expect(times).toBe(0);
  agent.runner.onReportKept(keyOf(b));
  agent.runner.onReportKept(keyOf(b));
  expect(times).toBe(1);
});

function undoOf(command: string, claims: object = {}): CommandBody {
  return issuer.issue({
    targets: [[AGENT, { target: 1 }]],
    claims: { action: 'undo', params: { command }, ...claims },
  })[0]!;
}

/** Other claims under the same signature. */
function changed(body: CommandBody, claims: object): CommandBody {
  const [header, payload, signature] = body.jws.split('.');
  const old = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object;
  const next = Buffer.from(JSON.stringify({ ...old, ...claims })).toString('base64url');
  return { ...body, jws: `${header}.${next}.${signature}` };
}
