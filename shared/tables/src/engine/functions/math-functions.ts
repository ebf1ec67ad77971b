import type { SqlValue } from '@muster/protocol';
import { real, type SqlFunction, strict } from './sql-function.js';

/** A function of numbers. What is not defined, or too large, is an error; NULL stays NULL. */
function numeric(name: string, args: number, call: (...values: number[]) => number): SqlFunction {
  const one = strict(name, args, (...values) => {
    const result = call(...values.map(real));
    if (Number.isNaN(result)) throw new Error('Numerical argument out of domain');
    return result;
  });
  return { ...one, returns: 'real' };
}

function within(result: number): number {
  if (Math.abs(result) === Infinity) throw new Error('Numerical result out of range');
  return result;
}

const LOWEST_INTEGER = -(2n ** 63n);

/** What does not fit into 64 bits is the lowest integer, as processors convert it. */
function toInteger(value: number): SqlValue {
  if (Math.abs(value) >= 2 ** 63) return LOWEST_INTEGER;
  // Without the sign of -0.
  return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
}

function rounded(name: string, round: (value: number) => number): SqlFunction {
  return strict(name, 1, (value) => (typeof value === 'bigint' ? value : toInteger(round(real(value)))));
}

/**
 * Those that differ from SQLite's own of the same name: `log` is the natural logarithm, `ceil` and `floor` give
 * integers, text counts by the number that it begins with, and what is not defined is an error.
 */
export const MATH_FUNCTIONS: readonly SqlFunction[] = [
  numeric('sqrt', 1, Math.sqrt),
  numeric('exp', 1, Math.exp),
  numeric('log', 1, (value) => within(Math.log(value))),
  numeric('log10', 1, (value) => within(Math.log10(value))),
  numeric('power', 2, (base, exponent) => within(base ** exponent)),
  numeric('sin', 1, Math.sin),
  numeric('cos', 1, Math.cos),
  numeric('tan', 1, Math.tan),
  numeric('cot', 1, (value) => 1 / Math.tan(value)),
  numeric('asin', 1, Math.asin),
  numeric('acos', 1, Math.acos),
  numeric('atan', 1, Math.atan),
  numeric('radians', 1, (degrees) => (degrees / 180) * Math.PI),
  numeric('degrees', 1, (radians) => (radians / Math.PI) * 180),
  rounded('ceil', Math.ceil),
  rounded('floor', Math.floor),
];
