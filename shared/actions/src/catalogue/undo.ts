import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { name } from './fields.js';

/** Name of the action that undoes the action of another command. */
export const UNDO_ACTION = 'undo';

export const undoAction: ActionDefinition = {
  name: UNDO_ACTION,
  summary: 'Undoes what an earlier command did',
  params: z.strictObject({ command: name('a command id', 64).describe('Command to undo') }),
  platforms: EVERY_PLATFORM,
  reversible: false,
  destructive: false,
  timeoutMs: 120_000,
  lane: 'undo',
  hidden: true,
};
