import type { OperationContract } from './operation.js';

/** One call of an operation, as a reader can try it. */
export interface CallExample {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
}

const AGENT = { id: 'xor2fuv3slfvpxlvxkfenkan' };
const QUERY = { id: 'q01kb8z4j3m9f0q2x7c5t1d6h8v' };
const COMMAND = { id: 'c01kb8z6w5n2r4g8y3k9p7e1s0a' };
const QUESTION = { name: 'ports-of-the-web-tier' };
const SCHEDULE = { id: 'sch4b7k2n6c3x5qa' };
const EXCEPTION = { id: 'exc4b7k2n6c3x5qa' };
const FEED = { name: 'debian' };
const UPLOAD = '01kb8z4j3m9f0q2x7c5t1d6h8v';
const VULNERABILITY_SCAN = { id: 'v01kb8z4j3m9f0q2x7c5t1d6h8v' };
const WEBHOOK = { id: 'w4b7k2n6c3x5q7p2m' };

/** Calls by the id of their operation. Operations that take nothing need none. */
const EXAMPLES: Readonly<Record<string, CallExample>> = {
  startQuery: {
    query: { wait: '10s' },
    body: {
      sql: 'SELECT pid, name FROM processes WHERE name = :name',
      parameters: { name: 'abc.exe' },
      selector: 'env=prod',
    },
  },
  listQueries: { query: { state: 'running', since: '2026-11-30T08:00:00Z' } },
  showQuery: { params: QUERY },
  cancelQuery: { params: QUERY },
  deleteQueryResults: { params: QUERY },
  reduceQuery: { params: QUERY, body: { sql: 'SELECT name, count(*) AS n FROM rows GROUP BY name ORDER BY n DESC' } },
  streamQueryEvents: { params: QUERY, query: { rows: 'objects' } },
  listQueryRows: { params: QUERY, query: { rows: 'objects', limit: '1000' } },
  listQueryEndpoints: { params: QUERY, query: { outcome: 'timed_out' } },
  listQueryWarnings: { params: QUERY },
  listQuestions: { query: { tag: 'network' } },
  showQuestion: { params: QUESTION },
  listQuestionVersions: { params: QUESTION },
  putQuestion: {
    params: QUESTION,
    body: {
      version: 0,
      sql: 'SELECT port, address FROM listening_ports WHERE port = :port',
      description: 'Who listens on this port?',
      tags: ['network'],
      parameters: [{ name: 'port', type: 'integer', default: 443 }],
      target: 'tier=web',
    },
  },
  deleteQuestion: { params: QUESTION, query: { version: '3' } },
  applyPack: {
    body: {
      text: 'kind: muster/pack\nformat: 1\nid: own\nversion: 1.0.0\ntitle: Own checks\nchecks:\n  - id: no-telnet\n    title: Telnet does not listen\n    severity: high\n    platforms: [linux]\n    sql: SELECT pid FROM listening_ports WHERE port = 23\n    row_means: fail\n',
    },
  },
  showPack: { params: { id: 'linux-baseline' } },
  showPackProposal: { params: { id: 'own' } },
  approvePack: {
    params: { id: 'own' },
    body: { digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
  },
  rejectPack: {
    params: { id: 'own' },
    body: {
      digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      reason: 'ssh-root-login is judged the wrong way round',
    },
  },
  removePack: { params: { id: 'own' } },
  startScan: { body: { pack: 'linux-baseline', selector: 'os=linux', timeout: '60s' } },
  listScans: { query: { pack: 'linux-baseline' } },
  showScan: { params: QUERY },
  listScanEndpoints: { params: QUERY, query: { check: 'ssh-root-login', outcome: 'fail' } },
  listScanScores: { params: QUERY, query: { by: 'site' } },
  planMend: { params: QUERY, query: { check: 'ssh-root-login' } },
  listFindings: { params: QUERY, query: { check: 'ssh-root-login' } },
  createSchedule: {
    body: {
      name: 'every night',
      pack: 'linux-baseline',
      selector: 'os=linux',
      cron: '0 2 * * *',
      timeZone: 'Europe/Berlin',
      jitter: '30m',
    },
  },
  showSchedule: { params: SCHEDULE },
  changeSchedule: { params: SCHEDULE, body: { state: 'paused' } },
  deleteSchedule: { params: SCHEDULE },
  createException: {
    body: {
      pack: 'linux-baseline',
      check: 'ssh-root-login',
      selector: 'role=bastion',
      owner: 'network team',
      reason: 'break-glass access, ticket 4711',
      until: '2027-06-30T00:00:00Z',
    },
  },
  listExceptions: { query: { pack: 'linux-baseline' } },
  deleteException: { params: EXCEPTION },
  showFeed: { params: FEED },
  beginFeedUpload: { params: FEED, body: { kind: 'osv' } },
  putFeedPart: {
    params: FEED,
    body: { upload: UPLOAD, part: 0, data: 'q1bKTFGyUnJ2DVPSNTIwM9Q1VKoFAA==' },
  },
  endFeedUpload: { params: FEED, body: { upload: UPLOAD, parts: 1 } },
  deleteFeed: { params: FEED },
  startVulnerabilityScan: { body: { selector: 'os=linux' } },
  showVulnerabilityScan: { params: VULNERABILITY_SCAN },
  listVulnerabilities: { query: { severity: 'critical,high', fixable: 'true' } },
  showVulnerability: { params: { id: 'CVE-2026-1' } },
  submitCommand: {
    query: { wait: '20s' },
    body: {
      action: 'service.stop',
      params: { name: 'telnetd' },
      target: { selector: 'env=prod' },
      reason: 'incident 4711',
    },
  },
  planCommand: { body: { action: 'service.stop', params: { name: 'telnetd' }, target: { selector: 'env=prod' } } },
  undoCommand: { params: COMMAND, body: { reason: 'it was the wrong service' } },
  listCommands: { query: { status: 'running' } },
  showCommand: { params: COMMAND },
  listCommandTargets: { params: COMMAND, query: { state: 'failed' } },
  cancelCommand: { params: COMMAND, query: { reason: 'no longer needed' } },
  approveCommand: { params: COMMAND, body: {} },
  streamCommandEvents: { params: COMMAND },
  listAgents: { query: { selector: 'os=linux,mode=offline', limit: '100' } },
  listLabels: { query: { selector: 'env=prod' } },
  showAgent: { params: AGENT },
  revokeAgent: { params: AGENT, body: { reason: 'the machine was stolen' } },
  labelAgent: { params: AGENT, body: { set: { site: 'fra' }, remove: ['env'] } },
  labelAgents: { body: { selector: 'host=app-*', set: { role: 'app' } } },
  orderMode: { body: { selector: 'site=branch', mode: 'poll', interval: '5m', reason: 'thin line' } },
  showBandwidth: { query: { top: '10' } },
  listEndpointBandwidth: { query: { selector: 'site=branch' } },
  showAgentBandwidth: { params: AGENT },
  showAgentMetrics: { params: AGENT },
  topAgents: { query: { by: 'cpu', limit: '10' } },
  showFleetMetrics: { query: { selector: 'env=prod' } },
  listHealth: { query: { state: 'critical' } },
  streamHealthEvents: { query: { selector: 'env=prod' } },
  streamAgentMetrics: { params: AGENT, query: { layout: 'columns' } },
  listTables: { query: { platform: 'linux' } },
  showTable: { params: { name: 'listening_ports' } },
  createToken: { body: { name: 'dashboards', role: 'viewer', selector: 'env=prod', expiresIn: '90d' } },
  revokeToken: { params: { id: 'k7d2m4x6q3z5b7n2' } },
  signIn: { body: { token: 'mst_k7d2m4x6q3z5b7n2_…' } },
  reauthenticate: { body: { token: 'mst_k7d2m4x6q3z5b7n2_…' } },
  exchangeSignInLink: { body: { code: 'msl_default.sk7d2m4x6q3z5b7n2.…' } },
  createSignInLink: { body: { for: '10m' } },
  revokeSession: { params: { id: 'sk7d2m4x6q3z5b7n2' } },
  showFleet: { query: { selector: 'env=prod', by: 'os,version' } },
  startOidc: { query: { to: '/fleet' } },
  finishOidc: { query: { code: 'SplxlOBeZQQYbYS6WxSbIA', state: 'af0ifjsldkj' } },
  openStream: {
    body: {
      subscriptions: [
        { id: 'q', kind: 'query', queryId: QUERY.id },
        { id: 'n', kind: 'fleet' },
      ],
    },
  },
  changeStream: {
    params: { id: '5f1c0d6e2b7a9348.1f0c3b5d7e9a2468ace013579bdf2468' },
    body: { add: [{ id: 'h', kind: 'health', selector: 'env=prod' }], remove: ['q'] },
  },
  createWebhook: {
    body: { url: 'https://soar.example.com/muster', events: ['query.ended', 'command.approval_wanted'] },
  },
  deleteWebhook: { params: WEBHOOK },
  listWebhookDeliveries: { params: WEBHOOK, query: { state: 'dead' } },
  testWebhook: { params: WEBHOOK },
  listAudit: { query: { action: 'command.submit' } },
  readAuditChain: { query: { after: '0' } },
  readAuditedJournal: { query: { after: '0' } },
  showProblem: { params: { code: 'table_forbidden' } },
};

export function exampleOf({ id }: Pick<OperationContract, 'id'>): CallExample {
  return EXAMPLES[id] ?? {};
}

/** The call as a line for a shell, with `$MUSTER_API_URL` and `$MUSTER_TOKEN`. */
export function curlOf(operation: OperationContract): string {
  const { params = {}, query = {}, body } = exampleOf(operation);
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams(query).toString();
  const url = `"$MUSTER_API_URL${path}${search === '' ? '' : `?${search}`}"`;
  const method = operation.method === 'get' ? [] : [`-X ${operation.method.toUpperCase()}`];
  const credentials = operation.access === 'public' ? [] : ['-H "Authorization: Bearer $MUSTER_TOKEN"'];
  const sent = body === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`];
  return ['curl -s', ...method, url, ...credentials, ...sent].join(' ');
}

/** One word for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
