import { hostname } from 'node:os';
import { operations, type PoliciesJson, type ServiceJson } from '@muster/api-contract';
import type { Directory } from '@muster/directory';
import { decodeBusMessage, type GatewayAbout } from '@muster/messages';
import { AppError, type OrgId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { serviceVersion, type ServiceInstances } from '@muster/service-base';
import type { Reauthentication } from '../auth/reauthentication.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { BudgetPolicy } from '../queries/budget-policy.js';
import type { TablePolicy } from '../queries/table-policy.js';
import { askGateways, type AskedGateway, type AskedGateways, type GatewayParts } from '../upstream/ask-gateways.js';
import type { CommandClient } from '../upstream/command-client.js';
import { enrolmentSecrets } from './enrolment-secrets.js';

type ServiceKind = Exclude<ServiceJson['kind'], 'gateway' | 'api'>;

export interface SystemParts extends GatewayParts {
  readonly clock: Clock;
  /** For how long this process has heard the broker without a gap. */
  readonly heardForMs: () => number;
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly services: Readonly<Record<ServiceKind, Pick<ServiceInstances, 'heardWithin' | 'isSilent'>>>;
  readonly reauthentication: Pick<Reauthentication, 'rulesOf'>;
  readonly tables: Pick<TablePolicy, 'inForce'>;
  readonly budgets: Pick<BudgetPolicy, 'inForce'>;
  readonly commands: Pick<CommandClient, 'policy'>;
}

/** Services are heard every second: after so long all that live are known. */
const HEARD_ALL_MS = 3_000;
/** Who was heard so long ago is told of as silent. */
const REMEMBERED_MS = 600_000;

/** What runs, which policies are in force, and with which secrets endpoints enrol. */
export function systemOperations(parts: SystemParts): Operation[] {
  const startedAt = isoTime(parts.clock.now());
  return [
    implement(operations.listServices, async ({ principal }) => {
      const gateways = await abouts(parts, principal.org);
      const self: ServiceJson = { kind: 'api', id: hostname(), state: 'ok', version: serviceVersion(), startedAt };
      const items = [...gateways.answers.map(gatewayJson), ...services(parts), self];
      return json(200, { items, inDoubt: gateways.isInDoubt || parts.heardForMs() < HEARD_ALL_MS });
    }),
    implement(operations.showPolicies, async ({ principal }) => json(200, await policies(parts, principal.org))),
    implement(operations.listEnrolmentSecrets, async ({ principal: { org, bound } }) => {
      if (bound.length > 0) {
        throw new AppError('forbidden', 'the counts are of all endpoints, and a selector bounds your token');
      }
      const { clock, directory } = parts;
      return json(200, enrolmentSecrets(await abouts(parts, org), directory.endpoints(org), clock.now()));
    }),
  ];
}

function abouts(parts: GatewayParts, org: OrgId): Promise<AskedGateways<GatewayAbout>> {
  return askGateways(parts, { t: 'about', org }, (data) => decodeBusMessage<GatewayAbout>(data, 'about'));
}

function gatewayJson(gateway: AskedGateway<GatewayAbout>): ServiceJson {
  const { id, lease, state } = gateway;
  const { draining, sessions, startedAtMs } = lease;
  // One of a version before answers nothing to this, and renews its lease.
  const isSilent = state === 'gone' || lease.remainingMs <= 0;
  return {
    ...{ kind: 'gateway', id, state: isSilent ? 'silent' : draining ? 'draining' : 'ok' },
    ...given('version', state === 'answered' ? gateway.report.version : undefined),
    ...{ startedAt: isoTime(startedAtMs), sessions },
  };
}

function services({ services: all }: SystemParts): ServiceJson[] {
  return (Object.keys(all) as ServiceKind[]).flatMap((kind) =>
    all[kind]
      .heardWithin(REMEMBERED_MS)
      .map(({ id, version }): ServiceJson => {
        const isSilent = all[kind].isSilent(id);
        return { kind, id, state: isSilent ? 'silent' : 'ok', ...given('version', isSilent ? undefined : version) };
      })
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

async function policies(parts: SystemParts, org: OrgId): Promise<PoliciesJson> {
  const { reauthentication, tables, budgets, commands } = parts;
  return {
    reauthentication: reauthentication.rulesOf(org).map(({ actions, operations: of, maxAge }) => ({
      ...{ ...given('actions', actions), ...given('operations', of), maxAgeMs: maxAge },
    })),
    sensitiveTables: [...tables.inForce(org)],
    queryBudgets: [...budgets.inForce],
    commands: await commandPolicy(commands, org),
  };
}

async function commandPolicy(commands: SystemParts['commands'], org: OrgId): Promise<PoliciesJson['commands']> {
  try {
    return (await commands.policy(org)).policy;
  } catch (error) {
    // None answers, or one of a version before, which does not know the question.
    if (AppError.is(error)) return null;
    throw error;
  }
}
