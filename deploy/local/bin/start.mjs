/**
 * `npm start`: from a fresh clone to a running Muster. Installs and builds what is missing, then becomes the local runner in this same
 * process, so that signals reach it directly.
 */
import { build, ensureInstalled, requireNode, ROOT } from './workspace.mjs';

requireNode();
if (!process.argv.includes('--help') && !process.argv.includes('-h')) {
  ensureInstalled();
  console.error('Building what has changed…');
  const built = await build({ quiet: true });
  if (built !== 0) {
    console.error('The build failed; nothing was started.');
    process.exit(built);
  }
}
process.chdir(ROOT);
await import('../dist/main.js');
