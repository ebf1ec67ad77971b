import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { MetricsEventJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID } from '../testing/fake-api.js';
import type { FakeTerminal } from '../testing/fake-terminal.js';
import { eventsOf, inColumns, sampleEvent, seriesOf } from '../testing/host-samples.js';

const { api, muster, terminal } = cliHarness();
const at = '2026-01-01T00:00:00.000Z';

const endpoint = (host: string, cpu: number, health = 'ok') => ({
  ...{ agentId: host.padEnd(24, '0'), host, ageMs: 12_345 },
  vitals: { cpu, memory: 0.5, disk: 0.91, load: 0.7, disk_io: 2_048, network: 1_048_576 },
  health: { state: health, since: at, rules: [] },
});

function fleet(more: object = {}): void {
  const items = [endpoint('web-1', 0.9, 'critical'), endpoint('web-2', 0.2)];
  api.json('GET /v1/fleet/top', { by: 'cpu', endpoints: 2, items, partitions: { of: 32, missing: [] }, ...more });
}

const queryOf = (path: string | undefined): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(path?.split('?')[1]));

describe('muster top', () => {
  test('prints the fleet once, as a table, as one document or by the line', async () => {
    fleet();
    const { code, out, err } = await muster(['top', '--by', 'disk-io', '--limit', '7', '--target', 'env=prod']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(queryOf(api.requests.at(-1)?.path)).toEqual({ by: 'disk_io', limit: '7', selector: 'env=prod' });
    expect(out.split('\n')).toEqual([
      'HOST   HEALTH    CPU ▼  MEMORY  DISK  LOAD  DISK/S  NET/S   AGE',
      'web-1  critical    90%     50%   91%  0.70    2.0K   1.0M  12 s',
      'web-2  ok          20%     50%   91%  0.70    2.0K   1.0M  12 s',
      '',
    ]);
    expect(JSON.parse((await muster(['top', '-o', 'json'])).out)).toMatchObject({ endpoints: 2, by: 'cpu' });
    const lines = (await muster(['top', '-o', 'ndjson'])).out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { host: string }).host)).toEqual(['web-1', 'web-2']);
    const once = await muster(['top', '--once'], { isTTY: true, columns: 200 });
    expect(once.out).toContain('web-1');
    expect(once.out).not.toContain('\u001b[?1049h');
  });

  test('says what part of the fleet is not known, with exit code 3', async () => {
    fleet({ partitions: { of: 32, missing: [1, 2] } });
    const { code, out, err } = await muster(['top']);
    expect(code).toBe(3);
    expect(out).toContain('web-1');
    expect(err).toBe('about 6% of the endpoints may be missing: no service for 2 of 32 partitions\n');
    fleet({ items: [], endpoints: 4 });
    expect(await muster(['top'])).toMatchObject({ code: 0, out: '', err: 'No endpoint tells its cpu.\n' });
  });

  test.each([
    [['top', '--by', 'secrets']],
    [['top', '--limit', '0']],
    [['top', '--past', '5m']],
    [['top', 'web-1', '--by', 'cpu']],
    [['top', 'web-1', '-o', 'json']],
    [['top', '-o', 'csv']],
  ])('refuses %j', async (args) => {
    fleet();
    expect(await muster(args)).toMatchObject({ code: 2, out: '' });
  });

  test('on a terminal sorts by keys, opens an endpoint, comes back, and is left', async () => {
    fleet();
    const stream = watched(eventsOf(30));
    const { shown, press, ended } = view(['top']);
    await shown(/web-1 +critical/);
    press('m');
    await shown(/MEMORY▼/);
    await eventually(() => queryOf(api.requests.at(-1)?.path)['by'] === 'memory');
    press('right');
    await shown(/DISK▼/);
    press('?');
    await shown(/Keys/);
    press('x');
    await shown(/web-2/);
    press('down');
    api.json('GET /v1/agents/web-20000000000000000000', AGENT);
    press('return');
    await shown(/^CPU \[.*50%\]/m);
    expect(stream.opened.at(-1)?.path).toContain('/metrics/stream?past=10m&layout=columns');
    press('q');
    await shown(/web-2/);
    press('q');
    expect(await ended).toBe(0);
  });

  test('keeps the fleet in sight while the API cannot be reached, and says how old it is', async () => {
    fleet();
    const { shown, press, ended } = view(['top']);
    await shown(/web-1/);
    api.on('GET /v1/fleet/top', (_, response) => response.destroy());
    press('r');
    await shown(/connection lost, trying again, as of \d/);
    expect(await shown(/web-1/)).toContain('web-2');
    press('q');
    expect(await ended).toBe(0);
  });
});

