import { hostMetric } from '@muster/host-metrics';
import type { Clock } from '@muster/runtime/program';
import type { RefreshOptions, TopProcesses } from '../contract/host-reader.js';
import { Measurements } from '../contract/measurements.js';
import { BoundedCalls } from './bounded-calls.js';
import { readControlGroup } from './control-group.js';
import { FileSystems } from './file-systems.js';
import { TextScanner } from './parse/text-scanner.js';
import { Processes } from './processes.js';
import { readOnce } from './read-once.js';
import { Sensors } from './sensors.js';
import { readTcpStates } from './tcp-states.js';

const FILES = hostMetric('system.linux.file_handle.count');
const FILES_LIMIT = hostMetric('system.linux.file_handle.limit');

export interface DetailedSetOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'setTimeout' | 'clear'>;
  /** Where `proc`, `sys` and `etc` are; empty unless given. */
  readonly root?: string;
}

/** The detailed set of a Linux machine. */
export class DetailedSet {
  readonly #root: string;
  readonly #processes: Processes;
  readonly #fileSystems: FileSystems;
  readonly #sensors: Sensors;
  #last = new Measurements();

  constructor({ clock, root = '' }: DetailedSetOptions) {
    this.#root = root;
    this.#processes = new Processes({ root, monotonic: () => clock.monotonic() });
    // A sensor that hangs does not keep file systems from being asked.
    this.#fileSystems = new FileSystems({ root, calls: new BoundedCalls(clock) });
    this.#sensors = new Sensors(new BoundedCalls(clock), root);
  }

  /** What was read last. */
  get last(): Measurements {
    return this.#last;
  }

  /** Never rejects. */
  async refresh({ topProcesses }: RefreshOptions): Promise<TopProcesses | undefined> {
    const set = new Measurements();
    const top = await this.#processes.read(set, topProcesses);
    readTcpStates(set.host, this.#root);
    readFileHandles(set.host, this.#root);
    readControlGroup(set.host, this.#root);
    await this.#sensors.read(set);
    await this.#fileSystems.read(set);
    this.#last = set;
    return top;
  }
}

/** `/proc/sys/fs/file-nr` (proc_sys_fs(5)): allocated, unused, limit. */
function readFileHandles(host: Float64Array, root: string): void {
  const bytes = readOnce(`${root}/proc/sys/fs/file-nr`);
  if (bytes === undefined) return;
  const text = new TextScanner(bytes);
  const allocated = text.number();
  host[FILES] = allocated - text.number();
  host[FILES_LIMIT] = text.number();
}
