/** `npm run simulate`: builds what is not built, then becomes the simulator. */
import { build, ensureInstalled, requireNode } from '../../deploy/local/bin/workspace.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
await import('../dist/simulator/main.js');
