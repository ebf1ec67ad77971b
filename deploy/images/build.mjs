/**
 * `npm run images`: builds the image of each program with the engine that is there (podman, buildah or docker).
 *
 *   --only gateway,api      some of them
 *   --tag TAG               default: the version in package.json
 *   --registry PREFIX       default: muster, so muster/gateway:0.1.0
 *   --base NAME             base image, best by digest; --build-image NAME with --from-source
 *   --from-source           install and compile inside of the build, as a release does; otherwise what `npm run build` makes here is packed
 *   --abi N                 the ABI of the base image's Node; default 137, Node 24
 *   --no-pull               base images are there, under their names
 *   --engine NAME           podman, buildah or docker
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, ensureInstalled, requireNode, ROOT } from '../local/bin/workspace.mjs';
import { PROGRAMS } from './programs.mjs';

const FOLDER = join(ROOT, 'deploy/images');
const ENGINES = ['podman', 'buildah', 'docker'];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    tag: { type: 'string' },
    registry: { type: 'string', default: 'muster' },
    base: { type: 'string' },
    'build-image': { type: 'string' },
    'from-source': { type: 'boolean', default: false },
    abi: { type: 'string' },
    'no-pull': { type: 'boolean', default: false },
    engine: { type: 'string' },
  },
});

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const tag = values.tag ?? version;
const names = values.only?.split(',') ?? Object.keys(PROGRAMS);
const unknown = names.filter((name) => !(name in PROGRAMS));
if (unknown.length > 0) fail(`no program ${unknown.join(', ')}; there are ${Object.keys(PROGRAMS).join(', ')}`);
const engine = values.engine ?? ENGINES.find((name) => spawnSync(name, ['--version']).status === 0);
if (engine === undefined) fail(`no container engine is installed; one of ${ENGINES.join(', ')} is needed`);

const context = values['from-source'] ? ROOT : await prepareContext();
for (const name of names) {
  const image = `${values.registry}/${name}:${tag}`;
  run(engine, buildArguments(name, image));
  console.log(`image ${image}`);
}

/** A small context: the bundles and the one step of the build stage. */
async function prepareContext() {
  requireNode();
  ensureInstalled();
  if ((await build({ quiet: true })) !== 0) fail('the build failed');
  const { bundle } = await import('./bundle.mjs');
  const folder = join(ROOT, 'dist/images/context');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'deploy/images'), { recursive: true });
  cpSync(join(FOLDER, 'in-build-stage.mjs'), join(folder, 'deploy/images/in-build-stage.mjs'));
  for (const name of names) {
    await bundle(name, { out: join(folder, 'bundled'), ...(values.abi === undefined ? {} : { abi: values.abi }) });
  }
  return folder;
}

function buildArguments(name, image) {
  const args = [...(engine === 'buildah' ? ['bud'] : ['build']), '-q'];
  // Buildah and podman reuse steps only when told to; docker always does.
  if (engine !== 'docker') args.push('--layers', '--format', 'oci');
  if (values['no-pull'] && engine !== 'docker') args.push('--pull-never');
  args.push('-f', join(FOLDER, 'Dockerfile'), '--target', name, '-t', image);
  // What was bundled outside needs only a Node in the build stage, and the base has one.
  const buildImage = values['build-image'] ?? (values['from-source'] ? undefined : (values.base ?? defaultBase()));
  const given = {
    VERSION: version,
    REVISION: revision(),
    BASE_IMAGE: values.base,
    BUILD_IMAGE: buildImage,
    TARGETARCH: process.arch === 'arm64' ? 'arm64' : 'amd64',
  };
  for (const [key, value] of Object.entries(given))
    if (value !== undefined) args.push('--build-arg', `${key}=${value}`);
  return [...args, context];
}

function defaultBase() {
  return /^ARG BASE_IMAGE=(.+)$/m.exec(readFileSync(join(FOLDER, 'Dockerfile'), 'utf8'))[1];
}

function revision() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'unknown';
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) fail(`${command} ${args[0]} ended with ${status ?? error?.message}`);
}

function fail(text) {
  console.error(`images: ${text}`);
  process.exit(1);
}
