import type { ActionDefinition } from './action.js';
import { agentActions } from './catalogue/agent.js';
import { cacheActions } from './catalogue/cache.js';
import { connectionActions } from './catalogue/connection.js';
import { fileActions } from './catalogue/file.js';
import { hostActions } from './catalogue/host.js';
import { packageActions } from './catalogue/package.js';
import { processActions } from './catalogue/process.js';
import { registryActions } from './catalogue/registry.js';
import { serviceActions } from './catalogue/service.js';
import { sessionActions } from './catalogue/session.js';
import { undoAction } from './catalogue/undo.js';

/** Every action there is, hidden ones too. */
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

/** The action of exactly this name. */
export function findAction(name: string): ActionDefinition | undefined {
  return BY_NAME.get(name);
}
