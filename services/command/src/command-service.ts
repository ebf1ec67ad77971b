import { AuditTrail } from '@muster/audit';
import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import type { RequestSeal } from '@muster/identity';
import { SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import { newCommandServiceId, type CommandServiceId } from '@muster/protocol';
import { PresenceDoubt, type Registry } from '@muster/registry';
import { FollowedFile, type Clock, type Logger, type Metrics, type Component, type Tracer } from '@muster/runtime';
import { LiveInstances, PeerClocks, SteadyClock } from '@muster/service-base';
import type { CommandConfig } from './config.js';
import { DeliverySender } from './deliveries/delivery-sender.js';
import { Routes, FreshRoutes } from './deliveries/routes.js';
import { CommandAudit } from './journal/command-audit.js';
import { JournalAudit } from './journal/journal-audit.js';
import { JournalLag } from './journal/journal-lag.js';
import { JournalProjection } from './journal/journal-projection.js';
import { KeepTimes } from './journal/keep-times.js';
import { JournalWriter } from './journal/journal-writer.js';
import { createCommandMetrics } from './metrics.js';
import { CommandReconciler } from './reconcile/command-reconciler.js';
import { countOverdue } from './reconcile/deadlines.js';
import { ReconcileSteps } from './reconcile/reconcile-steps.js';
import { AckSender } from './reports/ack-sender.js';
import { LateReports } from './reports/late-reports.js';
import { OutcomeWriter } from './reports/outcome-writer.js';
import { ReportHandler } from './reports/report-handler.js';
import { OPEN_POLICY, parsePolicy, type Policy } from './requests/approval-policy.js';
import { CommandRequestHandler } from './requests/command-request-handler.js';
import { CompletionWaiters } from './requests/completion-waiters.js';
import { ManageCommands } from './requests/manage-commands.js';
import { SubmitCommands } from './requests/submit-commands.js';
import type { CommandKeys } from './signing/command-keys.js';
import { TargetTrees } from './signing/target-trees.js';

/** Room that a journal entry leaves for the headers of its message. */
const HEADER_BYTES = 4 * 1024;
/** Audit records of what one agent says that it could not verify. */
const CLAIMS_OF_ONE_AGENT = { capacity: 20, refillPerSecond: 0.2 };

export interface CommandServiceDeps {
  readonly broker: Broker;
  readonly registry: Pick<Registry, 'lookup' | 'scan' | 'lease' | 'generation'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly keys: CommandKeys;
  readonly seal?: RequestSeal;
  readonly config: Pick<CommandConfig, 'policyFile' | 'keepEnded' | 'journalPatienceMs'>;
  /** What holds without a policy file; default: no approvals, and only the limits of the protocol. */
  readonly fallbackPolicy?: Policy;
}

export interface CommandService {
  readonly instance: CommandServiceId;
  /** In the order in which they start. */
  readonly components: readonly (readonly [name: string, component: Component])[];
}

/** One instance of the command service over connected brokers. Its streams must exist. */
export function createCommandService(deps: CommandServiceDeps): CommandService {
  const { broker, registry, logger, tracer, keys, seal, config, fallbackPolicy = OPEN_POLICY } = deps;
  const { bus, streams } = broker;
  const instance = newCommandServiceId();
  const peers = new PeerClocks({ bus, clock: deps.clock, self: instance, kinds: ['query', 'command', 'posture'] });
  const clock = new SteadyClock({
    ...{ clock: deps.clock, peers, logger },
    onSet: (byMs) => reconciler.timeSet(byMs),
  });
  const lag = new JournalLag(clock);
  const metrics = createCommandMetrics(deps.metrics, {
    open: () => projection.openCount,
    reconciled: () => reconciler.size,
    services: () => services.count,
    overdue: () => countOverdue(projection.open(), clock.now()),
    lagSeconds: () => lag.seconds(),
  });
  const keyList = (): string => keys.list;

  const directory = new Directory({ streams, logger });
  const trail = new AuditTrail({ streams, clock, logger, metrics: metrics.audit, actorLimit: CLAIMS_OF_ONE_AGENT });
  const audit = new CommandAudit(trail);
  const projection = new JournalProjection({
    ...{ streams, clock, logger, metrics: metrics.journal, lag },
    keepEnded: config.keepEnded,
  });
  const writer = new JournalWriter({
    ...{ streams, clock, metrics: metrics.journal, lag, patienceMs: config.journalPatienceMs },
    maxEntryBytes: bus.maxPayloadBytes - HEADER_BYTES,
  });
  const journal = { projection, writer, audit };

  const trees = new TargetTrees(directory);
  const heardForMs = (): number => services.hearsForMs;
  const doubt = new PresenceDoubt({ registry, clock, heardForMs });
  const routes = new Routes(registry, clock, doubt);
  const freshRoutes = new FreshRoutes();
  const deliveries = new DeliverySender({
    bus,
    directory,
    routes,
    trees,
    keyList,
    tracer,
    metrics: metrics.deliveries,
  });

  const policyFile = new FollowedFile({
    ...{ what: 'command policy (MUSTER_COMMAND_POLICY_FILE)', path: config.policyFile, clock, logger },
    ...{ fallback: fallbackPolicy, parse: parsePolicy },
  });
  const policy = (): Policy => policyFile.value;
  const submissions = new SubmitCommands({
    ...{ ...journal, clock, tracer, trees, keys, directory, routes, freshRoutes, policy },
  });
  const requests = new CommandRequestHandler({
    ...{ bus, instance, clock, logger, tracer, metrics: metrics.requests, audit },
    heartbeatClock: deps.clock,
    ...{ projection, submissions, keys, policy },
    management: new ManageCommands({ ...journal, clock, directory, routes, trees, keys, policy }),
    waiters: new CompletionWaiters({ projection, clock }),
    ...(seal === undefined ? {} : { seal }),
  });

  const keepTimes = new KeepTimes(writer, clock);
  const services: LiveInstances<CommandServiceHeartbeat> = new LiveInstances({
    // What the clock of the machine says, for others to compare with.
    ...{ bus, instance, clock: deps.clock, subject: SUBJECTS.commandHeartbeats, kind: 'command_beat' as const },
    details: () => ({ keys: keyList(), ...keepTimes.own() }),
    onHeartbeat: (heartbeat) => keepTimes.heard(heartbeat),
    onChange: () => {
      reconciler.redistribute();
      journalAudit.redistribute();
    },
    onHearing: () => reconciler.hearsAgain(),
  });
  const reconciler: CommandReconciler = new CommandReconciler({
    ...{ bus, clock, logger, tracer, metrics: metrics.reconcile, projection, services, freshRoutes },
    steps: new ReconcileSteps({
      ...{ ...journal, clock, logger, directory, routes, deliveries },
      hearsForMs: () => Math.min(services.hearsForMs, keepTimes.forMs, clock.steadyForMs),
    }),
    forgetTree: (id) => trees.drop(id),
  });

  const journalAudit: JournalAudit = new JournalAudit({
    ...{ streams, clock, logger, trail, projection },
    records: (org) => services.ownsToTheEnd(org),
  });

  const acks = new AckSender(bus);
  const outcomes = new OutcomeWriter({ projection, writer, clock, acks });
  const reports = new ReportHandler({
    ...{ bus, instance, clock, logger, metrics: metrics.reports },
    ...{ projection, directory, audit, outcomes, acks, deliveries },
    late: new LateReports({ projection, directory, clock, logger, acks, outcomes }),
  });

  return {
    instance,
    components: [
      ['clocks of others', peers],
      ['clock', clock],
      ['presence', doubt],
      ['audit trail', { stop: (signal) => trail.stop(signal) }],
      ['directory', directory],
      ['command policy', policyFile],
      // Resolves when the whole journal is read. Requests, reports and presence are handled only after that.
      ['journal projection', projection],
      ['audit of the journal', journalAudit],
      ['reconciler', reconciler],
      ['reports', reports],
      ['requests', requests],
      ['live services', services],
    ],
  };
}
