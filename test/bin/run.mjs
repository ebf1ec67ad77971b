/** `run.mjs load/bench-query --agents 200`: builds what is not built, then becomes that program of `test/`. */
import { build, ensureInstalled, requireNode } from '../../deploy/local/bin/workspace.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
const [program] = process.argv.splice(2, 1);
await import(`../dist/${program}/main.js`);
