import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';

/** The first pid namespace of a machine (PROC_PID_INIT_INO in the kernel). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/** Where this agent can record events of the kernel, or why it cannot. `instance` names the agent on this machine. */
export function tracePlace(
  instance: Uint8Array,
): { readonly tracing: string; readonly name: string } | { readonly fault: string } {
  if (process.platform !== 'linux') return { fault: 'events are recorded on Linux only' };
  if (process.getuid?.() !== 0) return { fault: 'the agent does not run as root' };
  if (endianness() !== 'LE') return { fault: 'events are not read on big-endian machines' };
  if (namespaceOf() !== FIRST_PID_NAMESPACE)
    return { fault: 'the agent runs in a container: the kernel tells process ids that are others there' };
  const tracing = tracefsIn(readFileSync('/proc/self/mounts', 'latin1'));
  if (tracing === undefined) return { fault: 'tracefs is not mounted (mount -t tracefs tracefs /sys/kernel/tracing)' };
  return { tracing, name: `muster-agent-${createHash('sha256').update(instance).digest('hex').slice(0, 16)}` };
}

/** The usual place, or else the first one. */
export function tracefsIn(mounts: string): string | undefined {
  const places = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'tracefs')
    // Blanks, tabs, line ends and backslashes are octal (getmntent(3)).
    .map(([, place = '']) =>
      place.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    );
  return places.find((place) => place === '/sys/kernel/tracing') ?? places[0];
}

function namespaceOf(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
