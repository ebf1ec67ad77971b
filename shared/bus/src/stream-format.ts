import { StreamError, type StreamDefinition } from './stream-store.js';

/** In the description of a stream, beside whatever an operator wrote there. nats-server 2.9 has no other place for it. */
const MARK = /\bmuster format (\d{1,6})\b/;

/** The format of what a stream holds: 1 where nothing is said, as versions before formats left it. */
export function formatIn(description: string | undefined): number {
  return Number(MARK.exec(description ?? '')?.[1] ?? 1);
}

/** The same description with this format. */
export function describeFormat(description: string | undefined, format: number): string {
  const mark = `muster format ${format}`;
  if (description === undefined || description === '') return mark;
  return MARK.test(description) ? description.replace(MARK, mark) : `${description} (${mark})`;
}

/** A version reads its own format and the one before. Throws for others: nothing may be read or changed then. */
export function refuseOtherFormat({ name, format = 1 }: StreamDefinition, found: number): void {
  if (found > format) {
    const advice = `run the version that wrote it, or restore a backup of before`;
    throw new StreamError(
      'newer_format',
      `stream ${name} has format ${found}, and this version knows ${format}: ${advice}`,
    );
  }
  if (found < format - 1) {
    const advice = `upgrade one version after the other`;
    throw new StreamError(
      'older_format',
      `stream ${name} has format ${found}, and this version reads ${format - 1} and ${format}: ${advice}`,
    );
  }
}
