import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';

/** The build configuration of the running kernel, or `undefined` where the distribution does not publish it. */
export function readKernelConfig(): string | undefined {
  const sources = [
    () => gunzipSync(readFileSync('/proc/config.gz')).toString('utf8'),
    () => readFileSync(`/boot/config-${release()}`, 'utf8'),
    () => readFileSync(`/lib/modules/${release()}/config`, 'utf8'),
  ];
  for (const read of sources) {
    try {
      return read();
    } catch {
      // Try the next place.
    }
  }
  return undefined;
}

/** Whether the kernel has an option built in or as a module. `undefined` when unknown. */
export function kernelHas(option: string, config: string | undefined): boolean | undefined {
  if (config === undefined) return undefined;
  return new RegExp(`^${option}=[ym]$`, 'm').test(config);
}
