import { describe, expect, test } from '@jest/globals';
import { loadAgentConfig } from './config.js';
import { parseLabels } from './identity/agent-labels.js';

describe('configuration of the agent', () => {
  test('a gateway is enough', () => {
    const loaded = loadAgentConfig({ MUSTER_GATEWAY_URL: 'wss://gateway.example.com' });
    expect(loaded).toMatchObject({
      ok: true,
      config: {
        gatewayUrls: ['wss://gateway.example.com'],
        org: 'default',
        dataDir: '/var/lib/muster-agent',
        maxQueryMs: 10_000,
      },
    });
  });

  test('all faults are reported at once, and none quotes the secret', () => {
    const loaded = loadAgentConfig({
      MUSTER_ORG: 'Not An Org',
      MUSTER_LABELS: 'env',
      MUSTER_AGENT_WORKERS: '0',
      MUSTER_ENROLL_SECRET: 'sesame',
    });
    expect(loaded.ok).toBe(false);
    const message = loaded.ok ? '' : loaded.error.message;
    for (const name of ['MUSTER_GATEWAY_URL', 'MUSTER_ORG', 'MUSTER_AGENT_WORKERS']) expect(message).toContain(name);
    expect(message).not.toContain('sesame');
  });

  test('events are recorded where they are named, and a kind that does not exist is a fault', () => {
    const url = { MUSTER_GATEWAY_URL: 'wss://g' };
    expect(loadAgentConfig(url)).toMatchObject({ config: { events: [] } });
    expect(loadAgentConfig({ ...url, MUSTER_AGENT_EVENTS: 'process, socket' })).toMatchObject({
      config: { events: ['process', 'socket'], eventsKeepMs: 600_000 },
    });
    const wrong = loadAgentConfig({ ...url, MUSTER_AGENT_EVENTS: 'process,file' });
    expect(wrong.ok ? '' : wrong.error.message).toContain('MUSTER_AGENT_EVENTS "file" is no kind of event');
  });

  test('labels are key=value, once each, and none is built in', () => {
    expect(parseLabels(['env=prod', 'site = zrh', 'empty='])).toEqual({
      labels: { env: 'prod', site: 'zrh', empty: '' },
      faults: [],
    });
    expect(parseLabels(['env', 'a=1', 'a=2', 'os=linux', 'b=white space']).faults).toHaveLength(4);
    const loaded = loadAgentConfig({ MUSTER_GATEWAY_URL: 'wss://g', MUSTER_LABELS: 'os=linux' });
    expect(loaded.ok ? '' : loaded.error.message).toContain('MUSTER_LABELS has a fault: label "os" is built in');
  });

  test('all actions may run unless a policy is set; an unknown action is a fault', () => {
    const url = { MUSTER_GATEWAY_URL: 'wss://g' };
    expect(loadAgentConfig(url)).toMatchObject({ config: { actions: ['all'], requireApproval: [], protect: [] } });
    const some = { MUSTER_AGENT_ACTIONS: 'process.*, file.restore', MUSTER_AGENT_REQUIRE_APPROVAL: 'destructive' };
    expect(loadAgentConfig({ ...url, ...some }).ok).toBe(true);
    const wrong = loadAgentConfig({ ...url, MUSTER_AGENT_ACTIONS: 'proces.*', MUSTER_AGENT_REQUIRE_APPROVAL: 'kill' });
    expect(wrong.ok ? '' : wrong.error.message).toMatch(/MUSTER_AGENT_ACTIONS names "proces\.\*"[\s\S]*names "kill"/);
  });
});
