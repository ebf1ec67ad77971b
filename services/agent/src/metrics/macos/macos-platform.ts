import { totalmem } from 'node:os';
import { type Group, GROUP_LIMIT } from '@muster/host-metrics';
import { InstanceSelection, placeInstances } from '../contract/instance-selection.js';
import { Measurements } from '../contract/measurements.js';
import type { ProgramCost } from '../program/program-cost.js';
import type { DetailedAnswer, ProgramPlatform, StandardAnswer } from '../program/program-platform.js';
import type { ProgramCommand } from '../program/sampling-program.js';
import { parseDisks } from './disks.js';
import { judgeInterface, parseInterfaces } from './interfaces.js';
import { parseMemory, parseSwap } from './memory.js';
import { parseBatteries, parseFileSystems } from './parts.js';
import { parseConnections, parseProcesses } from './processes.js';
import { SAMPLING_SCRIPT } from './sampling-script.js';
import { readSections } from './sections.js';

export interface MacosPlatformOptions {
  /** In place of the shell of macOS, for tests. */
  readonly command?: ProgramCommand;
  /** Bytes of memory. */
  readonly memory?: () => number;
}

/** Only the usual folders, and no language of a user: numbers have points. */
const COMMAND: ProgramCommand = {
  file: '/bin/sh',
  args: ['-c', SAMPLING_SCRIPT],
  env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
};

/** macOS, measured by the tools of the system. */
export class MacosPlatform implements ProgramPlatform {
  readonly command: ProgramCommand;
  readonly #memory: () => number;
  readonly #disks = selection('disk');
  readonly #interfaces = selection('interface', judgeInterface);
  readonly #fileSystems = selection('filesystem');
  readonly #batteries = selection('battery');

  constructor({ command = COMMAND, memory = totalmem }: MacosPlatformOptions = {}) {
    this.command = command;
    this.#memory = memory;
  }

  standard(text: string): StandardAnswer | undefined {
    const sections = readSections(text);
    if (sections === undefined) return undefined;
    const set = new Measurements();
    given(sections.get('disks'), (part) => placeInstances(set, 'disk', this.#disks, parseDisks(part)));
    given(sections.get('interfaces'), (part) =>
      placeInstances(set, 'interface', this.#interfaces, parseInterfaces(part)),
    );
    given(sections.get('memory'), (part) => parseMemory(part, this.#memory(), set.host));
    given(sections.get('paging'), (part) => parseSwap(part, set.host));
    return { set, cost: parseCost(sections.get('cost') ?? '') };
  }

  detailed(text: string): DetailedAnswer | undefined {
    const sections = readSections(text);
    if (sections === undefined) return undefined;
    const set = new Measurements();
    given(sections.get('connections'), (part) => parseConnections(part, set.host));
    given(sections.get('filesystems'), (part) =>
      placeInstances(set, 'filesystem', this.#fileSystems, parseFileSystems(part)),
    );
    given(sections.get('batteries'), (part) => placeInstances(set, 'battery', this.#batteries, parseBatteries(part)));
    const processes = sections.get('processes');
    return { set, processes: processes === undefined ? undefined : parseProcesses(processes, set.host) };
  }
}

function selection(group: Group, judge: (key: string) => 'take' | 'omit' = () => 'take'): InstanceSelection {
  return new InstanceSelection({ limit: GROUP_LIMIT[group], judge });
}

/** A tool that is missing or fails has said nothing. */
function given(part: string | undefined, read: (part: string) => void): void {
  if (part !== undefined && part.trim() !== '') read(part);
}

/** Reads what `times` of the shell prints: user and system time of itself, and in the second line of the tools that it has run. */
function parseCost(text: string): ProgramCost | undefined {
  const times = [...text.matchAll(/\b(\d{1,9})m(\d{1,2}\.\d{1,6})s/g)];
  if (times.length !== 4) return undefined;
  const seconds = times.reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0);
  return { cpuMs: seconds * 1_000, residentBytes: Number.NaN };
}
