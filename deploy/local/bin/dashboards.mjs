/** `npm run dashboards`: builds what has changed, then writes the dashboards, rules and rule tests of deploy/observability. */
import { build, ensureInstalled, requireNode } from './workspace.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
await import('../../observability/dist/main.js');
