import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Mounts a FUSE file system at its argument, answers the kernel's INIT, and then takes requests without answering. */
const SERVER = `
import ctypes, os, struct, sys
point = sys.argv[1]
fd = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={fd},rootmode=40755,user_id=0,group_id=0,allow_other'.encode()
if ctypes.CDLL(None, use_errno=True).mount(b'hung', point.encode(), b'fuse.hung', 0, options) != 0: sys.exit(2)
unique = struct.unpack('<IIQ', os.read(fd, 1 << 20)[:16])[2]
body = struct.pack('<IIIIHHIIHHI', 7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, 0) + bytes(28)
os.write(fd, struct.pack('<IiQ', 16 + len(body), 0, unique) + body)
print('mounted', flush=True)
while True:
    try: os.read(fd, 1 << 20)
    except OSError: break
`;

/** A real mount whose server never answers, as that of a dead NFS or FUSE server. */
export class HungMount {
  /** The mount point. */
  readonly path: string;
  readonly #server: ChildProcess;

  private constructor(path: string, server: ChildProcess) {
    this.path = path;
    this.#server = server;
  }

  /** Why there can be none here, or `undefined`. */
  static missing(): string | undefined {
    try {
      accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    } catch {
      return 'no /dev/fuse';
    }
    if (process.getuid?.() !== 0) return 'mounting takes root';
    return spawnSync('python3', ['--version']).status === 0 ? undefined : 'no python3';
  }

  /** Mounts at a new folder, or at `path`, which is there. */
  static async mount(path = mkdtempSync(join(tmpdir(), 'muster-hung-'))): Promise<HungMount> {
    const server = spawn('python3', ['-c', SERVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const mounted = new HungMount(path, server);
    const [first] = (await Promise.race([once(server.stdout, 'data'), once(server, 'exit')])) as [unknown];
    if (!String(first).includes('mounted')) throw new Error('the FUSE server did not mount');
    return mounted;
  }

  /** The server dies: calls that hang end with an error, and the mount is taken away. */
  async end(): Promise<void> {
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      this.#server.kill('SIGKILL');
      await once(this.#server, 'exit');
    }
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
