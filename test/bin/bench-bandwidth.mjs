/** `npm run bench:bandwidth`: builds what is not built, then runs the bench. */
import { build, ensureInstalled, requireNode } from '../../deploy/local/bin/workspace.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
await import('../dist/load/bench-bandwidth/main.js');
