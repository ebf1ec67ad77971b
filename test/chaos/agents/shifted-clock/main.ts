import { readFileSync } from 'node:fs';

/**
 * Loaded by `--import` into an agent: its wall clock is ahead by as many milliseconds as the file says that
 * `MUSTER_TEST_CLOCK_FILE` names, and jumps when the file changes. The monotonic clock and timers do not.
 */
const file = process.env['MUSTER_TEST_CLOCK_FILE'] ?? '';
const realNow = Date.now;
let aheadMs = 0;

function read(): void {
  aheadMs = Number(readFileSync(file, 'utf8'));
}

read();
setInterval(read, 50).unref();
const shiftedNow = (): number => realNow() + aheadMs;
globalThis.Date = new Proxy(Date, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [shiftedNow()] : args, newTarget) as object,
  get: (target, key) => (key === 'now' ? shiftedNow : (Reflect.get(target, key) as unknown)),
});
