import type { ActionImplementations } from '../contract/action.js';
import { quarantineFile, undoQuarantine } from './quarantine-file.js';
import { restoreFile } from './restore-file.js';

/** The file actions of every platform. */
export const FILE_ACTIONS: ActionImplementations = {
  'file.quarantine': { run: quarantineFile, undo: undoQuarantine },
  'file.restore': { run: restoreFile },
};
