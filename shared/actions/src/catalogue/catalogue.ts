import type { ActionDefinition } from './action.js';
import { agentActions, undoAction } from './agent.js';
import { fileActions } from './file.js';
import { cacheActions, connectionActions, hostActions } from './network.js';
import { processActions, serviceActions, sessionActions } from './process.js';
import { packageActions, registryActions } from './software.js';

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
