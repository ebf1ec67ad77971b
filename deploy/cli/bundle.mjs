/**
 * `npm run bundle:cli`: the command line outside of this checkout. Writes `dist/cli/package`, which `npm pack` or `npm
 * install -g` takes, with `muster.mjs` in it, one file that needs only Node 20; and with `--executable` a single
 * executable for the platform this runs on. Reads the compiled packages, so `npm run build` comes first. `--out DIR`
 * writes elsewhere.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { inlineSqlite } from '../agent/inline-sqlite.mjs';
import { inlineTexts } from './inline-texts.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const CLI = join(ROOT, 'services/cli');
/** Postject finds the place for the program by this; nodejs.org, "Single executable applications". */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const { values } = parseArgs({
  options: { out: { type: 'string', default: join(ROOT, 'dist/cli') }, executable: { type: 'boolean' } },
});
const { version } = JSON.parse(readFileSync(join(CLI, 'package.json'), 'utf8'));

async function writeProgram(outfile, format) {
  await build({
    stdin: {
      // CommonJS, which a single executable needs, has no await outside of functions.
      contents: `
        import { runCli } from './dist/run.js';
        import { processTerminal } from './dist/terminal/terminal.js';
        process.once('SIGTERM', () => process.exit(143));
        const terminal = processTerminal(process.env, (zone) => (process.env.TZ = zone));
        runCli(process.argv.slice(2), terminal).then((code) => (process.exitCode = code));`,
      resolveDir: CLI,
    },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format,
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'error',
    plugins: [inlineSqlite, inlineTexts],
    define: {
      MUSTER_CLI_VERSION: JSON.stringify(version),
      ...(format === 'cjs' ? { 'import.meta.url': 'MUSTER_CLI_URL' } : {}),
    },
    banner: {
      js:
        format === 'cjs'
          ? 'const MUSTER_CLI_URL=require("node:url").pathToFileURL(__filename).href;'
          : '#!/usr/bin/env node\nimport{createRequire as musterRequire}from"node:module";const require=musterRequire(import.meta.url);',
    },
  });
}

function writePackage(folder) {
  const manifest = {
    name: 'muster-cli',
    version,
    description: 'The command line of Muster: ask every endpoint of a fleet, and act on them.',
    type: 'module',
    bin: { muster: 'muster.mjs' },
    files: ['muster.mjs', 'README.md'],
    engines: { node: '>=20' },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(
    join(folder, 'README.md'),
    '# muster\n\nThe command line of Muster. `muster context set NAME --api-url URL --token -` says which server, `muster --help` the rest.\n',
  );
}

/** The node that runs this, with the program in it. */
function writeExecutable(folder) {
  const name = `muster-${process.platform}-${process.arch}${process.platform === 'win32' ? '.exe' : ''}`;
  const executable = join(folder, name);
  const config = join(folder, 'sea.json');
  const blob = join(folder, 'sea.blob');
  const main = join(folder, 'muster.cjs');
  writeFileSync(config, JSON.stringify({ main, output: blob, disableExperimentalSEAWarning: true }));
  execFileSync(process.execPath, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  copyFileSync(process.execPath, executable);
  chmodSync(executable, 0o755);
  execFileSync(
    process.execPath,
    [join(ROOT, 'node_modules/postject/dist/cli.js'), executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  for (const file of [config, blob, main]) rmSync(file);
  return executable;
}

const folder = join(values.out, 'package');
mkdirSync(folder, { recursive: true });
await writeProgram(join(folder, 'muster.mjs'), 'esm');
chmodSync(join(folder, 'muster.mjs'), 0o755);
writePackage(folder);
console.log(folder);
if (values.executable === true) {
  await writeProgram(join(values.out, 'muster.cjs'), 'cjs');
  console.log(writeExecutable(values.out));
}
