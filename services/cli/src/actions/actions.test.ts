import { beforeEach, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { ACTIONS } from '../testing/fake-api.js';

const { api, muster } = cliHarness();
beforeEach(() => {
  api.json('GET /v1/actions', { items: ACTIONS });
});

test('the list shows what endpoints can do, and what can be undone', async () => {
  const { code, out } = await muster(['actions']);
  expect(code).toBe(0);
  expect(out).toMatch(/^process\.kill {6}linux,windows,darwin {2}destructive {7}Ends a process$/m);
  expect(out).toMatch(/^host\.isolate .* destructive,undo {2}Cuts the endpoint off$/m);
});

test('one action: its parameters, what it needs, and how rows are piped into it', async () => {
  const { out } = await muster(['actions', 'process.kill']);
  expect(out).toMatch(/^signal {6}TERM\|KILL {2}"KILL"$/m);
  expect(out).toMatch(/^pid {9}number {14}Process id$/m);
  expect(out).toContain('Needs pid, or name.\n');
  expect(out).toContain('  processes: pid, start_time (and path)\n');
  expect(out).toContain(
    '  muster query "SELECT pid, start_time, path FROM processes WHERE …" -o ndjson | muster run process.kill --from -\n',
  );
  expect(await muster(['actions', 'process.kil'])).toMatchObject({ code: 2, out: '' });
});
