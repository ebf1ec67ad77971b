/** `npm run secrets`: makes the first-time secrets of an installation in a cluster, or with compose. */
import { build, ensureInstalled, requireNode } from './workspace.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
await import('../dist/secrets/main.js');
