import type { Logger } from '@muster/runtime/program';
import type { ActionCall, ActionHost, ActionResult, JsonValue } from '../../actions/contract/action.js';
import type { Actions } from '../../actions/create-actions.js';
import type { UndoStore } from './undo-store.js';
import type { AuthorizedCommand } from './verify-command.js';

export interface RunActionOptions {
  readonly actions: Actions;
  readonly host: ActionHost;
  readonly undo: UndoStore;
  readonly logger: Logger;
}

/** Runs the action of a command, or undoes that of another one, and keeps what it takes to undo it. */
export async function runAction(
  command: AuthorizedCommand,
  { actions, host, undo, logger }: RunActionOptions,
  { signal, onGivenUp }: Required<Pick<ActionCall, 'signal' | 'onGivenUp'>>,
): Promise<ActionResult> {
  const { action, binding, dryRun, id, number, params, undoes } = command;
  const call: ActionCall = {
    action,
    params,
    ...(binding !== undefined && { binding }),
    dryRun,
    signal,
    id,
    number,
    host,
    onGivenUp,
    keepUndo: async (info: JsonValue) => {
      // An undo cannot be undone.
      if (undoes === undefined) undo.keep(command, { action: action.name, info }, command.signedAtMs);
    },
  };
  if (undoes === undefined) return await actions.run(call);
  const result = await actions.undo(call, undoes.data.action, undoes.data.info);
  if (result.state === 'succeeded' && !dryRun) {
    try {
      undo.drop(undoes.key);
    } catch (error) {
      logger.error('undo data cannot be removed', { command: undoes.key.id, err: error });
    }
  }
  return result;
}
