/**
 * `node deploy/images/bundle.mjs [--out DIR] [--arch amd64|arm64] [--abi 137] [--json] [PROGRAM…]`: each program as a
 * folder that needs only Node, `DIR/PROGRAM/`. Reads the compiled packages, so `npm run build` comes first. The same
 * inputs give the same bytes.
 *
 *   package.json              name and version
 *   dist/bin/main.js          the program; chunks and worker threads beside it
 *   node_modules/             what cannot be part of a file: the native modules of one platform, the SQLite binary
 *   sbom.cdx.json             CycloneDX 1.6: the packages that are really inside
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { inlineTexts } from '../cli/inline-texts.mjs';
import { BASE_ABI, PROGRAMS } from './programs.mjs';
import { sbomOf } from './sbom.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const NODE_ARCH = { amd64: 'x64', arm64: 'arm64' };

/** Files of packages that are copied. Native ones only for one platform. */
const NATIVES = {
  'uWebSockets.js': ({ arch, abi }) => ({
    'uWebSockets.js': ['package.json', 'uws.js', 'LICENSE', `uws_linux_${arch}_${abi}.node`],
  }),
  koffi: ({ arch }) => ({
    koffi: [
      ...['package.json', 'LICENSE.txt', 'index.js', 'index.cjs', 'indirect.js', 'indirect.cjs', 'lib'],
      ...[
        'index.js',
        'index.cjs',
        'indirect.js',
        'indirect.cjs',
        'src/static.js',
        'src/static.cjs',
        'src/trampolines.cjs',
      ].map((file) => `src/koffi/${file}`),
    ],
    // Built for glibc; the package has one for musl too.
    [`@koromix/koffi-linux-${arch}`]: ['package.json', 'index.js', `linux_${arch}`],
  }),
  '@sqlite.org/sqlite-wasm': () => ({
    '@sqlite.org/sqlite-wasm': ['package.json', 'dist/node.mjs', 'dist/index.mjs', 'dist/sqlite3.wasm'],
  }),
};

/** Writes one program. Returns what is in it, for the tests. */
export async function bundle(name, { out, arch = 'amd64', abi = BASE_ABI }) {
  const program = PROGRAMS[name];
  const folder = join(out, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const natives = program.natives ?? [];
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(program.entries).map(([file, source]) => ({ in: join(ROOT, source), out: file })),
    outdir: join(folder, 'dist/bin'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: [...Object.keys(NATIVES), '@koromix/*'],
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    plugins: [besideMain, inlineTexts],
    // CommonJS packages ask for Node's own modules.
    banner: { js: 'import{createRequire as r_}from"node:module";const require=r_(import.meta.url);' },
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, program.manifest), 'utf8'));
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: `muster-${name}`, version, type: 'module' })}\n`,
  );
  const copied = natives.flatMap((native) => copyNative(native, folder, { arch: NODE_ARCH[arch], abi }));
  for (const [to, from] of Object.entries(program.folders ?? {})) {
    if (!existsSync(join(ROOT, from))) throw new Error(`${from} is not there: run \`npm run build\` first`);
    cpSync(join(ROOT, from), join(folder, to), { recursive: true });
  }
  const inputs = Object.keys(metafile.inputs);
  const sbom = sbomOf({ name, version, arch, root: ROOT, inputs, copied });
  writeFileSync(join(folder, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 1)}\n`);
  return { folder, bytes: bytesOf(folder), inputs, packages: sbom.components.map(({ purl }) => purl) };
}

/** Files that modules look for beside themselves, and that are elsewhere in a bundle: by module, what it says and what is right there. */
const ELSEWHERE = [
  ['services/agent/dist/host/program-files.js', '../worker/worker-main.js', './worker-main.js'],
  ['shared/service-base/dist/service-version.js', '../package.json', '../../package.json'],
];

const besideMain = {
  name: 'beside-main',
  setup(bundler) {
    for (const [module, said, right] of ELSEWHERE) {
      bundler.onLoad({ filter: new RegExp(`/${module.replaceAll('.', '\\.')}$`) }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (!text.includes(`'${said}'`)) throw new Error(`${module} does not look for ${said} any more`);
        return { contents: text.replace(`'${said}'`, `'${right}'`), loader: 'js' };
      });
    }
  },
};

function copyNative(native, folder, platform) {
  return Object.entries(NATIVES[native](platform)).map(([name, files]) => {
    const from = join(ROOT, 'node_modules', name);
    if (!existsSync(from)) throw new Error(`${name} is not installed: on this platform npm left it out`);
    for (const file of files) cpSync(join(from, file), join(folder, 'node_modules', name, file), { recursive: true });
    return relative(ROOT, from);
  });
}

function bytesOf(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, entry) => sum + bytesOf(join(path, entry)), 0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    options: {
      out: { type: 'string', default: join(ROOT, 'dist/images/programs') },
      arch: { type: 'string', default: process.arch === 'arm64' ? 'arm64' : 'amd64' },
      abi: { type: 'string', default: BASE_ABI },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  for (const name of positionals.length === 0 ? Object.keys(PROGRAMS) : positionals) {
    const made = await bundle(name, values);
    const { bytes, packages } = made;
    const text = `${name}: ${(bytes / 1024 ** 2).toFixed(1)} MiB, ${packages.length} packages`;
    console.log(values.json ? JSON.stringify({ name, ...made }) : text);
  }
}
