import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { HealthEventJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster, terminal } = cliHarness();
const since = '2026-01-01T00:00:00.000Z';

type State = 'ok' | 'warning' | 'critical';
const unwell = (host: string, state: State, ...rules: readonly Rule[]) => ({
  ...{ agentId: host.padEnd(24, '0'), host, health: { state, since, rules } },
});
type Rule = Extract<HealthEventJson, { readonly event: 'changed' }>['rules'][number];
const fails = (rule: string, state: State, value?: number, threshold?: number): Rule => ({
  ...{ rule, state, since },
  ...(value === undefined ? {} : { value }),
  ...(threshold === undefined ? {} : { threshold }),
});
const SILENT = fails('silent', 'warning');

/** A fleet of which these are not well; pages have one endpoint. */
function fleet(items: readonly ReturnType<typeof unwell>[], more: object = {}): void {
  const counts = { ok: 10, warning: 0, critical: 0 };
  for (const { health } of items) counts[health.state] += 1;
  api.on('GET /v1/health', ({ path }, response) => {
    const query = new URLSearchParams(path.split('?')[1]);
    const matching = items.filter(({ health }) => health.state === query.get('state'));
    const from = Number(query.get('cursor') ?? 0);
    const nextCursor = from + 1 < matching.length ? { nextCursor: String(from + 1) } : {};
    const body = {
      counts,
      items: matching.slice(from, from + 1),
      ...nextCursor,
      partitions: { of: 32, missing: [] },
      ...more,
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
}

const change = (seq: number, more: object = {}): HealthEventJson => ({
  ...{ event: 'changed', seq, at: since, agentId: 'w'.repeat(24), host: 'web-9', state: 'critical', before: 'ok' },
  rules: [fails('disk_nearly_full', 'critical', 0.98123, 0.97)],
  ...more,
});

describe('muster health', () => {
  test('lists how many are well, and who is not, the worst first, over all pages', async () => {
    fleet([
      unwell('web-1', 'warning', fails('cpu_saturated', 'warning', 0.99, 0.95)),
      unwell(
        ...(['web-2', 'critical', fails('memory_pressure', 'warning', 0.9, 0.9)] as const),
        fails('disk_nearly_full', 'critical', 0.98123, 0.97),
      ),
      unwell('web-3', 'warning', SILENT),
    ]);
    const { code, out, err } = await muster(['health', '--target', 'env=prod']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n').map((line) => line.replace(/ {2}\d+ d( \d+ h)? {2}/, '  …  '))).toEqual([
      '10 ok, 2 warning, 1 critical',
      expect.stringMatching(/^HEALTH {4}HOST {3}RULE +VALUE +SINCE +FOR$/),
      expect.stringMatching(/^critical {2}web-2 {2}disk_nearly_full {2}0\.981 \(≥ 0\.97\) {2}2026-01-01 00:00 UTC /),
      expect.stringMatching(/^warning {3}web-2 {2}memory_pressure {3}0\.9 \(≥ 0\.9\) /),
      expect.stringMatching(/^warning {3}web-1 {2}cpu_saturated {5}0\.99 \(≥ 0\.95\) /),
      expect.stringMatching(/^warning {3}web-3 {2}silent {4,}2026/),
      '',
    ]);
    expect(api.requests.every(({ path }) => path.includes('selector=env%3Dprod'))).toBe(true);
    expect((await muster(['health', '--limit', '1'])).out).toContain('and 2 more: --limit');
    expect(JSON.parse((await muster(['health', '-o', 'json'])).out)).toMatchObject({
      counts: { ok: 10, warning: 2, critical: 1 },
      items: [{ host: 'web-2' }, { host: 'web-1' }, { host: 'web-3' }],
    });
    expect((await muster(['health', '-o', 'ndjson'])).out.trimEnd().split('\n')).toHaveLength(3);
  });

  test('forms for programs have every one that is not well, a table the first 200', async () => {
    fleet(Array.from({ length: 250 }, (_, n) => unwell(`web-${n}`, 'warning', SILENT)));
    expect((await muster(['health', '-o', 'ndjson'])).out.trimEnd().split('\n')).toHaveLength(250);
    expect((await muster(['health'])).out).toContain('more: --limit');
  });

  test('says of how many nothing is known', async () => {
    fleet([], { unknown: 116 });
    expect(await muster(['health'])).toMatchObject({ code: 0, out: '10 ok, 0 warning, 0 critical, 116 unknown\n' });
    expect(JSON.parse((await muster(['health', '-o', 'json'])).out)).toMatchObject({ unknown: 116 });
  });

  test('says what part of the fleet is not known, with exit code 3', async () => {
    fleet([], { partitions: { of: 32, missing: [7] } });
    expect(await muster(['health'])).toMatchObject({
      code: 3,
      out: '10 ok, 0 warning, 0 critical\n',
      err: expect.stringContaining('1 of 32 partitions') as unknown as string,
    });
    expect(await muster(['health', '--watch', '-o', 'json'])).toMatchObject({ code: 2 });
  });

  test('--watch lists them, then prints each change once, also when the stream breaks, and says what was missed', async () => {
    const hostile = 'web\u001b[31m';
    fleet([unwell('web-1', 'warning', SILENT)]);
    const opened: (string | undefined)[] = [];
    api.on('GET /v1/health/events', ({ headers }, response) => {
      opened.push(headers['last-event-id'] as string | undefined);
      if (opened.length === 1) {
        write(response, [
          { event: 'began', seq: 4 },
          change(5),
          { event: 'gap', seq: null, agentId: null, host: hostile },
        ]);
        setTimeout(() => response.destroy(), 50);
      } else
        write(response, [
          { event: 'began', seq: 5 },
          change(6, { host: hostile, state: 'ok', before: 'critical', rules: [] }),
        ]);
    });
    const used = terminal();
    const run = runCli(['health', '--watch'], used);
    await eventually(() => used.out().includes('critical → ok'), 'the second change', 60_000);
    used.interrupt();
    expect(await run).toBe(130);
    expect(used.out().split('\n').slice(2)).toEqual([
      expect.stringMatching(/^warning {2}web-1 {2}silent /),
      '2026-01-01T00:00:00Z  web-9  ok → critical  disk_nearly_full 0.981 (≥ 0.97)',
      '# changes of web\\e[31m were missed',
      '2026-01-01T00:00:00Z  web\\e[31m  critical → ok',
      '',
    ]);
    expect(opened).toEqual([undefined, '5']);
    expect(used.err()).toBe('connection lost, trying again\n');
    expect(used.listeners()).toBe(0);
  });

  test('--watch for programs has who is not well as events, too', async () => {
    fleet([unwell('web-1', 'warning', SILENT)]);
    api.on('GET /v1/health/events', (_, response) => write(response, [{ event: 'began', seq: 4 }, change(5)]));
    const used = terminal();
    const run = runCli(['health', '--watch', '-o', 'ndjson'], used);
    await eventually(() => used.out().split('\n').length > 2, 'two lines', 60_000);
    used.interrupt();
    expect(await run).toBe(130);
    const events = used
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(events).toEqual([{ event: 'current', ...unwell('web-1', 'warning', SILENT) }, change(5)]);
  });
});

function write(response: ServerResponse, events: readonly HealthEventJson[]): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}
