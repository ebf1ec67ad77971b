import { describe, expect, test } from '@jest/globals';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { createAgentHost } from './agent-host.js';

describe('the machine, for actions', () => {
  test('gateway peers are the open connections and the configured gateways', () => {
    const host = createAgentHost({
      platform: 'linux',
      dataDir: '/nonexistent',
      labels: { read: () => ({}), write: () => undefined },
      logger: silentLogger,
      clock: systemClock,
      protect: ['postgres', '/srv/data'],
      gatewayUrls: ['wss://g:8443'],
      workerPids: () => [],
      refusedQueries: { matching: () => [], allow: () => [] },
      openEnds: () => [{ host: '10.0.0.9', port: 8443 }],
      env: {},
    });
    expect(host.gatewayPeers()).toEqual([
      { host: '10.0.0.9', port: 8443 },
      { host: 'g', port: 8443 },
    ]);
    expect(host.protect.name('postgres')).toBeDefined();
    expect(host.protect.path('/srv/data/x')).toBeDefined();
  });

  test('a program gets nothing of the agent’s environment', async () => {
    const host = createAgentHost({
      platform: 'linux',
      dataDir: '/nonexistent',
      labels: { read: () => ({}), write: () => undefined },
      logger: silentLogger,
      clock: systemClock,
      protect: [],
      gatewayUrls: [],
      workerPids: () => [],
      refusedQueries: { matching: () => [], allow: () => [] },
      openEnds: () => [],
      env: { MUSTER_ENROLL_SECRET: 'sesame', PATH: '/tmp/evil' },
    });
    const { stdout } = await host.run('env', [], {});
    expect(stdout).not.toMatch(/sesame|evil/);
  });
});