describe('muster top ENDPOINT', () => {
  test('on a terminal is full at once, has keys, and is left with q or Ctrl-C', async () => {
    watched(inColumns(eventsOf(600)));
    const first = view(['top', 'web-1']);
    await first.shown(/^CPU {2}.▅{55} /m);
    first.press('1');
    await first.shown(/^(?![^]*^0 \[)/m);
    first.press('?');
    await first.shown(/Keys/);
    first.press('m');
    await first.shown(/^CPU \[/m);
    first.press('space');
    await first.shown(/ held /);
    first.terminal.screen()?.resize({ columns: 200, rows: 60 });
    await eventually(() => first.terminal.screen()?.lines.length === 60);
    first.press('q');
    expect(await first.ended).toBe(0);
    expect(first.terminal.screen()).toBe(undefined);
    const second = view(['top', 'web-1']);
    await second.shown(/^CPU \[/m);
    second.terminal.interrupt();
    expect(await second.ended).toBe(130);
    expect(second.terminal.listeners()).toBe(0);
  });

  test('in a pipe is one line a sample from now on, with the rates of the first', async () => {
    watched([...eventsOf(5), sampleEvent(5)]);
    const { out, code } = await piped(['top', 'web-1'], 3);
    expect(code).toBe(130);
    expect(out.split('\n').slice(0, 3)).toEqual([
      'TIME                   CPU%   LOAD   MEM%         SWAP         RX/s         TX/s       READ/s      WRITE/s',
      '2026-01-01T00:00:04Z   50.0   1.25   87.5   1073741824         2048         2048         2048         2048',
      '2026-01-01T00:00:05Z   50.0   1.25   87.5   1073741824         2048         2048         2048         2048',
    ]);
  });

  test('begins in the past if asked, and has objects for programs', async () => {
    const opened = watched(inColumns(eventsOf(5))).opened;
    const { out } = await piped(['top', 'web-1', '--past', '90s', '-o', 'ndjson'], 6);
    expect(queryOf(opened[0]?.path)).toEqual({ past: '90s', layout: 'columns' });
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ event, from }) => [event, from])).toEqual([
      ['state', undefined],
      ...Array.from({ length: 4 }, () => ['sample', 'history']),
      ['sample', 'live'],
    ]);
    expect(events.at(-1)).toMatchObject({ cpu: 0.5, swap: { used: 2 ** 30 }, disks: [{ readBytes: 2_048 }] });
  });

  test('shows the past of an API that does not know columns, which it asks for once', async () => {
    known();
    const opened: string[] = [];
    api.on(`GET /v1/agents/${AGENT_ID}/metrics/stream`, ({ path }, response) => {
      opened.push(path);
      const faults = [{ name: 'query', fault: 'Unrecognized key: "layout"' }];
      const problem = { code: 'bad_request', status: 400, detail: 'query: Unrecognized key: "layout"', faults };
      if (!path.includes('layout')) return write(response, eventsOf(5));
      response.writeHead(400, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(problem));
    });
    const { out } = await piped(['top', 'web-1', '--past', '90s', '-o', 'ndjson'], 5);
    expect(opened.map(queryOf)).toEqual([{ past: '90s', layout: 'columns' }, { past: '90s' }]);
    expect(out.match(/"event":"sample"/g)).toHaveLength(5);
  });

  test('goes on by itself when the stream breaks, after the last sample, and marks the gap', async () => {
    const opened: string[] = [];
    known();
    api.on(`GET /v1/agents/${AGENT_ID}/metrics/stream`, ({ headers }, response) => {
      opened.push(String(headers['last-event-id']));
      const series: MetricsEventJson = { event: 'series', seq: null, series: [...seriesOf()] };
      const events =
        opened.length === 1 ? [series, sampleEvent(1, 'history'), sampleEvent(2)] : [series, sampleEvent(40)];
      write(response, events);
      if (opened.length === 1) setTimeout(() => response.destroy(), 50);
    });
    const { out, err } = await piped(['top', 'web-1'], 4);
    expect(
      out
        .split('\n')
        .slice(1, 4)
        .map((line) => line.slice(0, 70).trimEnd()),
    ).toEqual([
      expect.stringMatching(/^2026-01-01T00:00:02Z/),
      '# no samples from 2026-01-01T00:00:02.000Z to 2026-01-01T00:00:40.000Z',
      expect.stringMatching(/^2026-01-01T00:00:40Z/),
    ]);
    expect(err).toBe('connection lost, trying again\n');
    expect(opened[1]).toBe(String(Date.UTC(2026, 0, 1, 0, 0, 2)));
  });

  test('--once is the next sample; an endpoint that is away ends with 3', async () => {
    watched(eventsOf(5));
    const { code, out } = await muster(['top', 'web-1', '--once', '-o', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ event: 'sample', from: 'live', interfaces: [{}, { receiveBytes: 2_048 }] });
    watched([{ event: 'state', seq: null, state: 'away' }]);
    expect(await muster(['top', 'web-1', '--once'])).toMatchObject({
      ...{ code: 3, out: '', err: 'web-1 is not connected\n' },
    });
  });

  test('on a terminal that cannot move its cursor prints lines without colours', async () => {
    watched(eventsOf(5));
    const used = terminal({ isTTY: true, env: { TERM: 'dumb' } });
    const run = runCli(['top', 'web-1'], used);
    await eventually(() => used.out().split('\n').length > 2);
    used.interrupt();
    expect(await run).toBe(130);
    expect(used.out()).not.toContain('\u001b');
    expect(used.out()).toContain('2.0K');
  });
});

