import type { ActionDefinition } from './action.js';
import { agentActions } from './agent.js';
import { cacheActions } from './cache.js';
import { connectionActions } from './connection.js';
import { fileActions } from './file.js';
import { hostActions } from './host.js';
import { packageActions } from './package.js';
import { processActions } from './process.js';
import { registryActions } from './registry.js';
import { serviceActions } from './service.js';
import { sessionActions } from './session.js';
import { undoAction } from './undo.js';

/** All actions, including hidden ones. */
export const ACTIONS: readonly ActionDefinition[] = [
  ...processActions,
  ...serviceActions,
  ...connectionActions,
  ...registryActions,
  ...packageActions,
  ...cacheActions,
  ...fileActions,
  ...hostActions,
  ...sessionActions,
  ...agentActions,
  undoAction,
];

const BY_NAME = new Map(ACTIONS.map((action) => [action.name, action]));

/** Finds the action with exactly this name. */
export function findAction(name: string): ActionDefinition | undefined {
  return BY_NAME.get(name);
}
