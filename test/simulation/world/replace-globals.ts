import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { performance } from 'node:perf_hooks';
import { ProcessClock } from './process-clock.js';
import type { World } from './world.js';

/**
 * Replaces what code can reach of time and chance without a port: the timers, dates and random numbers of Node. They belong to the process
 * whose event happens now. Returns what puts the real ones back.
 */
export function replaceGlobals(world: World): () => void {
  const undo: (() => void)[] = [];
  const set = <T extends object, K extends keyof T>(target: T, key: K, value: T[K]): void => {
    const old = Object.getOwnPropertyDescriptor(target, key);
    Object.defineProperty(target, key, { value, configurable: true, writable: true });
    undo.push(() => {
      if (old === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, old);
    });
  };
  const clock = () => new ProcessClock(world, world.current);
  const start = (run: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) =>
    clock().setTimeout(() => run(...given), delayMs);
  const repeat = (run: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) =>
    clock().setInterval(() => run(...given), delayMs);
  const soon = (run: (...given: unknown[]) => void, ...given: unknown[]) => start(run, 0, ...given);
  const clear = (timer: Parameters<ProcessClock['clear']>[0]) => clock().clear(timer);
  set(globalThis, 'setTimeout', start as unknown as typeof setTimeout);
  set(globalThis, 'setInterval', repeat as unknown as typeof setInterval);
  set(globalThis, 'setImmediate', soon as unknown as typeof setImmediate);
  set(globalThis, 'clearTimeout', clear as unknown as typeof clearTimeout);
  set(globalThis, 'clearInterval', clear as unknown as typeof clearInterval);
  set(globalThis, 'clearImmediate', clear as unknown as typeof clearImmediate);
  set(globalThis, 'Date', dateOf(world));
  set(performance, 'now', () => world.current.monotonicMs);
  set(Math, 'random', () => world.random.unit());
  set(AbortSignal, 'timeout', (delayMs: number) => {
    const over = new AbortController();
    start(() => over.abort(new DOMException('the time is over', 'TimeoutError')), delayMs);
    return over.signal;
  });
  set(AbortSignal, 'any', anyOf);
  replaceRandomBytes(world, set);
  set(Array, 'from', quickArrayFrom);
  return () => {
    for (const each of undo.toReversed()) each();
    syncBuiltinESMExports();
  };
}

/** Node keeps a signal of several for ever while somebody listens to it, and with it the world: its end aborts nothing. */
function anyOf(signals: Iterable<AbortSignal>): AbortSignal {
  const any = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) any.abort(signal.reason);
    else signal.addEventListener('abort', () => any.abort(signal.reason), { once: true });
  }
  return any.signal;
}

function filled(length: number): unknown[] {
  const items: unknown[] = [];
  items.length = length;
  return items.fill(undefined);
}

const arrayFrom = Array.from as (...given: unknown[]) => unknown[];
/**
 * The caches of a gateway make arrays of 20,000 entries by `Array.from({ length })` at each start: a fifth of the processor time of a
 * history. This gives the same, quicker.
 */
const quickArrayFrom = function (this: unknown, items: unknown, ...given: unknown[]): unknown[] {
  if (this !== Array || given.length > 0 || items === null || typeof items !== 'object')
    return arrayFrom.call(this, items, ...given);
  const keys = Object.keys(items);
  const { length } = items as { readonly length?: unknown };
  const isLengthAlone = keys.length === 1 && keys[0] === 'length' && typeof length === 'number';
  return isLengthAlone ? filled(length) : arrayFrom.call(this, items);
} as typeof Array.from;

type Set = <T extends object, K extends keyof T>(target: T, key: K, value: T[K]) => void;

function replaceRandomBytes(world: World, set: Set): void {
  const fill = <T extends ArrayBufferView | null>(view: T): T => {
    if (view !== null) world.random.fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    return view;
  };
  const bytes = (size: number): Buffer => fill(Buffer.alloc(size));
  const uuid = (): ReturnType<typeof crypto.randomUUID> => {
    const hex = bytes(16).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  };
  set(globalThis.crypto, 'getRandomValues', fill as unknown as typeof globalThis.crypto.getRandomValues);
  set(globalThis.crypto, 'randomUUID', uuid);
  set(crypto, 'randomBytes', bytes as unknown as typeof crypto.randomBytes);
  set(crypto, 'randomUUID', uuid);
  syncBuiltinESMExports();
}

/** `Date` by the clock of the process whose event happens; dates that are given stay what they are. */
function dateOf(world: World): DateConstructor {
  const wallMs = (): number => world.current.wallMs;
  return new Proxy(Date, {
    construct: (target, given: [], constructor) =>
      Reflect.construct(target, given.length === 0 ? [wallMs()] : given, constructor) as Date,
    get: (target, key, receiver) => (key === 'now' ? wallMs : (Reflect.get(target, key, receiver) as unknown)),
  });
}
