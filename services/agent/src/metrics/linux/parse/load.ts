import { hostMetric } from '@muster/host-metrics';
import type { TextScanner } from './text-scanner.js';

const LOADS = ['1m', '5m', '15m'].map((over) => hostMetric(`system.cpu.load_average.${over}`));
const UPTIME = hostMetric('system.uptime');

/** Reads `/proc/loadavg` (proc_loadavg(5)): `26.23 22.55 20.65 37/665 7681`. */
export function parseLoadavg(text: TextScanner, host: Float64Array): void {
  for (const number of LOADS) host[number] = hundredths(text.word());
}

/** Reads `/proc/uptime` (proc_uptime(5)), in seconds. */
export function parseUptime(text: TextScanner, host: Float64Array): void {
  host[UPTIME] = Math.floor(hundredths(text.word()) / 100);
}

function hundredths(word: string): number {
  return /^\d{1,15}\.\d\d$/.test(word) ? Number(word.replace('.', '')) : Number.NaN;
}

const RESOURCES = ['cpu', 'memory', 'io'] as const;
export type PressureResource = (typeof RESOURCES)[number];

const STALLS = Object.fromEntries(
  RESOURCES.map((resource) => [
    resource,
    {
      some: hostMetric('system.linux.pressure.stall_time', { resource, stalled: 'some' }),
      // Processes that all wait for a processor do not exist on a whole machine.
      full:
        resource === 'cpu' ? undefined : hostMetric('system.linux.pressure.stall_time', { resource, stalled: 'full' }),
    },
  ]),
) as Record<PressureResource, { readonly some: number; readonly full: number | undefined }>;

/** Reads a file of `/proc/pressure` (the kernel's Documentation/accounting/psi.rst): `some avg10=… avg60=… avg300=… total=MICROSECONDS`. */
export function parsePressure(text: TextScanner, resource: PressureResource, host: Float64Array): void {
  for (; !text.done; text.nextLine()) {
    const kind = text.word();
    const number = kind === 'some' || kind === 'full' ? STALLS[resource][kind] : undefined;
    if (number === undefined) continue;
    text.skip(3);
    const total = /^total=(\d{1,20})$/.exec(text.word())?.[1];
    host[number] = total === undefined ? Number.NaN : Number(total);
  }
}
