/**
 * `npm run bundle:agent`: the agent as one file that needs only Node 20, `dist/agent/muster-agent.cjs`, and as a single
 * executable for the platform this runs on (`--executable`). Reads the compiled packages, so `npm run build` comes
 * first. `--out DIR` writes elsewhere.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { inlineSqlite } from './inline-sqlite.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const AGENT = join(ROOT, 'services/agent');
/** Postject finds the place for the program by this; nodejs.org, "Single executable applications". */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const { values } = parseArgs({
  options: { out: { type: 'string', default: join(ROOT, 'dist/agent') }, executable: { type: 'boolean' } },
});
async function writeBundle(outfile) {
  const { version } = JSON.parse(readFileSync(join(AGENT, 'package.json'), 'utf8'));
  await build({
    entryPoints: [join(AGENT, 'dist/bundle/entry.js')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    // What a single executable takes; and a file that is loaded as it is wherever it lies.
    format: 'cjs',
    // A single executable has no `import()`.
    supported: { 'dynamic-import': false },
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    define: {
      MUSTER_AGENT_VERSION: JSON.stringify(version),
      MUSTER_AGENT_FILE: '__filename',
      'import.meta.url': 'MUSTER_AGENT_URL',
      // Of ws: no native helpers beside the file are looked for.
      'process.env.WS_NO_BUFFER_UTIL': '"1"',
      'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
    },
    banner: { js: 'const MUSTER_AGENT_URL=require("node:url").pathToFileURL(__filename).href;' },
    plugins: [oneFile, inlineSqlite],
  });
}

/** What the agent looks for beside itself is part of the bundle: its worker, its version. */
const oneFile = {
  name: 'one-file',
  setup(bundler) {
    bundler.onResolve({ filter: /\/program-files\.js$/ }, () => ({
      path: join(AGENT, 'dist/bundle/program-files.js'),
    }));
  },
};

/** The node that runs this, with the bundle in it. */
function writeExecutable(bundlePath, executable) {
  const blob = `${executable}.blob`;
  const config = `${executable}.sea.json`;
  writeFileSync(
    config,
    JSON.stringify({
      main: bundlePath,
      output: blob,
      disableExperimentalSEAWarning: true,
    }),
  );
  try {
    execFileSync(process.execPath, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
    rmSync(executable, { force: true });
    copyFileSync(process.execPath, executable);
    chmodSync(executable, 0o755);
    // On macOS the signature is taken off before, and an ad-hoc one put on after; nothing runs there without one.
    if (process.platform === 'darwin') execFileSync('codesign', ['--remove-signature', executable]);
    const segment = process.platform === 'darwin' ? ['--macho-segment-name', 'NODE_SEA'] : [];
    const postject = join(ROOT, 'node_modules/postject/dist/cli.js');
    const args = [postject, executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE, ...segment];
    execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (process.platform === 'darwin') execFileSync('codesign', ['--sign', '-', executable]);
  } finally {
    rmSync(blob, { force: true });
    rmSync(config, { force: true });
  }
}

function report(path) {
  const { size } = statSync(path);
  console.log(`${basename(path)}: ${(size / 1024 / 1024).toFixed(2)} MiB (${path})`);
}

mkdirSync(values.out, { recursive: true });
const bundle = join(values.out, 'muster-agent.cjs');
await writeBundle(bundle);
report(bundle);
if (values.executable) {
  const executable = join(values.out, process.platform === 'win32' ? 'muster-agent.exe' : 'muster-agent');
  writeExecutable(bundle, executable);
  report(executable);
}
