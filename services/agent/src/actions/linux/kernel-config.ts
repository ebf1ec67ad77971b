import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';

/** What the running kernel was built with, where the distribution tells; `undefined` where it does not. */
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
      // The next place.
    }
  }
  return undefined;
}

/** Whether an option is in the kernel or a module of it; `undefined` when that is not known. */
export function kernelHas(option: string, config: string | undefined): boolean | undefined {
  if (config === undefined) return undefined;
  return new RegExp(`^${option}=[ym]$`, 'm').test(config);
}
