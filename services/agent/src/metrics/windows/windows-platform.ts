import { totalmem } from 'node:os';
import { type Group, GROUP_LIMIT } from '@muster/host-metrics';
import { LIMITS } from '@muster/protocol';
import { POWERSHELL_OPTIONS, POWERSHELL_PATH } from '../../host/windows-programs.js';
import { readableName } from '../contract/instance-names.js';
import { InstanceSelection, placeInstances } from '../contract/instance-selection.js';
import { Measurements } from '../contract/measurements.js';
import type { DetailedAnswer, ProgramPlatform, StandardAnswer } from '../program/program-platform.js';
import type { ProgramCommand } from '../program/sampling-program.js';
import { readInterfaces, WindowsDisks } from './devices.js';
import { readMemory, readPaging } from './memory.js';
import { readBatteries, readTemperatures, readVolumes } from './parts.js';
import { readConnections, readProcesses } from './processes.js';
import { SAMPLING_SCRIPT } from './sampling-script.js';
import { type AnswerRow, readAnswer } from './windows-answer.js';

export interface WindowsPlatformOptions {
  /** What programs of Windows need of the agent's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** In place of PowerShell, for tests. */
  readonly command?: ProgramCommand;
  /** Bytes of memory. */
  readonly memory?: () => number;
}

/** Windows, measured by PowerShell. */
export class WindowsPlatform implements ProgramPlatform {
  readonly command: ProgramCommand;
  readonly #memory: () => number;
  readonly #disks = new WindowsDisks();
  readonly #selections = {
    disk: selection('disk'),
    interface: selection('interface'),
    filesystem: selection('filesystem'),
    battery: selection('battery'),
    temperature: selection('temperature'),
  };

  constructor({ env, command, memory = totalmem }: WindowsPlatformOptions) {
    const args = [...POWERSHELL_OPTIONS, SAMPLING_SCRIPT];
    this.command = command ?? { file: POWERSHELL_PATH, args, env };
    this.#memory = memory;
  }

  standard(text: string): StandardAnswer | undefined {
    const rowsOf = readAnswer(text);
    if (rowsOf === undefined) return undefined;
    const set = new Measurements();
    const { disk, interface: network } = this.#selections;
    given(rowsOf('disks'), (rows) => placeInstances(set, 'disk', disk, this.#disks.read(rows)));
    given(rowsOf('interfaces'), (rows) => placeInstances(set, 'interface', network, readInterfaces(rows)));
    given(rowsOf('memory'), (rows) => readMemory(rows, this.#memory(), set.host));
    const own = rowsOf('own')?.[0];
    const cpuMs = own?.number(0) ?? Number.NaN;
    const cost = Number.isNaN(cpuMs) ? undefined : { cpuMs, residentBytes: own?.number(1) ?? Number.NaN };
    return { set, cost };
  }

  detailed(text: string): DetailedAnswer | undefined {
    const rowsOf = readAnswer(text);
    if (rowsOf === undefined) return undefined;
    const set = new Measurements();
    const { filesystem, battery, temperature } = this.#selections;
    given(rowsOf('connections'), (rows) => readConnections(rows, set.host));
    given(rowsOf('paging'), (rows) => readPaging(rows, set.host));
    given(rowsOf('volumes'), (rows) => placeInstances(set, 'filesystem', filesystem, readVolumes(rows)));
    given(rowsOf('batteries'), (rows) => placeInstances(set, 'battery', battery, readBatteries(rows)));
    given(rowsOf('temperatures'), (rows) => placeInstances(set, 'temperature', temperature, readTemperatures(rows)));
    const processes = rowsOf('processes');
    return { set, processes: processes && readProcesses(processes, set.host) };
  }

  users(text: string): ReadonlyMap<number, string> | undefined {
    const rowsOf = readAnswer(text);
    const rows = rowsOf?.('users') ?? [];
    const users = rows.map((row) => [row.number(0), readableName(row.text(1), LIMITS.processNameBytes)] as const);
    return rowsOf && new Map(users);
  }
}

function selection(group: Group): InstanceSelection {
  return new InstanceSelection({ limit: GROUP_LIMIT[group], judge: () => 'take' });
}

function given(rows: readonly AnswerRow[] | undefined, read: (rows: readonly AnswerRow[]) => void): void {
  if (rows !== undefined) read(rows);
}
