import { MAX_COUNTED_COMMANDS, operations, type FleetJson } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { FleetCounter } from '../agents/fleet-counter.js';
import { listPage } from '../commands/command-operations.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import { maySee, type QueryStore } from '../queries/query-store.js';
import type { CommandClient } from '../upstream/command-client.js';
import type { TelemetryClient } from '../upstream/telemetry-client.js';

export interface FleetParts {
  readonly fleet: FleetCounter;
  readonly queries: Pick<QueryStore, 'running'>;
  readonly commands: Pick<CommandClient, 'list'>;
  readonly telemetry: Pick<TelemetryClient, 'gather'>;
  readonly clock: Clock;
}

const FRESH_MS = 2_000;

/** The fleet at a glance. What is not known is null: the page shows the rest. */
export function fleetOperation(parts: FleetParts): Operation {
  return implement(operations.showFleet, async ({ principal, query: { selector, by = [] } }) => {
    const [endpoints, health, running, awaitingApproval] = await Promise.all([
      parts.fleet.counts(principal, { selector, by, maxAgeMs: FRESH_MS }),
      orNull(healthCounts(parts, principal, selector)),
      orNull(commandCount(parts, principal, 'running')),
      orNull(commandCount(parts, principal, 'awaiting_approval')),
    ]);
    return json(200, {
      at: isoTime(parts.clock.now()),
      endpoints,
      health,
      queries: { running: runningQueries(parts, principal) },
      commands: running === null || awaitingApproval === null ? null : { running, awaitingApproval },
    });
  });
}

async function healthCounts(
  { telemetry }: FleetParts,
  principal: Principal,
  selector: string,
): Promise<FleetJson['health']> {
  const { org, selector: bound } = principal;
  const question = { t: 'health_list', org, selector, ...given('bound', bound), limit: 1, after: 0 } as const;
  const { replies, partitions } = await telemetry.gather(question);
  if (partitions.missing.length > 0) return null;
  const sum = (state: 'ok' | 'warning' | 'critical'): number =>
    replies.reduce((total, { counts }) => total + counts[state], 0);
  return { ok: sum('ok'), warning: sum('warning'), critical: sum('critical') };
}

async function commandCount({ commands }: FleetParts, principal: Principal, status: CommandStatus): Promise<number> {
  const question = { before: undefined, from: '', operator: undefined, status, limit: MAX_COUNTED_COMMANDS };
  return (await listPage(commands, principal, question)).items.length;
}

function runningQueries({ queries }: FleetParts, principal: Principal): number {
  let running = 0;
  for (const { record } of queries.running()) {
    if (record.org === principal.org && maySee(principal, record)) running += 1;
  }
  return running;
}

/** What another service does not say is not known; what is wrong here is an error. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (AppError.is(error) && error.status >= 500 && error.code !== 'internal') return null;
    throw error;
  });
}
