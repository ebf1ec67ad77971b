import { AuditTrail } from '@muster/audit';
import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import type { RequestSeal } from '@muster/identity';
import { newCommandServiceId, type CommandServiceId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { FollowedFile, type Clock, type Logger, type Metrics, type Component } from '@muster/runtime';
import { CommandAudit } from './audit/command-audit.js';
import type { CommandConfig } from './config.js';
import { CommandWork } from './driving/command-work.js';
import { Deliveries } from './driving/deliveries.js';
import { Driver } from './driving/driver.js';
import { LiveServices } from './driving/live-services.js';
import { EndWaits } from './intake/end-waits.js';
import { Intake } from './intake/intake.js';
import { OneCommand } from './intake/one-command.js';
import { SubmitCommands } from './intake/submit-commands.js';
import { JournalView } from './journal/journal-view.js';
import { JournalWriter } from './journal/journal-writer.js';
import { createCommandMetrics } from './metrics.js';
import { OPEN_POLICY, parsePolicy } from './policy/policy.js';
import { FreshRoutes } from './presence/fresh-routes.js';
import { Routes } from './presence/routes.js';
import { KeptSender } from './reports/kept-sender.js';
import { LateReports } from './reports/late-reports.js';
import { OutcomeWriter } from './reports/outcome-writer.js';
import { ReportDesk } from './reports/report-desk.js';
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
    open: () => view.openCount,
    driven: () => driver.size,
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

  const view = new JournalView({ streams, clock, logger, metrics: counted.journal, keepEnded: config.keepEnded });
  const writer = new JournalWriter({
    ...{ streams, clock, metrics: counted.journal, patienceMs: config.journalPatienceMs },
    maxEntryBytes: bus.maxPayloadBytes - HEADER_BYTES,
  });

  const deliveries = new Deliveries({ bus, directory, routes, trees, keyList, metrics: counted.driving });
  const work = new CommandWork({ clock, logger, view, writer, directory, routes, deliveries, audit });
  const services: LiveServices = new LiveServices({
    ...{ bus, instance, clock, keyList },
    onChange: () => driver.redistribute(),
  });
  const driver: Driver = new Driver({
    ...{ bus, clock, logger, metrics: counted.driving, view, services, work, freshRoutes },
    forgetTree: (id) => trees.drop(id),
  });

  const kept = new KeptSender(bus);
  const outcomes = new OutcomeWriter({ clock, writer, view, kept, audit });
  const late = new LateReports({ view, directory, logger, kept, writer: outcomes });
  const reports = new ReportDesk({
    ...{
      bus,
      clock,
      logger,
      metrics: counted.reports,
      view,
      directory,
      audit,
      writer: outcomes,
      late,
      kept,
      deliveries,
    },
  });

  const submits = new SubmitCommands({
    ...{ clock, view, writer, trees, keys, directory, routes, freshRoutes },
    policy: () => policyFile.value,
  });
  const oneCommand = new OneCommand({ clock, view, writer, directory, routes, trees, keys });
  const intake = new Intake({
    ...{ bus, clock, logger, metrics: counted.intake, audit, submits, oneCommand },
    waits: new EndWaits({ view, clock }),
    ...(seal === undefined ? {} : { seal }),
  });

  return {
    instance,
    parts: [
      ['audit trail', { stop: (signal) => trail.stop(signal) }],
      ['directory', directory],
      ['command policy', policyFile],
      // Nothing is asked, heard or said before all that is in the journal is known.
      ['journal view', view],
      ['driver', driver],
      ['reports', reports],
      ['intake', intake],
      ['live services', services],
    ],
  };
}
