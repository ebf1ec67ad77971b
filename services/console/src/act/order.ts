import type { InputOf, Operations } from '@muster/api-client';
import type { ActionJson } from '@muster/api-contract';
import type { ActTarget } from './target.js';

/** What the form says. */
export interface Order {
  readonly action: string;
  readonly given: Readonly<Record<string, string>>;
  readonly expiresIn: string;
  /** How many targets a rollout begins with; empty for all at once. */
  readonly canary: string;
  readonly reason: string;
}

export const NO_ORDER: Order = { action: '', given: {}, expiresIn: '24h', canary: '', reason: '' };

/** An order that a pack proposes. */
export interface Preset {
  readonly action: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly reason: string;
}

/** What the form says for a proposal. */
export function presetOrder(preset: Preset | undefined): Partial<Order> {
  if (preset === undefined) return {};
  const { action, params, reason } = preset;
  return {
    action,
    reason,
    given: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, textOf(value)])),
  };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, text]) => `${name}=${String(text)}`)
    .join(' ');
}

export type OrderBody = NonNullable<InputOf<Operations['POST /v1/commands']>['body']>;

interface OrderParts {
  readonly order: Order;
  readonly params: Readonly<Record<string, unknown>>;
  readonly target: ActTarget;
  readonly shape: NonNullable<ActionJson['binds']> | undefined;
  readonly dryRun: boolean;
}

/** The order as the API takes it. */
export async function bodyOf({ order, params, target, shape, dryRun }: OrderParts): Promise<OrderBody> {
  return {
    action: order.action,
    params: { ...params },
    target: await targetOf(target, shape),
    dryRun,
    expiresIn: order.expiresIn,
    ...(order.canary === '' || dryRun ? {} : { rollout: { canary: Number(order.canary) } }),
    ...(order.reason.trim() === '' ? {} : { reason: order.reason.trim() }),
  };
}

async function targetOf(target: ActTarget, shape: OrderParts['shape']): Promise<OrderBody['target']> {
  if (target.kind === 'selector') return { selector: target.selector };
  if (target.kind === 'agents') return { agentIds: [...target.agentIds] };
  const columns = shape === undefined ? [] : [...shape.required, ...shape.optional];
  const rows = await target.pick(columns);
  return { rows: rows.map(({ agentId, row }) => ({ agentId, row })) };
}
