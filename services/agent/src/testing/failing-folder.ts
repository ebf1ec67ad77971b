import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A FUSE file system with one folder: it opens (OPENDIR), and every READDIR has EIO. */
const SERVER = `
import ctypes, os, struct, sys
fd = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={fd},rootmode=40755,user_id=0,group_id=0,allow_other'.encode()
if ctypes.CDLL(None, use_errno=True).mount(b'failing', sys.argv[1].encode(), b'fuse.failing', 0, options) != 0: sys.exit(2)
INIT = struct.pack('<IIIIHHIIHHI', 7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, 0) + bytes(28)
ATTRIBUTES = bytes(16) + struct.pack('<6Q10I', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
ANSWERS = {3: ATTRIBUTES, 26: INIT, 27: bytes(16), 29: b''}
EIO, ENOSYS = 5, 38
first = True
while True:
    try: length, code, unique = struct.unpack('<IIQ', os.read(fd, 1 << 20)[:16])
    except OSError: break
    body = ANSWERS.get(code, b'')
    error = 0 if code in ANSWERS else EIO if code in (28, 44) else ENOSYS
    os.write(fd, struct.pack('<IiQ', 16 + len(body), -error, unique) + body)
    if first: print('mounted', flush=True)
    first = False
`;

/** A real folder that opens and does not list its names, as on a broken disk. */
export class FailingFolder {
  readonly path: string;
  readonly #server: ChildProcess;

  private constructor(path: string, server: ChildProcess) {
    this.path = path;
    this.#server = server;
  }

  static async mount(): Promise<FailingFolder> {
    const path = mkdtempSync(join(tmpdir(), 'muster-failing-'));
    const server = spawn('python3', ['-c', SERVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [first] = (await Promise.race([once(server.stdout, 'data'), once(server, 'exit')])) as [unknown];
    if (!String(first).includes('mounted')) throw new Error('the FUSE server did not mount');
    return new FailingFolder(path, server);
  }

  async end(): Promise<void> {
    const ended = once(this.#server, 'exit');
    this.#server.kill('SIGKILL');
    await ended;
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
