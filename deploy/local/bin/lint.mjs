/** `npm run lint`: checks promises, import boundaries, unused code, format and comments. The build checks types. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, build, ensureInstalled, requireNode, run, tool } from './workspace.mjs';

const STEPS = [
  ['rules and boundaries', 'oxlint', ['-c', 'oxlint.config.mjs', '--deny-warnings', '.']],
  ['unused code', 'knip', ['--no-progress', '--treat-config-hints-as-errors']],
  ['format', 'prettier', ['--check', '--log-level=warn', '.']],
];

/** A longer line of a comment is not read in an editor beside another. The formatter leaves comments alone. */
const COMMENT_CHARACTERS = 140;
const SOURCES = ['deploy', 'services', 'shared', 'test'];
const NO_SOURCES = new Set(['node_modules', 'dist', 'coverage', '.turbo', '.jest']);

/** Runs all steps, also after a failure. Returns how many passed and failed. */
export async function lint() {
  const counts = { passed: 0, failed: 0 };
  for (const [what, command, args] of STEPS) {
    const code = await run(tool(command), args);
    counts[code === 0 ? 'passed' : 'failed'] += 1;
    console.log(`lint: ${what}: ${code === 0 ? 'ok' : `FAILED (${command} ended with ${code})`}`);
  }
  const long = longComments();
  for (const where of long)
    console.error(`${where}: a comment of more than ${COMMENT_CHARACTERS} characters in a line`);
  counts[long.length === 0 ? 'passed' : 'failed'] += 1;
  console.log(`lint: comments: ${long.length === 0 ? 'ok' : `FAILED (${long.length})`}`);
  return counts;
}

function longComments() {
  return SOURCES.flatMap((folder) => [...filesIn(join(ROOT, folder))]).flatMap((path) => {
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines.flatMap((line, i) =>
      line.length > COMMENT_CHARACTERS && /^\s*(?:\*|\/\/|\/\*)/.test(line) ? [`${relative(ROOT, path)}:${i + 1}`] : [],
    );
  });
}

function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !NO_SOURCES.has(entry.name)) yield* filesIn(path);
    else if (/\.(?:[cm]?js|tsx?|lua)$/.test(entry.name)) yield path;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  requireNode();
  ensureInstalled();
  // Type-aware rules read the declarations of other packages.
  const built = await build({ quiet: true });
  process.exitCode = built === 0 && (await lint()).failed === 0 ? 0 : 1;
}
