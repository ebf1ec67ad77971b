import { GROUPS } from './catalogue.js';
import { decodeKeyframe } from './sample-codec.js';
import { SampleScanner } from './sample-scanner.js';
import type { Sample, Shape } from './sample.js';

/** Far more than a fleet has kinds of hardware that are looked at together. */
const MAX_SHAPES = 32;

/**
 * Reads keyframes as `decodeKeyframe` does, many of them one after another: those with the same instances get the same
 * `Shape` object, whatever endpoint they are of, and their names are compared and not decoded.
 */
export class KeyframeReader {
  #scanner: SampleScanner | undefined;
  /** The newest first. */
  readonly #shapes: Shape[] = [];

  /** Throws `MalformedBytes`. */
  read(bytes: Uint8Array): Sample {
    if (this.#shapes.length === 0) return this.#decode(bytes);
    const scanner = (this.#scanner ??= new SampleScanner());
    scanner.scan(bytes);
    const { seq, atMs, length, values } = scanner;
    const shape = scanner.isMoved ? undefined : this.#shapes.find((known) => isOf(scanner, known));
    return shape === undefined ? this.#decode(bytes) : { seq, atMs, shape, values: values.slice(0, length) };
  }

  #decode(bytes: Uint8Array): Sample {
    const sample = decodeKeyframe(bytes);
    if (sample.positions !== undefined || !isAscii(sample.shape)) return sample;
    this.#shapes.unshift(sample.shape);
    if (this.#shapes.length > MAX_SHAPES) this.#shapes.pop();
    return sample;
  }
}

function isAscii({ names }: Shape): boolean {
  // eslint-disable-next-line no-control-regex -- all of ASCII
  return GROUPS.every((group) => names[group].every((name) => /^[\x00-\x7f]*$/.test(name)));
}

/** Whether the instances of what was scanned are those of the shape, whose names are ASCII. */
function isOf(scanner: SampleScanner, { length, names }: Shape): boolean {
  if (scanner.length !== length) return false;
  return GROUPS.every((group, number) => {
    const its = names[group];
    return scanner.instances[number] === its.length && its.every((name, i) => scanner.isNamed(number, i, name));
  });
}
