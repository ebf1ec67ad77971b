/**
 * `npm run test:long`: the long variants of tests (`*.long.test.ts`), one file after the other. `npm run test:long --
 * fleet hunts`: these files only.
 */
import { build, ensureInstalled, requireNode } from '../../deploy/local/bin/workspace.mjs';
import { jest } from './jest.mjs';

requireNode();
ensureInstalled();
const built = await build({ quiet: true });
if (built !== 0) process.exit(built);
const asked = process.argv.slice(2);
const patterns = (asked.length === 0 ? [''] : asked).map((name) => `--testPathPatterns=${name}\\.long\\.test\\.js$`);
process.exitCode = jest('long', ['--maxWorkers=1', '--testPathIgnorePatterns=/node_modules/', ...patterns]);
