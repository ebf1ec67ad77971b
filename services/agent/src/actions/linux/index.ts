import type { ActionImplementations } from '../action.js';
import { setLabels } from '../agent-labels.js';
import { killProcess } from './kill-process.js';

/** How Linux runs each action. */
export const LINUX_ACTIONS: ActionImplementations = {
  'process.kill': killProcess,
  'agent.set_labels': setLabels,
};
