import type { NatsServer } from '../brokers/nats-server.js';
import type { Caller } from '../nodes/caller.js';
import type { Endpoint } from '../nodes/endpoint.js';
import type { GatewayNode } from '../nodes/gateway-node.js';
import type { Presence } from '@muster/registry';
import type { ProgramError } from '../world/program-errors.js';
import { AUDIT_PROPERTIES } from './audit-properties.js';
import { COMMAND_PROPERTIES } from './command-properties.js';
import type { FaultLog } from './fault-log.js';
import { QUERY_PROPERTIES } from './query-properties.js';
import { ROW_PROPERTIES } from './row-properties.js';
import { allSchedules, SCAN_PROPERTIES, scansOf, SCHEDULE_PROPERTIES } from './scan-properties.js';
import { GATEWAY_PROPERTIES, SESSION_PROPERTIES } from './session-properties.js';

/** A promise that did not hold. */
export interface Violation {
  readonly property: string;
  readonly what: string;
}

export interface Facts {
  readonly endpoints: readonly Endpoint[];
  readonly gateways: readonly GatewayNode[];
  readonly nats: NatsServer;
  readonly faults: FaultLog;
  readonly nowMs: number;
  /** What the registry says at the end, by agent; `undefined` when it does not answer. */
  readonly presence: ReadonlyMap<string, Presence> | undefined;
  /** What programs did that none may do. */
  readonly errors: readonly ProgramError[];
}

/** What did not hold of what a caller asked and ordered. */
export function violations({ asked, ordered }: Pick<Caller, 'asked' | 'ordered'>, facts: Facts): Violation[] {
  return [
    ...facts.errors.map(({ property, who, what }) => ({ property, what: `${who}: ${what}` })),
    ...asked.flatMap((question) =>
      broken({ ...QUERY_PROPERTIES, ...ROW_PROPERTIES }, question, { facts, name: question.id ?? 'a question' }),
    ),
    ...ordered.flatMap((order) => broken(COMMAND_PROPERTIES, order, { facts, name: order.id ?? 'an order' })),
    ...(ordered.length === 0 ? [] : broken(AUDIT_PROPERTIES, facts.nats, { facts, name: 'audit' })),
    ...allSchedules(facts.nats).flatMap((schedule) =>
      broken(SCHEDULE_PROPERTIES, schedule, { facts, name: schedule.name }),
    ),
    ...scansOf(facts.nats).flatMap((scan) => broken(SCAN_PROPERTIES, scan, { facts, name: scan.id })),
    ...facts.gateways.flatMap((gateway) => broken(GATEWAY_PROPERTIES, gateway, { facts, name: gateway.process.name })),
    ...facts.endpoints.flatMap((endpoint) =>
      broken(SESSION_PROPERTIES, endpoint, { facts, name: endpoint.process.name }),
    ),
  ];
}

function broken<T>(
  properties: Readonly<Record<string, (subject: T, facts: Facts) => string | undefined>>,
  subject: T,
  { facts, name }: { readonly facts: Facts; readonly name: string },
): Violation[] {
  return Object.entries(properties).flatMap(([property, check]) => {
    const what = check(subject, facts);
    return what === undefined ? [] : [{ property, what: `${name}: ${what}` }];
  });
}
