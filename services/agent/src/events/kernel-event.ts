import { textOfBytes } from '@muster/protocol';
import type { EventKind, StateChange } from './contract/recorded-events.js';
import type { EventField, EventFormat } from './trace-format.js';

/** What the kernel told. Times are nanoseconds since the machine started, those in which it slept included. */
export type KernelEvent =
  | { readonly kind: 'exec'; readonly atNs: number; readonly pid: number; readonly path: string }
  /** A thread ended. That of a process's own id is its main thread. */
  | { readonly kind: 'exit'; readonly atNs: number; readonly thread: number }
  | (StateChange & {
      readonly kind: 'state';
      readonly atNs: number;
      /** The thread that the processor was running: the caller, or just anybody whom a packet interrupted. */
      readonly thread: number;
      /** The kernel's address of the socket: names it until it is freed. */
      readonly socket: string;
    });

/** An event of the kernel that can be switched on by itself. */
export interface TracePoint {
  /** Below `events/`. */
  readonly path: string;
  /** Kept in the kernel: events that it leaves out take no room. */
  readonly filter?: string;
  readonly fields: readonly string[];
  decode(atNs: number, event: EventReader): KernelEvent;
}

/** States of TCP in the kernel (include/net/tcp_states.h). */
export const TCP = { established: 1, synSent: 2, synReceived: 3, close: 7, listen: 10 } as const;
export const FAMILY = { inet: 2, inet6: 10 } as const;

const EXEC: TracePoint = {
  path: 'sched/sched_process_exec',
  fields: ['filename', 'pid'],
  decode: (atNs, event) => ({ kind: 'exec', atNs, pid: event.number('pid'), path: event.text('filename') }),
};
const EXIT: TracePoint = {
  path: 'sched/sched_process_exit',
  fields: ['pid'],
  decode: (atNs, event) => ({ kind: 'exit', atNs, thread: event.number('pid') }),
};
const STATE: TracePoint = {
  path: 'sock/inet_sock_set_state',
  filter: [TCP.established, TCP.synSent, TCP.close, TCP.listen].map((state) => `newstate == ${state}`).join(' || '),
  fields: [
    ...['common_pid', 'skaddr', 'oldstate', 'newstate', 'family', 'protocol', 'sport', 'dport'],
    ...['saddr', 'daddr', 'saddr_v6', 'daddr_v6'],
  ],
  decode(atNs, event) {
    const family = event.number('family');
    const suffix = family === FAMILY.inet6 ? '_v6' : '';
    return {
      ...{ kind: 'state', atNs, thread: event.number('common_pid'), socket: event.hex('skaddr') },
      ...{ from: event.number('oldstate'), to: event.number('newstate'), family, protocol: event.number('protocol') },
      ...{ localPort: event.number('sport'), remotePort: event.number('dport') },
      ...{ local: event.hex(`saddr${suffix}`), remote: event.hex(`daddr${suffix}`) },
    };
  },
};

/** What is switched on for each kind. */
export const TRACE_POINTS: Readonly<Record<EventKind, readonly TracePoint[]>> = {
  process: [EXEC, EXIT],
  socket: [STATE],
};

/** Reads events of the kernel by what the kernel says of their layout. */
export class EventDecoder {
  readonly #points = new Map<number, { readonly point: TracePoint; readonly reader: EventReader }>();

  /** Returns what is missing in the format, if something is. */
  add(point: TracePoint, format: EventFormat): string | undefined {
    const missing = point.fields.find((name) => !format.fields.has(name));
    if (missing === undefined) this.#points.set(format.id, { point, reader: new EventReader(format) });
    return missing;
  }

  /** `undefined` for one that is not known, or shorter than it should be. */
  decode(atNs: number, data: Buffer): KernelEvent | undefined {
    if (data.length < 2) return undefined;
    // `common_type` comes first in every event.
    const known = this.#points.get(data.readUInt16LE(0));
    if (known === undefined) return undefined;
    known.reader.data = data;
    return known.point.fields.every((name) => known.reader.has(name))
      ? known.point.decode(atNs, known.reader)
      : undefined;
  }
}

class EventReader {
  readonly #format: EventFormat;
  data: Buffer = Buffer.alloc(0);

  constructor(format: EventFormat) {
    this.#format = format;
  }

  /** Whether the field lies within the event. */
  has(name: string): boolean {
    const field = this.#field(name);
    const fits = ({ offset, size }: Pick<EventField, 'offset' | 'size'>): boolean => offset + size <= this.data.length;
    return fits(field) && fits(this.#place(field));
  }

  number(name: string): number {
    const { offset, size, isSigned } = this.#field(name);
    return isSigned ? this.data.readIntLE(offset, size) : this.data.readUIntLE(offset, size);
  }

  hex(name: string): string {
    return this.#bytes(this.#field(name)).toString('hex');
  }

  /** Up to the first NUL. Bytes that are not UTF-8 are as `textOfBytes` writes them. */
  text(name: string): string {
    const bytes = this.#bytes(this.#place(this.#field(name)));
    const end = bytes.indexOf(0);
    return textOfBytes(end < 0 ? bytes : bytes.subarray(0, end));
  }

  #bytes({ offset, size }: Pick<EventField, 'offset' | 'size'>): Buffer {
    return this.data.subarray(offset, offset + size);
  }

  /** Where the bytes of the field are. */
  #place(field: EventField): Pick<EventField, 'offset' | 'size'> {
    if (!field.isDynamic) return field;
    const place = this.data.readUInt32LE(field.offset);
    return { offset: place & 0xffff, size: place >>> 16 };
  }

  #field(name: string): EventField {
    const field = this.#format.fields.get(name);
    if (field === undefined) throw new Error(`no field ${name}`);
    return field;
  }
}
