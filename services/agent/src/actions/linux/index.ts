import type { ActionImplementations } from '../action.js';

/** How Linux runs each action. */
export const LINUX_ACTIONS: ActionImplementations = {};
