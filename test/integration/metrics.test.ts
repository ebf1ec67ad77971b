// oxlint-disable jest/no-standalone-expect -- the rule does not see that testWithPromtool is a test
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import { ensureBinary } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { startHarness, type Harness, fleetOptions } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 40;
/** Invariant: no label has values that grow with the fleet or its use. */
const UNBOUNDED = /agent|host|query|id$|org|operator|user|sql|address|url/;

// Reported as skipped where Prometheus can neither be found nor installed.
const promtool = await ensureBinary('promtool', 'prometheus', { logger: silentLogger }).catch(() => undefined);
const testWithPromtool = promtool === undefined ? test.skip : test;

describe('/metrics after some use', () => {
  let harness: Harness;
  let fleet: Fleet;
  const texts = new Map<string, string>();
  const ids: string[] = [];

  beforeAll(async () => {
    harness = await startHarness();
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS, behaviour: { failing: 0.2, disappearing: 0.2 } });
    await fleet.start();
    ids.push(...fleet.agents.flatMap(({ agentId, machine }) => [agentId, machine.facts.host]));
    for (const mode of ['raw', 'group'] as const) {
      const reduce = 'SELECT count(*) AS n FROM rows';
      const ended = await runQuery(harness.api, {
        sql: 'SELECT hostname FROM system_info',
        mode,
        reduce,
        timeout: '5s',
      });
      expect(ended.state).toBe('complete');
      ids.push(ended.id);
    }
    for (const path of ['/v1/nothing', '/v1/agents/none', `/v1/queries/${ids.at(-1)}/rows`, '/v1/agents?selector=!'])
      await harness.api.fetch(path);
    await fetch(`${harness.stack.apiUrl}/v1/agents`);
    const { gateways, queries, apis } = harness.stack;
    for (const { name, healthUrl } of [...gateways, ...queries, ...apis]) {
      const response = await fetch(`${healthUrl}/metrics`);
      expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
      texts.set(name, await response.text());
    }
  }, 120_000);
  afterAll(async () => {
    await fleet.stop();
    await harness.close();
  });

  const services = ['gateway-1', 'query-1', 'api-1'];

  test.each(services)('of %s counts the events', (name) => {
    const own = [...texts.get(name)!.matchAll(/^muster_\w+(?:\{[^}]*\})? [1-9]/gm)];
    expect(own.length).toBeGreaterThan(5);
  });

  testWithPromtool.each(services)('of %s passes promtool', (name) => {
    const check = spawnSync(promtool!, ['check', 'metrics'], { input: texts.get(name), encoding: 'utf8' });
    const { status, stdout, stderr } = check;
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  testWithPromtool.each(services)('of %s has few series of each metric', (name) => {
    const args = ['check', 'metrics', '--extended'];
    const { status, stdout, stderr } = spawnSync(promtool!, args, { input: texts.get(name), encoding: 'utf8' });
    if (/unknown long flag/.test(stderr)) return;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // Columns: metric, cardinality, percentage.
    const counts = [...stdout.matchAll(/^(\w+)\s+(\d+)\s+[\d.]+%/gm)].map(([, metric, count]) => [
      metric,
      Number(count),
    ]);
    expect(counts.length).toBeGreaterThan(20);
    expect(counts.filter(([metric, count]) => metric !== 'Total' && Number(count) > 100)).toEqual([]);
    expect(Number(new Map(counts as [string, number][]).get('Total'))).toBeLessThan(500);
  });

  test.each(services)('of %s has no label that grows with the fleet', (name) => {
    const text = texts.get(name)!;
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label));
    expect([...labels].filter((label) => UNBOUNDED.test(label))).toEqual([]);
    expect(ids.filter((id) => text.includes(id))).toEqual([]);
  });
});
