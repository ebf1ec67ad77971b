import { describe, expect, test } from '@jest/globals';
import stringWidth from 'string-width';
import { busy, eventsOf, readingOf, sampleEvent, USUAL, type Names } from '../../testing/host-samples.js';
import { styleFor } from '../../terminal/table.js';
import type { EndpointChoices, EndpointScene } from './endpoint-scene.js';
import { endpointLines } from './endpoint-screen.js';
import { EndpointState } from './endpoint-state.js';

const plain = styleFor(true, { NO_COLOR: '1' });
const CHOICES: EndpointChoices = { order: 'cpu', showCores: true, isHeld: false, showHelp: false };
const SIZES = [
  { columns: 80, rows: 24 },
  { columns: 200, rows: 60 },
  { columns: 120, rows: 30 },
  { columns: 40, rows: 12 },
  { columns: 10, rows: 3 },
  { columns: 1, rows: 1 },
];
const FACTS = { agentId: 'a', host: 'web-1', osName: 'Debian', osVersion: '12', arch: 'x86_64' };
const PROCESSES = {
  byCpu: [{ pid: 7, name: 'busy', cpu: 1.5, residentBytes: 2 ** 20, user: 'root' }],
  byMemory: [{ pid: 8, name: 'large', cpu: 0, residentBytes: 2 ** 31, user: 'www' }],
};

const PAST = eventsOf(600);

let nowMs = 0;
function stateOf(events = PAST, facts = FACTS): EndpointState {
  const state = new EndpointState(facts, () => nowMs);
  for (const event of events) state.take(event);
  return state;
}

function sceneOf(more: Partial<EndpointScene> = {}): EndpointScene {
  return { ...stateOf().scene(), processes: PROCESSES, ...more };
}

const screen = (scene: EndpointScene, choices: Partial<EndpointChoices> = {}, size = SIZES[0]!): string =>
  endpointLines(scene, { ...CHOICES, ...choices }, size, plain).join('\n');

