import { expect, test } from '@jest/globals';
import { programSpec, type StackSetting } from '../stack/programs.js';
import { settingsOf } from './settings-of.js';

const ENVIRONMENT = {
  PATH: '/bin',
  MUSTER_GATEWAY_UPGRADE_RATE: '7',
  MUSTER_GATEWAY_PORT: '4711',
  MUSTER_GATEWAY_URL: 'https://elsewhere',
  MUSTER_QUERY_PER_ORG: '3',
  MUSTER_COMMAND_POLICY_FILE: '/policy.json',
  MUSTER_COMMAND_ROOTS: 'those of gateways',
  MUSTER_API_MAX_VIEWERS: '5',
  MUSTER_AGENT_QUERY_ROWS: '9',
  MUSTER_AGENT_TOKEN_KEYS: 'secret',
  MUSTER_BOOTSTRAP_TOKEN: 'secret',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector',
  OTEL_SERVICE_NAME: 'one of them',
  MUSTER_HEALTH_POLICY_FILE: '/health.json',
  MUSTER_METRICS_POLICY_FILE: '/metrics.json',
};
const OTEL = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector' };

const SETTING: StackSetting = {
  folder: '/stack',
  nats: () => ({ url: 'nats://broker', user: 'muster', passwordPath: '/np' }),
  redis: () => ({ url: 'redis://broker' }),
  secrets: {
    token: 't',
    tokenPath: '/t',
    enrollSecret: 's',
    enrollSecretPath: '/s',
    enrollSecretsPath: '/ss',
    agentTokenKeysPath: '/k',
    commandKeys: { rootPath: '/r', rootsPath: '/rs', keysPath: '/ck', keyListPath: '/cl' },
    recordKeysPath: '/keys/record-keys.json',
    recordPublicKeysPath: '/keys/record-public-keys.json',
    commandRequestKeyPath: '/rk',
  },
  logLevel: 'info',
  settings: {},
  env: {},
};

test('a program gets the settings with its prefix, a service those of traces, and none a secret of another program', () => {
  expect(settingsOf(ENVIRONMENT)).toEqual({
    gateway: {
      ...{ MUSTER_GATEWAY_UPGRADE_RATE: '7', MUSTER_GATEWAY_PORT: '4711', ...OTEL },
      MUSTER_METRICS_POLICY_FILE: '/metrics.json',
    },
    query: { MUSTER_QUERY_PER_ORG: '3', ...OTEL },
    command: { MUSTER_COMMAND_POLICY_FILE: '/policy.json', ...OTEL },
    telemetry: { MUSTER_HEALTH_POLICY_FILE: '/health.json', ...OTEL },
    posture: OTEL,
    api: { MUSTER_API_MAX_VIEWERS: '5', ...OTEL },
    agent: { MUSTER_AGENT_QUERY_ROWS: '9' },
  });
});

test('the stack’s own settings override them', () => {
  const { env } = programSpec('gateway', 'gateway-1', { ...SETTING, settings: settingsOf(ENVIRONMENT) });
  expect(env).toMatchObject({ MUSTER_GATEWAY_UPGRADE_RATE: '7', MUSTER_GATEWAY_PORT: '0' });
});

test('without them a program inherits only the variables that every program needs', () => {
  process.env['MUSTER_GATEWAY_LEASE'] = '1h';
  try {
    expect(programSpec('gateway', 'gateway-1', SETTING).env).not.toHaveProperty('MUSTER_GATEWAY_LEASE');
  } finally {
    delete process.env['MUSTER_GATEWAY_LEASE'];
  }
});
