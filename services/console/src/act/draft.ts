import type { InputOf, Operations } from '@muster/api-client';
import type { ActionJson, CommandJson } from '@muster/api-contract';
import { paramsFrom, type ActionField } from './fitting-actions.js';
import type { ActTarget } from './target.js';

/** What the form says. */
export interface Draft {
  readonly action: string;
  readonly given: Readonly<Record<string, string>>;
  /** A duration, or milliseconds. */
  readonly expiresIn: string;
  /** How many targets a rollout begins with; empty for all at once, {@link AS_PROPOSED} for the rollout of the proposal. */
  readonly canary: string;
  readonly reason: string;
}

export const AS_PROPOSED = 'proposed';
export const EMPTY_DRAFT: Draft = { action: '', given: {}, expiresIn: '24h', canary: '', reason: '' };

export type Rollout = NonNullable<CommandJson['rollout']>;

/** A command that somebody proposes: a pack, or an earlier command. */
export interface Preset {
  readonly action: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly expiresInMs?: number;
  readonly rollout?: Rollout;
  /** How long it may run on one endpoint, where that is not the action's own time. */
  readonly timeoutMs?: number;
}

/** What the form says for a proposal. */
export function presetDraft(preset: Preset | undefined): Partial<Draft> {
  if (preset === undefined) return {};
  const { action, params, reason, expiresInMs, rollout } = preset;
  return {
    action,
    reason,
    given: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, textOf(value)])),
    ...(expiresInMs === undefined ? {} : { expiresIn: String(expiresInMs) }),
    ...(rollout === undefined ? {} : { canary: AS_PROPOSED }),
  };
}

/** The parameters that the form says. What nobody has changed stays the value that was proposed, of which the form has only a text. */
export function paramsOf(
  fields: readonly ActionField[],
  draft: Pick<Draft, 'action' | 'given'>,
  preset: Preset | undefined,
): Readonly<Record<string, unknown>> {
  if (preset?.action !== draft.action) return paramsFrom(fields, draft.given);
  const unchanged = Object.entries(preset.params).filter(([name, value]) => draft.given[name] === textOf(value));
  return { ...paramsFrom(fields, draft.given), ...Object.fromEntries(unchanged) };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, text]) => `${name}=${String(text)}`)
    .join(' ');
}

export type CommandBody = NonNullable<InputOf<Operations['POST /v1/commands']>['body']>;

interface DraftParts {
  readonly draft: Draft;
  readonly params: Readonly<Record<string, unknown>>;
  readonly target: ActTarget;
  readonly shape: ActionJson['binds'];
  readonly preset?: Preset | undefined;
}

/** The command as the API takes it. */
export function bodyOf({ draft, params, target, shape, preset }: DraftParts): CommandBody {
  const { action, expiresIn, canary } = draft;
  const proposed = preset?.action === action ? preset : undefined;
  return {
    action,
    params: { ...params },
    target: targetOf(target, shape),
    dryRun: false,
    expiresIn: /^\d+$/.test(expiresIn) ? Number(expiresIn) : expiresIn,
    ...(proposed?.timeoutMs === undefined ? {} : { timeout: proposed.timeoutMs }),
    ...rolloutOf(canary, proposed),
    ...reasonOf(draft),
  };
}

/** The same command as a try, which changes nothing. */
export function dryRunOf({ rollout: _allAtOnce, ...body }: CommandBody): CommandBody {
  return { ...body, dryRun: true };
}

/** A reason may still be typed after the try. */
export function withReason({ reason: _before, ...body }: CommandBody, draft: Pick<Draft, 'reason'>): CommandBody {
  return { ...body, ...reasonOf(draft) };
}

function reasonOf({ reason }: Pick<Draft, 'reason'>): Pick<CommandBody, 'reason'> {
  return reason.trim() === '' ? {} : { reason: reason.trim() };
}

function rolloutOf(canary: string, proposed: Preset | undefined): Pick<CommandBody, 'rollout'> {
  if (canary === '') return {};
  if (canary !== AS_PROPOSED) return { rollout: { canary: Number(canary) } };
  if (proposed?.rollout === undefined) return {};
  const { pauseMs, ...rollout } = proposed.rollout;
  return { rollout: { ...rollout, pause: pauseMs } };
}

function targetOf(target: ActTarget, shape: DraftParts['shape']): CommandBody['target'] {
  if (target.kind === 'selector') return { selector: target.selector };
  if (target.kind === 'agents') return { agentIds: [...target.agentIds] };
  // A command is bound to the columns of its action, and to no others.
  const columns = shape === undefined ? [] : [...shape.required, ...shape.optional];
  const only = (row: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => columns.includes(name)));
  return { rows: target.rows.map(({ agentId, row }) => ({ agentId, row: only(row) })) };
}
