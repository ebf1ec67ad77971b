import { readdirSync, readFileSync } from 'node:fs';

/** What makes a search in no hurry wait: somebody else works on this machine, or it runs on battery. */
export interface MachineLoad {
  /** The share of all processors that others than this process took since the last call; undefined at the first one. */
  othersShare(pid: number): number | undefined;
  onBattery(): boolean;
}

interface Times {
  readonly pid: number;
  readonly busy: number;
  readonly total: number;
  readonly own: number;
}

const SUPPLIES = '/sys/class/power_supply';

/** Of Linux. Elsewhere nothing is known, and nothing waits. */
export class LinuxLoad implements MachineLoad {
  #last: Times | undefined;

  othersShare(pid: number): number | undefined {
    const last = this.#last;
    this.#last = readTimes(pid);
    if (last === undefined || this.#last === undefined || last.pid !== pid) return undefined;
    const total = this.#last.total - last.total;
    const others = this.#last.busy - last.busy - (this.#last.own - last.own);
    return total > 0 ? Math.min(1, Math.max(0, others / total)) : undefined;
  }

  /** A battery that loses charge while no supply says that it is online (sysfs-class-power). */
  onBattery(): boolean {
    const supplies = listSupplies();
    return (
      supplies.some(({ type, status }) => type === 'Battery' && status === 'Discharging') &&
      !supplies.some(({ type, online }) => type !== 'Battery' && online === '1')
    );
  }
}

/** In ticks: proc_stat(5) and fields 14 and 15 of proc_pid_stat(5). */
function readTimes(pid: number): Times | undefined {
  try {
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, ...others] =
      /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]?.split(' ').map(Number) ?? [];
    const [irq = 0, softirq = 0, steal = 0] = others;
    const busy = user + nice + system + irq + softirq + steal;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, busy, total: busy + idle + iowait, own: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}

function listSupplies(): { readonly type: string; readonly status: string; readonly online: string }[] {
  try {
    // `Device`: the battery of a mouse, not of this machine.
    const names = readdirSync(SUPPLIES).filter((name) => readText(`${SUPPLIES}/${name}/scope`) !== 'Device');
    return names.map((name) => ({
      type: readText(`${SUPPLIES}/${name}/type`),
      status: readText(`${SUPPLIES}/${name}/status`),
      online: readText(`${SUPPLIES}/${name}/online`),
    }));
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
