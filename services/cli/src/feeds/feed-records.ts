import type { FeedKind } from '@muster/protocol';
import { readOpenVex, splitRecords } from '@muster/vulnerabilities';
import type { SourceText } from './feed-sources.js';

/** A record as JSON, or why there is none. */
export type FeedText = { readonly text: string } | { readonly fault: string };

export interface RecordOptions {
  /** Of statements of a kind of feed that has no end of its own. RFC 3339. */
  readonly until: string;
  readonly reason?: string;
}

/** Files of EPSS and KEV are one object or table of some megabytes. */
const DOCUMENT_CHARS = 64 * 1024 * 1024;

/** The records of one text, by the kind of its feed. */
export async function* feedRecords(
  kind: FeedKind,
  { name, chunks }: SourceText,
  options: RecordOptions,
): AsyncGenerator<FeedText> {
  if (kind === 'epss') {
    yield* epssRecords(chunks);
    return;
  }
  for await (const piece of splitRecords(chunks, kind === 'osv' ? undefined : DOCUMENT_CHARS)) {
    if (piece.kind !== 'record')
      yield { fault: `${name}: ${'message' in piece ? piece.message : 'a record has more than 8 MiB'}` };
    else if (kind === 'osv') yield { text: piece.text };
    else yield* documentRecords(kind, name, piece.text, options);
  }
}

function* documentRecords(
  kind: 'kev' | 'vex',
  name: string,
  text: string,
  options: RecordOptions,
): Generator<FeedText> {
  try {
    const document = JSON.parse(text) as { readonly vulnerabilities?: unknown };
    if (kind === 'kev') {
      if (!Array.isArray(document.vulnerabilities)) throw new TypeError('no catalogue: it has no vulnerabilities');
      for (const [i, one] of (document.vulnerabilities as unknown[]).entries()) {
        const text = JSON.stringify(one);
        const isObject = text.startsWith('{');
        yield isObject ? { text } : { fault: `${name}: record ${i + 1}: ${text.slice(0, 20)} is no object` };
      }
      return;
    }
    const { statements, faults } = readOpenVex(document, options);
    for (const one of statements) yield { text: JSON.stringify(one) };
    for (const fault of faults) yield { fault: `${name}: ${fault}` };
  } catch (error) {
    yield { fault: `${name}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** `cve,epss,percentile` in each line, with comments before them. */
async function* epssRecords(chunks: AsyncIterable<string>): AsyncGenerator<FeedText> {
  for await (const line of lines(chunks)) {
    if (line.startsWith('#') || line.startsWith('cve,') || line === '') continue;
    const [cve, epss, percentile] = line.split(',');
    yield { text: JSON.stringify({ cve, epss, percentile }) };
  }
}

async function* lines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split(/\r?\n/);
    rest = (parts.pop() ?? '').slice(0, 1_000);
    yield* parts;
  }
  yield rest;
}
