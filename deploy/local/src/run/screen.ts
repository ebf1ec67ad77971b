import { relative } from 'node:path';
import type { BrokerHandle } from '../brokers/index.js';
import type { Stack } from '../stack/stack.js';
import type { LocalBrokers } from './local-brokers.js';

/** What runs. */
export interface Running {
  readonly stack: Stack;
  readonly brokers: LocalBrokers;
  readonly prometheus: BrokerHandle | undefined;
  /** The address of the console, which signs in once; absent where the console is not built. */
  readonly consoleUrl: string | undefined;
}

/** The programs with their addresses, and the commands to try first. */
export function renderScreen({ stack, brokers, prometheus, consoleUrl }: Running, seconds: number): string {
  const programs = [
    ...stack.apis,
    ...stack.gateways,
    ...stack.queries,
    ...stack.commands,
    ...stack.telemetries,
    ...stack.postures,
    ...stack.agents,
  ];
  const lines = programs.map(({ name, pid, url }) => line(name, url ?? (name === 'agent' ? 'live' : ''), pid));
  lines.push(line('nats', brokers.natsUrl, brokers.nats?.pid), line('redis', brokers.redisUrl, brokers.redis?.pid));
  if (prometheus !== undefined) lines.push(line('prometheus', prometheus.url, prometheus.pid));
  const folder = relative(process.cwd(), stack.folder) || '.';
  return `
Muster runs on this machine (${seconds.toFixed(1)} s).

${lines.join('\n')}
${consoleUrl === undefined ? '' : `\n  console    ${consoleUrl}\n             (signs in once, within an hour)\n`}
  logs       ${folder}/logs/*.log
  for tools  ${folder}/local.json  (addresses, token, CA; readable by you only)

Try first, in another terminal:

  npx muster query "SELECT name, version FROM os_version"
  npx muster query "SELECT p.name, l.address, l.port FROM listening_ports l JOIN processes p USING (pid) WHERE l.port > 0"
  npx muster agents

Ctrl-C stops everything.
`;
}

function line(name: string, where: string, pid: number | undefined): string {
  // The screen does not show a broker's password.
  const shown = where.replace(/\/\/[^@/]*@/, '//…@');
  return `  ${name.padEnd(10)} ${shown.padEnd(32)}${pid === undefined ? '  (not ours)' : `  pid ${pid}`}`;
}