describe('the view of an endpoint', () => {
  test('has bars, the cores, full lines, parts and processes at 80 columns and 24 lines', () => {
    const text = screen(sceneOf());
    const lines = text.split('\n');
    expect(lines).toHaveLength(24);
    expect(lines[0]).toMatch(/^web-1 {2}Debian 12 x86_64 {2}up 40 s +live$/);
    expect(text).toMatch(/^CPU \[\|{10}#{6,7} +50%\] {2}Load 1\.25 1\.25 1\.25 {3}2 cores$/m);
    expect(text).toMatch(/^Mem \[\|+#+\*+ +1\.0G\/8\.0G\] {2}Tasks 200, 40 running, 40 blocked, 40 /m);
    expect(text).toMatch(/^Swp \[\|+ +1\.0G\/2\.0G\] {2}PSI {2}cpu 10% {2}mem 10% {2}io 10%$/m);
    expect(text).toMatch(/^0 \[.*50%\] {2}1 \[.*50%\]$/m);
    // Full at once: no column of the line is blank, but the oldest, which is before the first sample.
    expect(text).toMatch(/^CPU {2}[ ▅]▅{55} 50% +max 50%$/m);
    expect(text).toMatch(/^Net {2}.*4\.0K\/s {2}max 4\.0K\/s$/m);
    expect(text).toMatch(/^sda +2\.0K +2\.0K +25% {2}lo +2\.0K +2\.0K 8\.2k {2}\/ +1\.0G +8\.0G +50%$/m);
    expect(text).toMatch(/eth0 .*….*docker/);
    expect(text).toMatch(/^ +7 root +150\.0 +1\.0M busy/m);
    expect(text).not.toContain('large');
    expect(screen(sceneOf(), { order: 'memory' })).toMatch(/^ +8 www +0\.0 +2\.0G large/m);
    expect(screen(sceneOf(), { showCores: false })).not.toMatch(/^0 \[/m);
  });

  test('has both lists of processes and taller lines where there is room', () => {
    const text = screen(sceneOf(), {}, SIZES[1]);
    expect(text).toMatch(/busy.*large/);
    expect(text.split('\n').filter((line) => line.includes('▁▁▁') || line.includes('███')).length).toBeGreaterThan(8);
    expect(text).toMatch(/TCP 40 established, 40 listen {3}Open files 40 {3}Hottest 40 °C {3}Battery 80% and falling/);
  });

  test('never shows more lines or cells than the terminal has, nor a number that is none', () => {
    const many = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    const huge: Names = { ...USUAL, core: many(256, ''), interface: many(1_000, 'veth'), disk: many(1_000, 'd') };
    const odd = [Number.NaN, 1e308, null, -5, Infinity, 0];
    let at = 0;
    const scenes = [
      sceneOf(),
      sceneOf({ reading: undefined }),
      sceneOf({ reading: readingOf(busy, huge) }),
      sceneOf({ reading: readingOf(() => odd[at++ % odd.length] ?? null, huge) }),
      sceneOf({ reading: readingOf(busy, {}), processes: undefined }),
      sceneOf({ ageMs: 1e15, state: 'lost', host: '東京'.repeat(40) }),
    ];
    for (const scene of scenes) {
      for (const size of SIZES) {
        for (const showHelp of [false, true]) {
          const lines = endpointLines(scene, { ...CHOICES, showHelp }, size, plain);
          expect(lines.length).toBeLessThanOrEqual(size.rows);
          if (size.columns >= 40) for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(size.columns);
          expect(lines.join('\n')).not.toMatch(/NaN|Infinity|undefined|null|e\+/);
        }
      }
    }
    expect(screen(sceneOf({ reading: readingOf(busy, huge) }))).toMatch(/\+998 more +\+998 more/);
    expect(screen(sceneOf({ reading: readingOf(busy, huge) }))).toMatch(/^256 cores [▁-█]{60}/m);
  });

  test('has no text of an endpoint that could control the terminal', () => {
    const evil = '\u001b[2J\u001b]0;x\u0007a\u202eb\n\u009b31m';
    const names: Names = { ...USUAL, interface: [evil], disk: [evil], filesystem: [evil], core: [evil, '1'] };
    const state = stateOf(eventsOf(3, busy, names), { ...FACTS, host: evil, osName: evil });
    const row = { pid: 1, name: evil, cpu: Number.NaN, residentBytes: -1, user: evil };
    const scene = { ...state.scene(), processes: { byCpu: [row], byMemory: [row] } };
    for (const size of SIZES.slice(0, 3)) {
      const lines = endpointLines(scene, CHOICES, size, plain);
      // eslint-disable-next-line no-control-regex -- what must not be there
      for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    }
  });

  test('says how old it is, that the endpoint is away, that the stream is lost, and where samples are missing', () => {
    nowMs = 10_000;
    const state = stateOf();
    nowMs = 13_000;
    expect(screen(state.scene())).toMatch(/live$/m);
    nowMs = 22_000;
    expect(screen(state.scene())).toMatch(/last sample 12 s ago$/m);
    state.lost();
    expect(screen(state.scene())).toMatch(/connection lost, trying again, last sample 12 s ago$/m);
    state.take({ event: 'state', seq: null, state: 'away' });
    expect(screen(state.scene())).toMatch(/away, last sample 12 s ago$/m);
    state.take(sampleEvent(620));
    expect(screen(state.scene())).toMatch(/ live$/m);
    expect(screen(state.scene())).toMatch(/no samples from \S+ UTC to \S+ UTC \(21 s\)/);
    expect(screen(stateOf([]).scene())).toContain('Connecting.');
    expect(screen(stateOf([{ event: 'state', seq: null, state: 'away' }]).scene())).toContain('is not connected');
  });

  test('takes a sample that it has already only once', () => {
    const state = stateOf();
    const again = PAST.slice(0, -1);
    expect(again.map((event) => state.take(event)).filter((sample) => sample !== undefined)).toEqual([]);
    expect(state.history.gaps).toEqual([]);
  });
});
