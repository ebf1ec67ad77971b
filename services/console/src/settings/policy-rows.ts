import type { PoliciesJson } from '@muster/api-contract';
import { duration, plural } from '../text/numbers.js';

/** One rule of a policy in words. */
export interface PolicyRow {
  readonly policy: string;
  /** What it is about. */
  readonly of: string;
  /** What it asks for. */
  readonly asks: string;
}

/** The policies as lines of a table: what needs approval, limits, recent sign-ins, tables, time of queries. */
export function policyRows({ commands, reauthentication, sensitiveTables, queryBudgets }: PoliciesJson): PolicyRow[] {
  const { approval = [], limits = [], packs } = commands ?? {};
  return [
    ...approval.map((rule) => ({
      policy: 'approval',
      of: [
        rule.actions === undefined ? 'every action' : rule.actions.join(', '),
        ...(rule.minTargets === undefined ? [] : [`on ${plural(rule.minTargets, 'target')} or more`]),
        ...(rule.selector === undefined ? [] : [`where any has ${rule.selector}`]),
      ].join(' '),
      asks: second(`by another ${atLeast(rule.role)}`, rule.independent),
    })),
    ...(packs === undefined
      ? []
      : [{ policy: 'approval', of: 'every pack of checks', asks: second('by another admin', packs.independent) }]),
    ...limits.map(({ role, maxTargets }) => ({
      policy: 'limit of targets',
      of: `a command of ${role}s`,
      asks: `at most ${plural(maxTargets, 'target')}`,
    })),
    ...reauthentication.map(({ actions, operations, maxAgeMs }) => ({
      policy: 'recent sign-in',
      of: [
        ...(actions === undefined ? [] : [`actions ${actions.join(', ')}`]),
        ...(operations === undefined ? [] : [`changes ${operations.join(', ')}`]),
      ].join('; '),
      asks: `at the console, not more than ${time(maxAgeMs)} ago`,
    })),
    ...sensitiveTables.map(({ sensitivity, role }) => ({
      policy: 'sensitive tables',
      of: `those with ${sensitivity} data`,
      asks: role === 'nobody' ? 'nobody may ask them' : atLeast(role),
    })),
    ...queryBudgets.map(({ role, maxMs }) => ({
      policy: 'time of a query',
      of: `of ${role}s`,
      asks: `at most ${time(maxMs)} on one endpoint`,
    })),
  ];
}

function second(by: string, independent: true | undefined): string {
  return independent === true ? `${by}, whose credentials nobody made who made those of the first` : by;
}

const atLeast = (role: string): string => (role === 'admin' ? role : `${role} or higher`);

/** Policies have whole seconds. */
const time = (ms: number): string => duration(ms).replace('.0 s', ' s');
