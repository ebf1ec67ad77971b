import { operations, type Subscription } from '@muster/api-contract';
import { leastRole, roleAllows, type Permission } from '@muster/identity';
import type { AuditTrail, NewAuditRecord } from '@muster/audit';
import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { AppError, parseSelector, type QueryId, type Selector } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { findAgent, type SelectionParts } from '../agents/agent-selection.js';
import type { FleetCounter } from '../agents/fleet-counter.js';
import { commandEvents } from '../commands/command-events.js';
import { visibilityOf } from '../commands/command-json.js';
import type { CommandStore } from '../commands/command-store.js';
import { orgCommands } from '../commands/org-commands.js';
import type { Principal } from '../http/principal.js';
import type { StreamItem } from '../http/viewers.js';
import { healthEvents, newestHealth } from '../metrics/health-events.js';
import { metricsEvents } from '../metrics/metrics-events.js';
import { ColumnScratch } from '../metrics/past-columns.js';
import type { WatchHub } from '../metrics/watch-hub.js';
import { orgQueries } from '../queries/org-queries.js';
import { beWhole } from '../queries/result-rows.js';
import { queryView } from '../queries/query-stream.js';
import type { QueryStore } from '../queries/query-store.js';
import type { OpenEvents } from './multiplexer.js';
import { fleetCounts } from './fleet-counts.js';

export interface SourceParts extends SelectionParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly queries: QueryStore;
  readonly commands: CommandStore;
  readonly watches: Pick<WatchHub, 'watch'>;
  readonly fleet: FleetCounter;
  readonly audit: Pick<AuditTrail, 'record'>;
}

/** Who looks, and from where. */
export interface Viewer {
  readonly principal: Principal;
  readonly from: string;
}

type Of<K extends Subscription['kind']> = Subscription & { readonly kind: K };

/** Subscriptions as sources of events: what each kind shows is what its own stream shows, with the same checks. */
export class SubscriptionSources {
  readonly #parts: SourceParts;
  readonly #scratch = new ColumnScratch();

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /** The events of a subscription of this viewer; what they may not have is thrown when it is opened. */
  of(subscription: Subscription, viewer: Viewer): OpenEvents {
    return async (signal, heartbeatMs) => {
      require(viewer.principal, NEEDS[subscription.kind]);
      const run = { signal, heartbeatMs };
      switch (subscription.kind) {
        case 'query':
          return await this.#query(subscription, viewer.principal, run);
        case 'command':
          return await this.#command(subscription, viewer.principal, run);
        case 'health':
          return await this.#health(subscription, viewer.principal, run);
        case 'metrics':
          return await this.#metrics(subscription, viewer, run);
        case 'queries':
          return orgQueries(this.#parts, { ...run, principal: viewer.principal, after: subscription.after });
        case 'commands':
          return orgCommands(this.#parts, { ...run, principal: viewer.principal, after: subscription.after });
        case 'fleet':
          return fleetCounts(this.#parts, { ...run, ...subscription, principal: viewer.principal });
      }
    };
  }

  async #query({ queryId, rows, after = 0 }: Of<'query'>, principal: Principal, run: Run): Promise<Events> {
    const { queries, streams, clock, directory } = this.#parts;
    const record = await queries.findReadable(principal, queryId);
    if (record.state === 'running' && after === 0) await beWhole(streams, record, run.signal);
    return queryView(record, {
      ...{ streams, clock, afterSeq: after, shape: rows, ...run },
      byNum: (num) => directory.byNum(num),
      readRecord: () => queries.read(record.org, record.id as QueryId),
    });
  }

  async #command({ commandId, targets, after = 0 }: Of<'command'>, principal: Principal, run: Run): Promise<Events> {
    const { commands: store, clock, directory } = this.#parts;
    const journal = await store.findJournal(principal, commandId, run.signal);
    const visibility = visibilityOf(principal, directory);
    return commandEvents(journal, { store, clock, visibility, detail: targets, afterSeq: after, ...run });
  }

  async #health({ selector: text, after }: Of<'health'>, { org, bound }: Principal, run: Run): Promise<Events> {
    const { streams, directory, clock } = this.#parts;
    const selector = [...readSelector(text), ...bound];
    const newestSeq = await newestHealth(streams);
    return healthEvents({ streams, directory, clock, org, selector, afterSeq: after, newestSeq, ...run });
  }

  async #metrics(subscription: Of<'metrics'>, { principal, from }: Viewer, run: Run): Promise<Events> {
    const { watches, clock, presence, audit } = this.#parts;
    const { past, minutes, layout, after = 0 } = subscription;
    const { agentId } = await findAgent(this.#parts, principal, subscription.agentId);
    const { org, id, name, sessionId } = principal;
    const record: NewAuditRecord = {
      ...{ org, actor: id, actorName: name, action: operations.streamAgentMetrics.action, subject: agentId, from },
      ...{ outcome: 'allowed', ...(sessionId === undefined ? {} : { details: { session: sessionId } }) },
      ...(principal.selector === undefined ? {} : { scope: principal.selector }),
    };
    audit.record(record, { essential: false });
    return metricsEvents({
      ...{ hub: watches, clock, agentId, layout, scratch: this.#scratch, ...run },
      ...{ pastMs: past, minutesMs: minutes, afterMs: after },
      isAway: async () => {
        const known = await presence.of([agentId]);
        return known === undefined ? undefined : known.get(agentId)?.session === undefined;
      },
    });
  }
}

type Events = AsyncIterable<StreamItem>;

interface Run {
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

/** What the stream of its own needs. */
const NEEDS: Readonly<Record<Subscription['kind'], Permission>> = {
  query: operations.streamQueryEvents.access,
  command: operations.streamCommandEvents.access,
  health: operations.streamHealthEvents.access,
  metrics: operations.streamAgentMetrics.access,
  queries: operations.listQueries.access,
  commands: operations.listCommands.access,
  fleet: operations.listAgents.access,
};

function require({ role }: Principal, permission: Permission): void {
  if (roleAllows(role, permission)) return;
  throw new AppError('forbidden', `this needs the role ${leastRole(permission)}; yours is ${role}`, {
    details: { permission },
  });
}

function readSelector(text: string): Selector {
  const parsed = parseSelector(text);
  if (parsed.ok) return parsed.selector;
  throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
}
