/** `npm run lint`: checks promises, import boundaries, unused code and format. The build checks types. */
import { pathToFileURL } from 'node:url';
import { build, ensureInstalled, requireNode, run, tool } from './workspace.mjs';

const STEPS = [
  ['rules and boundaries', 'oxlint', ['-c', 'oxlint.config.mjs', '--deny-warnings', '.']],
  ['unused code', 'knip', ['--no-progress', '--treat-config-hints-as-errors']],
  ['format', 'prettier', ['--check', '--log-level=warn', '.']],
];

/** Runs all steps, also after a failure. Returns how many passed and failed. */
export async function lint() {
  const counts = { passed: 0, failed: 0 };
  for (const [what, command, args] of STEPS) {
    const code = await run(tool(command), args);
    counts[code === 0 ? 'passed' : 'failed'] += 1;
    console.log(`lint: ${what}: ${code === 0 ? 'ok' : `FAILED (${command} ended with ${code})`}`);
  }
  return counts;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  requireNode();
  ensureInstalled();
  // Type-aware rules read the declarations of other packages.
  const built = await build({ quiet: true });
  process.exitCode = built === 0 && (await lint()).failed === 0 ? 0 : 1;
}