const AGENT = { agentId: AGENT_ID, host: 'web-1', osName: 'Debian', osVersion: '12', arch: 'x86_64' };

function known(): void {
  api.json('GET /v1/agents', { items: [AGENT] });
}

function write(response: ServerResponse, events: readonly MetricsEventJson[]): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

/** An endpoint whose stream has these events, and then stays open. */
function watched(events: readonly MetricsEventJson[]) {
  const opened: { readonly path: string }[] = [];
  known();
  api.on(`GET /v1/agents/${AGENT_ID}/metrics/stream`, (request, response) => {
    opened.push(request);
    write(response, events);
  });
  return { opened };
}

/** A command that takes over the terminal. */
function view(args: readonly string[]) {
  const used: FakeTerminal = terminal({ isTTY: true, env: { NO_COLOR: '1' } });
  const ended = runCli(args, used);
  const text = (): string => used.screen()?.lines.join('\n') ?? '';
  const shown = async (what: RegExp): Promise<string> => {
    await Promise.race([
      eventually(() => what.test(text()), String(what), 60_000),
      ended.then((code) => {
        throw new Error(`it ended with ${code}: ${used.err()}`);
      }),
    ]);
    return text();
  };
  return { terminal: used, shown, ended, press: (key: string) => used.screen()?.press(key) };
}

/** A command that prints until Ctrl-C, which comes after so many lines. */
async function piped(args: readonly string[], lines: number) {
  const used = terminal();
  const run = runCli(args, used);
  await Promise.race([eventually(() => used.out().split('\n').length > lines), run]);
  used.interrupt();
  return { code: await run, out: used.out(), err: used.err() };
}
