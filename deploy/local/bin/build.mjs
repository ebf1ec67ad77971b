/** `npm run build`: installs what is missing, then builds everything that has changed. */
import { build, ensureInstalled, requireNode } from './workspace.mjs';

requireNode();
ensureInstalled();
process.exitCode = await build();
