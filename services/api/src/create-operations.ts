import { ACTIONS } from '@muster/actions';
import type { Directory } from '@muster/directory';
import type { PresenceDoubt } from '@muster/registry';
import { DirectoryWriter } from '@muster/directory';
import { STREAMS } from '@muster/records';
import { TABLES } from '@muster/tables';
import { agentOperations } from './agents/agent-operations.js';
import type { FleetCounter } from './agents/fleet-counter.js';
import type { KnownHealth } from './agents/known-health.js';
import { LabelEditor } from './agents/label-editor.js';
import { listLabelsOperation } from './agents/list-labels.js';
import { labelOperations } from './agents/label-operations.js';
import { modeOperation } from './agents/mode-operation.js';
import { ModeOverrides } from './agents/mode-overrides.js';
import type { PresenceReader } from './agents/presence.js';
import { auditOperations } from './audit/audit-operations.js';
import { chainOperation } from './audit/chain-operation.js';
import { auditedJournalOperation } from './audit/journal-operation.js';
import { meOperation } from './auth/me-operation.js';
import type { Reauthentication } from './auth/reauthentication.js';
import { tokenOperations } from './auth/token-operations.js';
import type { TokenStore } from './auth/token-store.js';
import { bandwidthOperations } from './bandwidth/bandwidth-operations.js';
import { actionOperations } from './commands/action-operations.js';
import { commandOperations } from './commands/command-operations.js';
import { CommandStore } from './commands/command-store.js';
import { decideOperations } from './commands/decide-operations.js';
import { commandEventOperation } from './commands/event-operation.js';
import { submitOperations } from './commands/submit-operations.js';
import { fleetOperation } from './fleet/fleet-operation.js';
import { given } from './http/json-members.js';
import { problemPageOperation } from './http/problem-pages.js';
import { openApiOperation } from './http/openapi-operation.js';
import type { Operation } from './http/operation.js';
import type { Viewers } from './http/viewers.js';
import { healthEventOperation } from './metrics/health-event-operation.js';
import { metricsOperations } from './metrics/metrics-operations.js';
import { telemetryOperations } from './metrics/telemetry-operations.js';
import type { WatchHub } from './metrics/watch-hub.js';
import { oidcOperations, waysOf } from './oidc/oidc-operations.js';
import { exceptionOperations } from './posture/exception-operations.js';
import { postureOperations } from './posture/posture-operations.js';
import { ScanDetails } from './posture/scan-detail.js';
import { scanResultOperations } from './posture/scan-result-operations.js';
import { scheduleOperations } from './posture/schedule-operations.js';
import { feedOperations } from './posture/feed-operations.js';
import { vulnerabilityOperations } from './posture/vulnerability-operations.js';
import { queryOperations } from './queries/query-operations.js';
import type { QueryStore } from './queries/query-store.js';
import { questionOperations } from './questions/question-operations.js';
import type { QuestionStore } from './questions/question-store.js';
import { resultOperations } from './queries/result-operations.js';
import { BudgetPolicy } from './queries/budget-policy.js';
import { RetentionPolicy } from './queries/retention-policy.js';
import type { TablePolicy } from './queries/table-policy.js';
import { tableOperations } from './queries/table-operations.js';
import type { SignIn } from './sessions/create-sign-in.js';
import { sessionOperations } from './sessions/session-operations.js';
import type { OpenStreams } from './stream/open-streams.js';
import { streamOperations } from './stream/stream-operations.js';
import { systemOperations, type SystemParts } from './system/system-operations.js';
import type { BrokerWatch } from './upstream/broker-watch.js';
import { CommandClient } from './upstream/command-client.js';
import { PostureClient } from './upstream/posture-client.js';
import { QueryClient } from './upstream/query-client.js';
import type { TelemetryClient } from './upstream/telemetry-client.js';
import type { UpstreamService } from './upstream/upstream-services.js';
import { webhookOperations, type WebhookParts } from './webhooks/webhook-operations.js';
import type { AppOptions } from './app-options.js';

/** What the operations are made of. */
export interface Stores {
  readonly policy: TablePolicy;
  readonly watches: WatchHub;
  readonly telemetry: TelemetryClient;
  readonly webhooks: WebhookParts;
  readonly questions: QuestionStore;
  readonly directory: Directory;
  readonly tokens: TokenStore;
  readonly queries: QueryStore;
  readonly viewers: Viewers;
  readonly presence: PresenceReader;
  readonly doubt: PresenceDoubt;
  readonly brokerWatch: Pick<BrokerWatch, 'answersForMs'>;
  readonly health: KnownHealth;
  readonly fleet: FleetCounter;
  readonly signIn: SignIn;
  readonly reauthentication: Reauthentication;
  readonly openStreams: OpenStreams;
  readonly queryServices: UpstreamService;
  readonly commandServices: UpstreamService;
  readonly postureServices: UpstreamService;
}

