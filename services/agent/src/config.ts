import { ACTIONS } from '@muster/actions';
import { DEFAULT_BUDGET, LIMITS } from '@muster/protocol';
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
import { isEventKind } from './events/contract/recorded-events.js';
import { parseLabels } from './identity/agent-labels.js';

const MIB = 1024 * 1024;

const definition = defineConfig({
  prefix: 'MUSTER_AGENT_',
  fields: {
    /** URLs of the gateways; more than one if there is no load balancer. */
    gatewayUrls: field.urls('MUSTER_GATEWAY_URL', {
      protocols: ['wss', 'https', 'ws', 'http'],
      example: 'wss://gateway.example.com',
    }),
    /** PEM file with the only certificate authorities to trust; absent: those of the system. */
    gatewayCaFile: field.text('MUSTER_GATEWAY_CA', { optional: true, example: '/etc/muster-agent/ca.pem' }),
    org: field.text('MUSTER_ORG', {
      default: 'default',
      example: 'acme',
      pattern: /^[a-z0-9][a-z0-9-]{0,62}$/,
      expect: 'must be an org: up to 63 lower-case letters, digits and "-"',
    }),
    /** Needed until the agent has a token, and again if the token expires. */
    enrolSecret: field.secret('MUSTER_ENROLL_SECRET', { optional: true }),
    dataDir: field.text('MUSTER_DATA_DIR', { default: '/var/lib/muster-agent', example: '/var/lib/muster-agent' }),
    /** `live` or `poll`: always this mode, whatever gateways assign. */
    mode: field.oneOf('MUSTER_AGENT_MODE', ['auto', 'live', 'poll'], { default: 'auto' }),
    labelList: field.list('MUSTER_LABELS', { default: [], example: 'env=prod,site=zrh' }),
    maxQueryMs: field.durationMs('MUSTER_AGENT_QUERY_TIME', { default: DEFAULT_BUDGET.ms, min: 100 }),
    /** Of one that its caller gives more time, at low priority. */
    maxLongQueryMs: field.durationMs('MUSTER_AGENT_LONG_QUERY_TIME', { default: LIMITS.budgetMaxMs, min: 100 }),
    maxQueryRows: field.int('MUSTER_AGENT_QUERY_ROWS', { default: DEFAULT_BUDGET.rows, min: 1 }),
    maxQueryBytes: field.bytes('MUSTER_AGENT_QUERY_BYTES', { default: DEFAULT_BUDGET.bytes, min: 1024 }),
    /** `off`: the agent does not measure its host. */
    metrics: field.oneOf('MUSTER_AGENT_METRICS', ['on', 'off'], { default: 'on' }),
    /** What the agent records of the kernel's events, for `process_events` and `socket_events`. */
    events: field.list('MUSTER_AGENT_EVENTS', { default: [], example: 'process,socket' }),
    eventsKeepMs: field.durationMs('MUSTER_AGENT_EVENTS_KEEP', { default: 600_000, min: 60_000, max: 3_600_000 }),
    eventsBytes: field.bytes('MUSTER_AGENT_EVENTS_BYTES', { default: 4 * MIB, min: MIB / 4, max: 16 * MIB }),
    workers: field.int('MUSTER_AGENT_WORKERS', { default: 2, min: 1, max: 8 }),
    workerIdleMs: field.durationMs('MUSTER_AGENT_WORKER_IDLE', { default: 60_000, min: 100 }),
    /**
     * Public JWKS of the roots whose word on command keys counts; without it those that the enrolment names are pinned.
     */
    commandRootsFile: field.text('MUSTER_COMMAND_ROOTS_FILE', {
      optional: true,
      example: '/etc/muster-agent/command-roots.json',
    }),
    /** Actions that may run here: names, `process.*`, `destructive`, `all` or `none`. */
    actions: field.list('MUSTER_AGENT_ACTIONS', { default: ['all'], example: 'process.kill,file.*' }),
    /** Actions that run here only when a second person has approved the command. */
    requireApproval: field.list('MUSTER_AGENT_REQUIRE_APPROVAL', { default: [], example: 'destructive' }),
    /** Names of processes, services and packages, and paths, that no command may touch. */
    protect: field.list('MUSTER_AGENT_PROTECT', { default: [], example: 'postgres,/srv/data' }),
  },
  check: ({ labelList, actions, requireApproval, events }): readonly ConfigFault[] => [
    ...parseLabels(labelList).faults.map((fault) => ({ name: 'MUSTER_LABELS', fault, example: 'env=prod,site=zrh' })),
    ...events
      .filter((kind) => !isEventKind(kind))
      .map((kind) => ({
        name: 'MUSTER_AGENT_EVENTS',
        fault: `"${kind}" is no kind of event`,
        example: 'process,socket',
      })),
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

/** Reads the configuration. Pure; reports all faults at once. */
export function loadAgentConfig(env: Env): ConfigResult<AgentConfig> {
  return loadConfig(definition, env);
}
