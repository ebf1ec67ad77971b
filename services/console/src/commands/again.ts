import type { ActionJson, CommandJson, CommandTargetJson } from '@muster/api-contract';
import type { Preset } from '../act/draft.js';

/** The states of targets that a command is made again for. */
export const AGAIN = ['failed', 'timed_out', 'expired', 'cancelled'] as const;

/**
 * Whether rows name what a command acts on: its action has ways to name it in parameters, and its parameters use none
 * of them. Such rows may be gone: they are asked for again, not commanded again.
 */
export function isBoundToRows(
  { params }: Pick<CommandJson, 'params'>,
  { object = [] }: Pick<ActionJson, 'object'>,
): boolean {
  const ways = object.flatMap(({ required, optional }) => [...required, ...optional]);
  return ways.length > 0 && !ways.some((name) => params[name] !== undefined);
}

/** For how many targets a command can be commanded again. */
export function againCount(command: CommandJson, action: ActionJson | undefined): number {
  if (command.status !== 'ended' || command.dryRun || action === undefined || isBoundToRows(command, action)) return 0;
  return AGAIN.reduce((sum, state) => sum + command.ledger[state], 0);
}

/** The same command once more, with everything that was said of it. */
export function againPreset(command: CommandJson, { timeoutMs }: Pick<ActionJson, 'timeoutMs'>): Preset {
  const { action, params, reason = '', rollout, submittedAt, expiresAt } = command;
  return {
    ...{ action, params, reason },
    expiresInMs: Date.parse(expiresAt) - Date.parse(submittedAt),
    ...(rollout === undefined ? {} : { rollout }),
    ...(command.timeoutMs === timeoutMs ? {} : { timeoutMs: command.timeoutMs }),
  };
}

/** The endpoints of targets, each once; those whose names one may not see are counted. */
export function endpointsOf(targets: readonly Pick<CommandTargetJson, 'agentId'>[]): {
  readonly agentIds: readonly string[];
  readonly unnamed: number;
} {
  const named = targets.flatMap(({ agentId }) => (agentId === null ? [] : [agentId]));
  return { agentIds: [...new Set(named)], unnamed: targets.length - named.length };
}
