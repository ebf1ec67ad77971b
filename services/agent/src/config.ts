import { posix } from 'node:path';
import { ACTIONS } from '@muster/actions';
import { DEFAULT_BUDGET, labelFaults, type Labels } from '@muster/protocol';
import {
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  defineConfig,
  type Env,
  field,
  loadConfig,
} from '@muster/runtime/program';
import { entryFault } from './capabilities/commands/command-policy.js';

const definition = defineConfig({
  prefix: 'MUSTER_AGENT_',
  fields: {
    /** Where gateways are; more than one when no load balancer stands before them. */
    gatewayUrls: field.urls('MUSTER_GATEWAY_URL', {
      protocols: ['wss', 'https', 'ws', 'http'],
      example: 'wss://gateway.example.com',
    }),
    /** PEM file with the only certificate authorities to trust; the system's when not set. */
    gatewayCaFile: field.text('MUSTER_GATEWAY_CA', { optional: true, example: '/etc/muster-agent/ca.pem' }),
    org: field.text('MUSTER_ORG', {
      default: 'default',
      example: 'acme',
      pattern: /^[a-z0-9][a-z0-9-]{0,62}$/,
      expect: 'must be an org: up to 63 lower-case letters, digits and "-"',
    }),
    /** Needed until the agent has a token, and again should that one expire. */
    enrolSecret: field.secret('MUSTER_ENROLL_SECRET', { optional: true }),
    dataDir: field.text('MUSTER_DATA_DIR', { default: '/var/lib/muster-agent', example: '/var/lib/muster-agent' }),
    /** `live` or `poll`: this channel, whatever gateways say. */
    mode: field.oneOf('MUSTER_AGENT_MODE', ['auto', 'live', 'poll'], { default: 'auto' }),
    labelList: field.list('MUSTER_LABELS', { default: [], example: 'env=prod,site=zrh' }),
    maxQueryMs: field.durationMs('MUSTER_AGENT_QUERY_TIME', { default: DEFAULT_BUDGET.ms, min: 100 }),
    maxQueryRows: field.int('MUSTER_AGENT_QUERY_ROWS', { default: DEFAULT_BUDGET.rows, min: 1 }),
    maxQueryBytes: field.bytes('MUSTER_AGENT_QUERY_BYTES', { default: DEFAULT_BUDGET.bytes, min: 1024 }),
    workers: field.int('MUSTER_AGENT_WORKERS', { default: 2, min: 1, max: 8 }),
    workerIdleMs: field.durationMs('MUSTER_AGENT_WORKER_IDLE', { default: 60_000, min: 100 }),
    /** Public JWKS of the roots whose word on command keys counts; without it those that the enrolment names are pinned. */
    commandRootsFile: field.text('MUSTER_COMMAND_ROOTS_FILE', {
      optional: true,
      example: '/etc/muster-agent/command-roots.json',
    }),
    /** Actions that may run here: names, `process.*`, `destructive`, `all` or `none`. */
    actions: field.list('MUSTER_AGENT_ACTIONS', { default: ['all'], example: 'process.kill,file.*' }),
    /** Actions that run here only when a second person has approved the command. */
    requireApproval: field.list('MUSTER_AGENT_REQUIRE_APPROVAL', { default: [], example: 'destructive' }),
    /** Names of processes, services and packages, and paths, that no command touches. */
    protect: field.list('MUSTER_AGENT_PROTECT', { default: [], example: 'postgres,/srv/data' }),
  },
  check: ({ labelList, actions, requireApproval }): readonly ConfigFault[] => [
    ...labelsOf(labelList).faults.map((fault) => ({ name: 'MUSTER_LABELS', fault, example: 'env=prod,site=zrh' })),
    ...policyFaults('MUSTER_AGENT_ACTIONS', actions),
    ...policyFaults('MUSTER_AGENT_REQUIRE_APPROVAL', requireApproval),
  ],
});

function policyFaults(name: string, entries: readonly string[]): ConfigFault[] {
  const names = ACTIONS.map((action) => action.name);
  const faults = entries.map((entry) => entryFault(entry, names)).filter((fault) => fault !== undefined);
  return faults.map((fault) => ({ name, fault, example: 'process.kill,file.*' }));
}

export type AgentConfig = ConfigOf<typeof definition>;

/** Pure and total: every fault at once. */
export function loadAgentConfig(env: Env): ConfigResult<AgentConfig> {
  return loadConfig(definition, env);
}

/** The labels of a list of `key=value`, and what is wrong with it. */
export function labelsOf(list: readonly string[]): { labels: Labels; faults: readonly string[] } {
  const labels: Record<string, string> = {};
  const faults: string[] = [];
  for (const item of list) {
    const [key, value] = splitOnce(item, '=');
    if (value === undefined) faults.push(`has "${item}", which is not of the form key=value`);
    else if (Object.hasOwn(labels, key)) faults.push(`has the label "${key}" twice`);
    else labels[key] = value;
  }
  return { labels, faults: [...faults, ...labelFaults(labels).map((fault) => `has a fault: ${fault}`)] };
}

/** `/v1/live` of a gateway, as a WebSocket URL. */
export function liveUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/live').replace(/^http/, 'ws');
}

/** `/v1/poll` of a gateway, as an HTTP URL. */
export function pollUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/poll').replace(/^ws/, 'http');
}

/** `/v1/enroll` of a gateway, as an HTTP URL. */
export function enrolUrl(gatewayUrl: string): string {
  return endpointUrl(gatewayUrl, 'v1/enroll').replace(/^ws/, 'http');
}

function endpointUrl(gatewayUrl: string, path: string): string {
  const url = new URL(gatewayUrl);
  return `${url.protocol}//${url.host}${posix.join(url.pathname, path)}`;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
