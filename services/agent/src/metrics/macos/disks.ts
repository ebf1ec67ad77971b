import type { Candidate } from '../contract/instance-selection.js';
import { linesOf } from './sections.js';

const SECTOR_BYTES = 512;
const PER_MS = 1_000_000;

/**
 * Reads what `ioreg` prints of block storage drivers: their `Statistics` (IOKit's IOBlockStorageDriver.h: operations,
 * bytes, and nanoseconds), and then the medium on top of each with its name. How long a disk was busy is not counted
 * there.
 */
export function parseDisks(text: string): Candidate[] {
  const found: Candidate[] = [];
  let values: number[] | undefined;
  for (const line of linesOf(text)) {
    if (line.startsWith('+-o ')) values = undefined;
    const statistics = /^[\s|]*"Statistics" = \{(.*)\}/.exec(line)?.[1];
    if (statistics !== undefined) values = valuesOf(statistics);
    const name = /^[\s|]*"BSD Name" = "(disk\d+)"$/.exec(line)?.[1];
    if (name === undefined || values === undefined) continue;
    const activity = (values[0] as number) + (values[1] as number);
    found.push({ key: name, values, activity });
    values = undefined;
  }
  return found;
}

function valuesOf(statistics: string): number[] {
  const of = (name: string): number => {
    const digits = new RegExp(`"${name}"=(\\d{1,20})(?:,|$)`).exec(statistics)?.[1];
    return digits === undefined ? Number.NaN : Number(digits);
  };
  const both = (name: string): number[] => [of(`${name} \\(Read\\)`), of(`${name} \\(Write\\)`)];
  const sectors = both('Bytes').map((bytes) => bytes / SECTOR_BYTES);
  const times = both('Total Time').map((nanoseconds) => nanoseconds / PER_MS);
  return [...sectors, ...both('Operations'), ...times, Number.NaN];
}