/** All operations of the contract. */
export function createOperations(options: AppOptions, stores: Stores): Operation[] {
  const { registry, clock } = options;
  const { bus, streams } = options.broker;
  const { directory, tokens, queries, viewers, presence, watches, health } = stores;
  const byNum = (num: number) => directory.byNum(num);
  const writer = new DirectoryWriter({ streams });
  const agents = { directory, presence, health, clock };
  const retention = options.retention ?? new RetentionPolicy([], STREAMS.results.maxAgeMs);
  const results = {
    health,
    directory,
    policy: stores.policy,
    budgets: options.budgetPolicy ?? new BudgetPolicy(),
    retention,
    store: queries,
    streams,
    clock,
    client: new QueryClient({ bus, clock, asker: stores.queryServices.asker }),
    byNum,
  };
  const commands = {
    store: new CommandStore({ streams, directory }),
    client: new CommandClient({ bus, clock, asker: stores.commandServices.asker, ...given('seal', options.seal) }),
    directory,
    reauthentication: stores.reauthentication,
  };
  const posture = {
    client: new PostureClient({ asker: stores.postureServices.asker }),
    details: new ScanDetails(directory),
    retention,
  };
  return [
    ...queryOperations(results),
    ...resultOperations({ ...results, viewers }),
    ...questionOperations({ questions: stores.questions, clock }),
    ...postureOperations({ ...posture, clock, store: queries, health, commands: commands.client }),
    ...scanResultOperations({ ...posture, store: queries, byNum, directory }),
    ...scheduleOperations(posture),
    ...exceptionOperations({ ...posture, clock }),
    ...feedOperations(posture.client),
    ...vulnerabilityOperations({ client: posture.client, health, byNum, policy: stores.policy }),
    ...actionOperations(ACTIONS),
    ...submitOperations({ ...commands, queries, streams, byNum, health }),
    ...commandOperations(commands),
    ...decideOperations(commands),
    commandEventOperation({ ...commands, clock, viewers }),
    ...agentOperations({ ...agents, writer }),
    fleetOperation({
      ...{ fleet: stores.fleet, queries, commands: commands.client, telemetry: stores.telemetry, clock },
    }),
    listLabelsOperation(agents),
    ...labelOperations({ ...agents, editor: new LabelEditor({ streams, clock }) }),
    modeOperation({ ...agents, overrides: new ModeOverrides({ streams, writer }) }),
    ...bandwidthOperations({ ...agents, ...results, registry, bus, doubt: stores.doubt }),
    ...metricsOperations({ ...agents, hub: watches, viewers }),
    ...telemetryOperations({ ...agents, telemetry: stores.telemetry }),
    healthEventOperation({ streams, directory, clock, viewers }),
    ...systemOperations(
      systemParts({ bus, registry, clock, commands: commands.client, budgets: results.budgets }, stores),
    ),
    ...tableOperations(TABLES),
    ...streamOperations({ streams: stores.openStreams, viewers }),
    ...tokenOperations({ tokens, clock }),
    ...webhookOperations(stores.webhooks),
    ...auditOperations({ streams, clock, viewers }),
    chainOperation({ streams, clock }),
    auditedJournalOperation({ streams, clock }),
    meOperation(options),
    ...sessionOperations({
      ...{ ...stores.signIn, platformOrg: options.platformOrg, clock },
      ...{ publicUrl: options.publicUrl, oidc: waysOf(options.oidcSignIn?.issuer) },
    }),
    ...oidcOperations({
      ...{ sessions: stores.signIn.sessions, clock, logger: options.logger },
      ...{ client: options.oidcSignIn?.client, issuer: options.oidcSignIn?.issuer ?? '' },
    }),
    problemPageOperation(),
    openApiOperation(),
  ];
}

/** What answers for the system itself. */
function systemParts(
  base: Pick<SystemParts, 'bus' | 'registry' | 'clock' | 'commands' | 'budgets'>,
  { doubt, directory, brokerWatch, reauthentication, policy, telemetry, ...stores }: Stores,
): SystemParts {
  return {
    ...{ ...base, doubt, directory, reauthentication, tables: policy },
    heardForMs: () => brokerWatch.answersForMs,
    services: {
      query: stores.queryServices.instances,
      command: stores.commandServices.instances,
      telemetry: telemetry.instances,
      posture: stores.postureServices.instances,
    },
  };
}
