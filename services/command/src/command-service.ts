import { AuditTrail } from '@muster/audit';
import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import type { RequestSeal } from '@muster/identity';
import { newCommandServiceId, type CommandServiceId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { FollowedFile, type Clock, type Logger, type Metrics, type Component } from '@muster/runtime';
import { CommandAudit } from './journal/command-audit.js';
import type { CommandConfig } from './config.js';
import { ReconcileSteps } from './reconcile/reconcile-steps.js';
import { DeliverySender } from './deliveries/delivery-sender.js';
import { CommandReconciler } from './reconcile/command-reconciler.js';
import { LiveServices } from './reconcile/live-services.js';
import { CompletionWaiters } from './requests/completion-waiters.js';
import { CommandRequestHandler } from './requests/command-request-handler.js';
import { ManageCommands } from './requests/manage-commands.js';
import { SubmitCommands } from './requests/submit-commands.js';
import { JournalProjection } from './journal/journal-projection.js';
import { JournalWriter } from './journal/journal-writer.js';
import { createCommandMetrics } from './metrics.js';
import { OPEN_POLICY, parsePolicy } from './requests/approval-policy.js';
import { FreshRoutes } from './deliveries/fresh-routes.js';
import { Routes } from './deliveries/routes.js';
import { AckSender } from './reports/ack-sender.js';
import { LateReports } from './reports/late-reports.js';
import { OutcomeWriter } from './reports/outcome-writer.js';
import { ReportHandler } from './reports/report-handler.js';
import type { CommandKeys } from './signing/command-keys.js';
import { TargetTrees } from './signing/target-trees.js';

/** What an entry has to leave of a message for its headers. */
const HEADER_BYTES = 4 * 1024;

export interface CommandServiceDeps {
  readonly broker: Broker;
  readonly registry: Pick<Registry, 'lookup' | 'scan'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly keys: CommandKeys;
  readonly seal?: RequestSeal;
  readonly config: Pick<CommandConfig, 'policyFile' | 'keepEnded' | 'journalPatienceMs'>;
}

export interface CommandService {
  readonly instance: CommandServiceId;
  /** In the order in which they start. */
  readonly parts: readonly (readonly [name: string, part: Component])[];
}

/** One incarnation of the command service over brokers that are connected already. Its streams must exist. */
export function createCommandService(deps: CommandServiceDeps): CommandService {
  const { broker, registry, clock, logger, metrics, keys, seal, config } = deps;
  const { bus, streams } = broker;
  const instance = newCommandServiceId();
  const counted = createCommandMetrics(metrics, {
    open: () => projection.openCount,
    reconciled: () => reconciler.size,
    services: () => services.count,
  });
  const keyList = (): string => keys.list;

  const directory = new Directory({ streams, logger });
  const trail = new AuditTrail({ streams, clock, logger, metrics: counted.audit });
  const audit = new CommandAudit(trail);
  const policyFile = new FollowedFile({
    ...{ what: 'command policy', path: config.policyFile, clock, logger },
    ...{ fallback: OPEN_POLICY, parse: parsePolicy },
  });
  const routes = new Routes(registry);
  const freshRoutes = new FreshRoutes();
  const trees = new TargetTrees(directory);

  const projection = new JournalProjection({
    streams,
    clock,
    logger,
    metrics: counted.journal,
    keepEnded: config.keepEnded,
  });
  const writer = new JournalWriter({
    ...{ streams, clock, metrics: counted.journal, patienceMs: config.journalPatienceMs },
    maxEntryBytes: bus.maxPayloadBytes - HEADER_BYTES,
  });

  const deliveries = new DeliverySender({ bus, directory, routes, trees, keyList, metrics: counted.reconcile });
  const work = new ReconcileSteps({ clock, logger, projection, writer, directory, routes, deliveries, audit });
  const services: LiveServices = new LiveServices({
    ...{ bus, instance, clock, keyList },
    onChange: () => reconciler.redistribute(),
  });
  const reconciler: CommandReconciler = new CommandReconciler({
    ...{ bus, clock, logger, metrics: counted.reconcile, projection, services, work, freshRoutes },
    forgetTree: (id) => trees.drop(id),
  });

  const kept = new AckSender(bus);
  const outcomes = new OutcomeWriter({ clock, writer, projection, kept, audit });
  const late = new LateReports({ projection, directory, logger, kept, writer: outcomes });
  const reports = new ReportHandler({
    ...{
      bus,
      clock,
      logger,
      metrics: counted.reports,
      projection,
      directory,
      audit,
      writer: outcomes,
      late,
      kept,
      deliveries,
    },
  });

  const submit = new SubmitCommands({
    ...{ clock, projection, writer, trees, keys, directory, routes, freshRoutes },
    policy: () => policyFile.value,
  });
  const manage = new ManageCommands({ clock, projection, writer, directory, routes, trees, keys });
  const requests = new CommandRequestHandler({
    ...{ bus, clock, logger, metrics: counted.requests, audit, submit, manage },
    waiters: new CompletionWaiters({ projection, clock }),
    ...(seal === undefined ? {} : { seal }),
  });

  return {
    instance,
    parts: [
      ['audit trail', { stop: (signal) => trail.stop(signal) }],
      ['directory', directory],
      ['command policy', policyFile],
      // Nothing is asked, heard or said before all that is in the journal is known.
      ['journal view', projection],
      ['driver', reconciler],
      ['reports', reports],
      ['intake', requests],
      ['live services', services],
    ],
  };
}
