import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID, COMMAND_ID, commandJson, endedCommand, targetJson } from '../testing/fake-api.js';

const { api, muster } = cliHarness();

const PATH = `/v1/commands/${COMMAND_ID}`;

test('the list shows operator, action, target and state; filters go to the server', async () => {
  api.json('GET /v1/commands', {
    items: [
      endedCommand({}, { targeted: 3, succeeded: 2, timed_out: 1 }),
      commandJson({ dryRun: true, status: 'awaiting_approval' }, { targeted: 1, queued: 1 }),
    ],
  });
  const { code, out } = await muster(['commands', '--status', 'ended', '--limit', '7']);
  expect(code).toBe(0);
  expect(out.split('\n')[1]).toBe(
    `${COMMAND_ID}  2026-01-01 00:00 UTC  ann  process.kill name=abc.exe            os=linux  ended              2 succeeded, 1 timed out`,
  );
  expect(out).toMatch(/process\.kill name=abc\.exe \(dry run\) {2}os=linux {2}awaiting approval {2}1 queued$/m);
  expect(api.requests[0]?.path).toBe('/v1/commands?status=ended&limit=7');
});

test('one command is shown with reason, approval, rollout and cancel', async () => {
  const cancel = { by: { id: 'o', name: 'ben' }, code: 'cancelled', message: 'enough', at: '2026-01-01T00:01:00.000Z' };
  const more = {
    cancel,
    reason: 'adware',
    approval: { why: 'destructive', role: 'responder' as const },
    approver: { id: 'p', name: 'cy' },
    rollout: { canary: 1, step: '10%', pauseMs: 30_000, abortOver: 0.05 },
  };
  api.json(`GET ${PATH}`, endedCommand(more, { targeted: 2, succeeded: 1, cancelled: 1 }));
  const { out } = await muster(['commands', 'show', COMMAND_ID]);
  for (const line of [
    'targets    2 targets: 1 succeeded, 1 cancelled',
    'submitted  2026-01-01 00:00 UTC by ann (responder)',
    'approval   by cy: destructive',
    'rollout    canary=1,step=10%,pause=30s,abort_over=5%; 1 of 2 released',
    'stopped    2026-01-01 00:01 UTC by ben (cancelled) enough',
  ])
    expect(out).toContain(`${line}\n`);
  expect(JSON.parse((await muster(['commands', 'show', COMMAND_ID, '-o', 'json'])).out)).toMatchObject(more);
});

test('targets are listed by state, with late reports', async () => {
  const late = { state: 'succeeded' as const, code: '', message: 'ended 17' };
  const items = [targetJson(1, { state: 'timed_out', message: 'no report', late })];
  api.json(`GET ${PATH}/targets`, { items });
  const { out } = await muster(['commands', 'targets', COMMAND_ID, '--state', 'timed_out']);
  expect(out.split('\n')[1]).toBe(
    `h1    ${AGENT_ID}  timed out  2026-01-01 00:00:01 UTC  no report; reported later: succeeded ended 17`,
  );
  expect(api.requests[0]?.path).toContain('state=timed_out');
});

test('watching an ended command prints its outcomes and ends with 3 when not all succeeded', async () => {
  const command = endedCommand({}, { targeted: 1, refused: 1 });
  api.command(command, [
    { event: 'targets', seq: 1, targets: [targetJson(1, { state: 'refused', message: 'pid 17 is another now' })] },
    { event: 'ended', seq: 2, command },
  ]);
  const { code, out } = await muster(['commands', 'watch', COMMAND_ID]);
  expect([code, out]).toEqual([3, 'h1                refused      pid 17 is another now\n']);
});

test('cancel prints what is cancelled and what may still happen', async () => {
  api.json(`DELETE ${PATH}`, commandJson({}, { targeted: 3, cancelled: 2, running: 1 }), 202);
  const { code, err } = await muster(['commands', 'cancel', COMMAND_ID, '--reason', 'enough']);
  expect(code).toBe(0);
  expect(err).toBe(
    `${COMMAND_ID} is cancelled: 1 running, 2 cancelled; \`muster commands watch ${COMMAND_ID}\` shows what becomes of the rest\n`,
  );
  expect(api.requests[0]?.path).toBe(`${PATH}?reason=enough`);
  api.on(`DELETE ${PATH}`, (_, response) => void response.writeHead(204).end());
  expect(await muster(['commands', 'cancel', COMMAND_ID])).toEqual({
    code: 0,
    out: '',
    err: `${COMMAND_ID} has ended already, so there is nothing to cancel\n`,
    asked: [],
  });
});

test('approve shows the command and asks', async () => {
  const approval = { why: 'more than 40', role: 'responder' as const };
  api.json(`GET ${PATH}`, commandJson({ approval, reason: 'adware' }, { targeted: 43 }));
  api.json(`POST ${PATH}/approve`, commandJson({}, { targeted: 43, sent: 43 }));
  const { code, err, asked } = await muster(['commands', 'approve', COMMAND_ID], { answers: ['y'] });
  expect([code, err]).toEqual([0, `${COMMAND_ID} is approved: 43 sent\n`]);
  expect(asked[0]?.question).toBe(
    'ann (responder) asks for process.kill name=abc.exe\non 43 targets (os=linux)\nbecause: adware\nIt needs approval: more than 40.\nGo on? [y/N] ',
  );
  expect(await muster(['commands', 'approve', COMMAND_ID], { answers: ['n'] })).toMatchObject({ code: 1 });
  expect(api.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  api.json(`POST ${PATH}/approve`, { code: 'self_approval', status: 403, detail: 'another must' }, 403);
  expect(await muster(['commands', 'approve', COMMAND_ID, '-y'])).toMatchObject({
    code: 1,
    err: 'error: another must (self_approval)\n',
  });
});

test('undo asks, and can be watched like any other command', async () => {
  const undo = commandJson({ action: 'undo', params: { command: COMMAND_ID } }, { targeted: 2, sent: 2 });
  const command = endedCommand({}, { targeted: 2, succeeded: 2 });
  api.command(endedCommand({}, { targeted: 3, succeeded: 2, failed: 1 }), [{ event: 'ended', seq: 1, command }]);
  api.json(`POST ${PATH}/undo`, undo, 202);
  const { code, asked } = await muster(['undo', COMMAND_ID, '--wait', '--reason', 'a mistake'], { answers: ['y'] });
  expect(code).toBe(0);
  expect(asked[0]?.question).toBe('undo process.kill name=abc.exe\non 2 targets where it succeeded\nGo on? [y/N] ');
  const post = api.requests.find(({ method }) => method === 'POST');
  expect(post?.body).toEqual({ dryRun: false, reason: 'a mistake' });
  expect(post?.headers['idempotency-key']).toBeDefined();
  expect(await muster(['undo', COMMAND_ID, '--dry-run'])).toMatchObject({ code: 0, asked: [] });
  expect(api.requests.at(-2)?.body).toEqual({ dryRun: true, expiresIn: '2m' });
});

test('an invalid command id is found before any request', async () => {
  for (const args of [['show'], ['watch'], ['targets'], ['cancel'], ['approve', '-y']])
    expect(await muster(['commands', args[0]!, '../agents', ...args.slice(1)])).toMatchObject({ code: 2 });
  expect(await muster(['undo', 'q1', '-y'])).toMatchObject({ code: 2 });
  expect(api.requests).toEqual([]);
});
