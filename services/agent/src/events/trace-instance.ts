import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EventDecoder, type KernelEvent, type TracePoint } from './kernel-event.js';
import { readPage } from './ring-page.js';
import { isKnownPacking, type PageLayout, parseEventFormat, parsePageHeader } from './trace-format.js';

export interface TraceInstanceOptions {
  /** Where tracefs is mounted. */
  readonly tracing: string;
  /** Of this agent alone: an instance of this name is one that it left when it was killed. */
  readonly name: string;
  readonly points: readonly TracePoint[];
  /** Of each processor. */
  readonly bufferKb: number;
}

export interface TraceReading {
  /** In the order of time. */
  readonly events: readonly KernelEvent[];
  /** Events that were overwritten before they were read. */
  readonly overrun: number;
  /** Pages of which a part could not be understood, and events of an unknown form. */
  readonly damaged: number;
  /** There was not more. */
  readonly isAll: boolean;
}

interface Cpu {
  readonly name: string;
  readonly fd: number;
  readonly stats: string;
  overrun: number;
}

/**
 * A buffer of the kernel's own for this agent (tracefs, "instances"): nobody else's tracing is changed, and nobody else
 * takes events out of it. It is read in the binary form: in the text of `trace_pipe` a file name can look like another
 * event. It goes on without its agent until somebody removes it.
 */
export class TraceInstance {
  readonly #folder: string;
  readonly #layout: PageLayout;
  readonly #decoder: EventDecoder;
  readonly #cpus: Cpu[];
  readonly #page: Buffer;

  private constructor(folder: string, layout: PageLayout, decoder: EventDecoder, cpus: Cpu[]) {
    this.#folder = folder;
    this.#layout = layout;
    this.#decoder = decoder;
    this.#cpus = cpus;
    this.#page = Buffer.alloc(layout.pageBytes);
  }

  /** Throws where this kernel does not let us, or does it in another way; nothing is left then. */
  static open({ tracing, name, points, bufferKb }: TraceInstanceOptions): TraceInstance {
    const folder = join(tracing, 'instances', name);
    removeInstance(folder);
    mkdirSync(folder, { mode: 0o700 });
    const cpus: Cpu[] = [];
    try {
      const set = (file: string, value: string): void => writeFileSync(join(folder, file), value);
      // That of start times in /proc.
      set('trace_clock', 'boot');
      set('buffer_size_kb', String(bufferKb));
      set('options/overwrite', '1');
      const layout = pageLayout(join(tracing, 'events'));
      const decoder = new EventDecoder();
      for (const point of points) {
        const format = parseEventFormat(readFileSync(join(folder, 'events', point.path, 'format'), 'latin1'));
        const missing = format === undefined ? 'format' : decoder.add(point, format);
        if (missing !== undefined) throw new Error(`the event ${point.path} of this kernel has no ${missing}`);
        if (point.filter !== undefined) set(`events/${point.path}/filter`, point.filter);
      }
      cpus.push(...openCpus(join(folder, 'per_cpu'), []));
      if (cpus.length === 0) throw new Error('tracefs tells no processors');
      for (const { path } of points) set(`events/${path}/enable`, '1');
      return new TraceInstance(folder, layout, decoder, cpus);
    } catch (error) {
      for (const { fd } of cpus) closeSync(fd);
      removeInstance(folder);
      throw error;
    }
  }

  get cpus(): number {
    return this.#cpus.length;
  }

  /** What there is, `maxPages` at most, a page of each processor in turn; the rest stays for the next time. */
  read(maxPages: number): TraceReading {
    const events: KernelEvent[] = [];
    const lossy = new Set<Cpu>();
    let damaged = 0;
    let pages = 0;
    for (let busy = [...this.#cpus]; busy.length > 0 && pages < maxPages;) {
      busy = busy.filter((cpu) => {
        if (pages >= maxPages || !this.#readPage(cpu)) return false;
        pages += 1;
        const end = readPage(this.#page, this.#layout, (atNs, data) => {
          const event = this.#decoder.decode(atNs, data);
          if (event === undefined) damaged += 1;
          else events.push(event);
        });
        if (end.isAfterLoss) lossy.add(cpu);
        if (end.isDamaged) damaged += 1;
        return true;
      });
    }
    events.sort((left, right) => left.atNs - right.atNs);
    const overrun = [...lossy].reduce((sum, cpu) => sum + newOverrun(cpu), 0);
    return { events, overrun, damaged, isAll: pages < maxPages };
  }

  /** Also reads processors that were switched on since. */
  addCpus(): void {
    this.#cpus.push(...openCpus(join(this.#folder, 'per_cpu'), this.#cpus));
  }

  /** Events that were overwritten since the last time that was asked. */
  overrun(): number {
    return this.#cpus.reduce((sum, cpu) => sum + newOverrun(cpu), 0);
  }

  /** Removes it from the kernel. */
  close(): void {
    for (const { fd } of this.#cpus) closeSync(fd);
    removeInstance(this.#folder);
  }

  #readPage({ fd }: Cpu): boolean {
    try {
      return readSync(fd, this.#page, 0, this.#page.length, null) === this.#page.length;
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return false;
      throw error;
    }
  }
}

/** Removes one that may be there. Throws when another process reads it. */
export function removeInstance(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EBUSY') throw new Error(`another process reads the trace instance ${folder}`, { cause: error });
    if (code !== 'ENOENT') throw error;
  }
}

/** Only processors that run: the kernel lists all that there could be. */
function openCpus(folder: string, known: readonly Cpu[]): Cpu[] {
  const isOnline = onlineCpus();
  const names = readdirSync(folder).filter((name) => {
    const number = Number(/^cpu(\d+)$/.exec(name)?.[1]);
    return isOnline(number) && !known.some((one) => one.name === name);
  });
  const cpus: Cpu[] = [];
  try {
    for (const name of names) {
      const fd = openSync(join(folder, name, 'trace_pipe_raw'), constants.O_RDONLY | constants.O_NONBLOCK);
      cpus.push({ name, fd, stats: join(folder, name, 'stats'), overrun: 0 });
    }
    return cpus;
  } catch (error) {
    for (const { fd } of cpus) closeSync(fd);
    throw error;
  }
}

/** The list is like `0-3,8`. */
function onlineCpus(): (cpu: number) => boolean {
  const text = readFileSync('/sys/devices/system/cpu/online', 'latin1').trim();
  const ranges = text.split(',').map((range) => range.split('-').map(Number));
  return (cpu) => ranges.some(([first = NaN, last = first]) => cpu >= first && cpu <= last);
}

function pageLayout(events: string): PageLayout {
  const layout = parsePageHeader(readFileSync(join(events, 'header_page'), 'latin1'));
  if (layout === undefined || !isKnownPacking(readFileSync(join(events, 'header_event'), 'latin1')))
    throw new Error('the ring buffers of this kernel have another form');
  return layout;
}

function newOverrun(cpu: Cpu): number {
  const text = readFileSync(cpu.stats, 'latin1');
  const total = ['overrun', 'commit overrun', 'dropped events']
    .map((name) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0))
    .reduce((sum, count) => sum + count, 0);
  const added = total - cpu.overrun;
  cpu.overrun = total;
  return Math.max(0, added);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
