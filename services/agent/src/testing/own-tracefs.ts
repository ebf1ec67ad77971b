import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The kernel's tracefs at a mount point of the test's own. All mount points show the same. */
export class OwnTracefs {
  readonly path = mkdtempSync(join(tmpdir(), 'muster-tracefs-'));

  /** Why there can be none here, or `undefined`. */
  static missing(): string | undefined {
    if (process.platform !== 'linux') return 'no Linux';
    if (process.getuid?.() !== 0) return 'mounting takes root';
    if (readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]') return 'this is a container';
    const tracefs = new OwnTracefs();
    try {
      tracefs.mount();
      return readdirSync(tracefs.path).includes('instances') ? undefined : 'tracefs has no instances';
    } catch (error) {
      return String(error);
    } finally {
      tracefs.end();
    }
  }

  mount(): void {
    const mounted = spawnSync('mount', ['-t', 'tracefs', 'tracefs', this.path], { encoding: 'utf8' });
    if (mounted.status !== 0) throw new Error(`tracefs cannot be mounted: ${mounted.stderr.trim()}`);
  }

  /** Names of the instances of agents. */
  instances(): string[] {
    return readdirSync(join(this.path, 'instances')).filter((name) => name.startsWith('muster-agent-'));
  }

  end(): void {
    spawnSync('umount', ['-l', this.path]);
    rmdirSync(this.path);
  }
}
